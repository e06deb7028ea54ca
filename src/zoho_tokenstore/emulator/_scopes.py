"""Scopes such as `ZohoCRM.modules.ALL`: reading them, writing them, and what they permit."""

from __future__ import annotations

import re

from zoho_tokenstore.emulator._options import ScopeFormat
from zoho_tokenstore.emulator._refusals import oauth_refusal

_SCOPE = re.compile(r"^[A-Za-z]+(\.[A-Za-z0-9_-]+)+$|^(openid|email|profile)$")


def read_scopes(text: str) -> tuple[str, ...]:
    """Return the scopes of a request, which separates them by commas or spaces.

    Raises:
        RefusalError: `invalid_scope`: there is none, or one is misspelt.
    """
    scopes = tuple(text.replace(",", " ").split())
    if not scopes or not all(_SCOPE.match(scope) for scope in scopes):
        raise oauth_refusal("invalid_scope")
    return scopes


def write_scopes(scopes: tuple[str, ...], form: ScopeFormat) -> dict[str, object]:
    """Return the field `scope` of a token answer, or nothing."""
    if form == "omit":
        return {}
    return {"scope": (" " if form == "spaces" else ",").join(scopes)}


def permits(scopes: tuple[str, ...], service: str, areas: tuple[str, ...], operation: str) -> bool:
    """Return whether one of `scopes` permits an operation in one of a service's areas.

    Args:
        scopes: the token's scopes.
        service: such as `ZohoCRM`.
        areas: such as `modules` and `modules.Leads`, each of which is enough.
        operation: such as `READ`; `ALL` permits it too.
    """
    enough = {f"{service}.{area}.{verb}".lower() for area in areas for verb in ("ALL", operation)}
    return any(scope.lower() in enough for scope in scopes)
