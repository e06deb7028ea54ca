"""For the tests of an application: a browser of Django's test client that is logged in, without Zoho."""

from __future__ import annotations

import secrets
from typing import Any, Final

from django.test import Client

from zoho_tokenstore.login._requests import SESSION
from zoho_tokenstore.login.django._site import site
from zoho_tokenstore.records import TokenRecord

__all__ = ["log_in"]

_AN_HOUR_MS: Final = 3_600_000


def log_in(client: Client, user_name: str = "patricia@zylker.example:60001", **fields: Any) -> TokenRecord:
    """Log a test client in, with tokens that are made up; calls of Zoho would fail with them.

    Arguments:
        client: the test client.
        user_name: as whom.
        fields: others of the stored `TokenRecord`.
    """
    known = site()
    repository = known.tokens.lifecycle.renewer.repository
    values = {
        "client_id": known.options.client_id,
        "client_secret": known.options.client_secret,
        "refresh_token": f"1000.{secrets.token_hex(16)}",
        "access_token": f"1000.{secrets.token_hex(16)}",
        "expires_at_ms": repository.clock() + _AN_HOUR_MS,
        **fields,
    }
    login = repository.save(TokenRecord(user_name=user_name, **values))
    session = client.session
    session[SESSION] = known.flow.sessions.open(login.id or "", "test")
    session.save()
    return login
