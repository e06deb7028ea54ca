"""The OAuth client of a login: its secret comes from the environment, a file or a hidden prompt."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import typer

from zoho_tokenstore._logins import Client
from zoho_tokenstore.cli._shared import named_value
from zoho_tokenstore.errors import ConfigurationError

ID_VARIABLE: Final = "ZOHO_CLIENT_ID"
SECRET_VARIABLE: Final = "ZOHO_CLIENT_SECRET"  # noqa: S105  # its name


def client_of(client_id: str | None, secret_place: str | None) -> Client:
    """Return the client that is given, in the environment, or asked for."""
    known_id = client_id or os.environ.get(ID_VARIABLE)
    known_id = known_id or prompted("Client id", f"Pass --client-id, or set {ID_VARIABLE}.")
    return Client(known_id, _secret(secret_place))


def _secret(place: str | None) -> str:
    if place is not None:
        kind, _, name = place.partition(":")
        return _in_file(Path(name)) if kind == "file" else named_value(place)
    known = os.environ.get(SECRET_VARIABLE)
    return known or prompted("Client secret", f"Pass --client-secret, or set {SECRET_VARIABLE}.", hidden=True)


def _in_file(path: Path) -> str:
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigurationError(f"The client secret cannot be read from {path}: {reason}.") from error
    if not secret:
        raise ConfigurationError(f"The file {path} is empty; it should hold the client secret.")
    return secret


def prompted(what: str, otherwise: str, *, hidden: bool = False) -> str:
    """Return what somebody types; where there is nobody to ask, the error says what to do `otherwise`."""
    if not sys.stdin.isatty():
        raise ConfigurationError(f"{what} is missing. {otherwise}")
    answer: str = typer.prompt(what, hide_input=hidden, err=True)
    return answer.strip()
