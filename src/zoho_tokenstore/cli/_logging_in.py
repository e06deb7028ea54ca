"""The ways to log in, and what is printed of a login that was made."""

from __future__ import annotations

import os
import secrets
import sys
import threading
import webbrowser
from collections.abc import Callable, Mapping
from typing import NamedTuple

from zoho_tokenstore._logins import Client, Code, Device
from zoho_tokenstore.cli._client import client_of, prompted
from zoho_tokenstore.cli._json import login_of, say_json
from zoho_tokenstore.cli._loopback import Loopback
from zoho_tokenstore.cli._opening import Store, check_saved, opened
from zoho_tokenstore.cli._shared import say
from zoho_tokenstore.cli._texts import shown_id
from zoho_tokenstore.errors import ConfigurationError, InvalidGrantError
from zoho_tokenstore.login._addresses import exchange_server
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal._addresses import accounts_server
from zoho_tokenstore.renewal._authorization import authorization_url, pkce_pair
from zoho_tokenstore.renewal._device import DeviceCode
from zoho_tokenstore.tokens import Tokens

_LONGEST_REASON = 60


class Wanted(NamedTuple):
    """How to log in: the accounts server, the scopes, the user's name if given, and the browser's part."""

    accounts_url: str
    scopes: tuple[str, ...]
    user: str | None
    redirect_url: str
    seconds: float
    opens_browser: bool


Make = Callable[[Tokens, Client, Wanted], TokenRecord]


def run(
    make: Make,
    wanted: Wanted,
    store: str | None,
    keys: str | None,
    client_id: str | None,
    secret_place: str | None,
    *,
    as_json: bool,
) -> None:
    """Log in, and print what is stored now."""
    accounts_server(wanted.accounts_url)  # before anybody is asked for anything
    with opened(store, keys, wanted.accounts_url, may_create=True) as found:
        client = client_of(client_id, secret_place)
        record = check_saved(found.tokens, make(found.tokens, client, wanted))
        if as_json:
            say_json(login_of(record))
        else:
            _introduce(record, found, wanted.scopes if make is not by_code else ())


def in_browser(tokens: Tokens, client: Client, wanted: Wanted) -> TokenRecord:
    """Log in with a browser on this computer, with PKCE (RFC 7636)."""
    state, pkce = secrets.token_urlsafe(32), pkce_pair()
    url = authorization_url(
        wanted.accounts_url,
        client.id,
        wanted.redirect_url,
        wanted.scopes,
        state=state,
        code_challenge=pkce.challenge,
    )
    with Loopback(wanted.redirect_url, state) as loopback:
        _show_address(url, wanted)
        answer = loopback.wait(wanted.seconds)
    accounts_url = server_of(wanted.accounts_url, answer)
    code = Code(_code_in(answer), wanted.redirect_url, pkce.verifier)
    return tokens.log_in(client, code, user_name=wanted.user, accounts_url=accounts_url)


def on_device(tokens: Tokens, client: Client, wanted: Wanted) -> TokenRecord:
    """Log in on another device: a code is shown, and waited for."""
    device = Device(wanted.scopes, _show_code)
    return tokens.log_in(client, device, user_name=wanted.user, accounts_url=wanted.accounts_url)


def by_code(tokens: Tokens, client: Client, wanted: Wanted) -> TokenRecord:
    """Log in with the code of a self client."""
    is_typed = sys.stdin.isatty()
    code = prompted("Code", "", hidden=True) if is_typed else sys.stdin.readline().strip()
    if not code:
        raise ConfigurationError("The code is missing. Type it, or write it to standard input.")
    return tokens.log_in(client, Code(code), user_name=wanted.user, accounts_url=wanted.accounts_url)


def server_of(asked: str, answer: Mapping[str, str]) -> str:
    """Return the accounts server where a code must be exchanged: that of the user's data centre.

    Whoever sends a browser here can put any address into the redirect.
    """
    server = exchange_server(asked, answer)
    if server is None:
        raise ConfigurationError(
            "The redirect names an unknown accounts server. Nothing was sent to it. Begin again."
        )
    return server


def _code_in(answer: Mapping[str, str]) -> str:
    if "error" in answer:
        reason = answer["error"][:_LONGEST_REASON]
        raise InvalidGrantError(f"Zoho did not grant the login: {reason}. Begin again.", error_code=reason)
    return answer["code"]


def _show_address(url: str, wanted: Wanted) -> None:
    opens = wanted.opens_browser and _has_browser()
    say(
        "Log in with your browser. If none opens, go to:" if opens else "Log in with a browser. Go to:",
        err=True,
    )
    say(url, err=True)
    say(f"Waiting for {wanted.redirect_url} (Ctrl+C stops).", err=True)
    if opens:  # some browsers return only when they are closed
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def _has_browser() -> bool:
    """Return whether a browser would open in its own window: one in this terminal would block it."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def _show_code(device: DeviceCode) -> None:
    minutes = device.expires_in.total_seconds() / 60
    say(f"Go to {device.verification_url}", err=True)
    say(f"and enter {device.user_code} within {minutes:.0f} min (Ctrl+C stops).", err=True)


def _introduce(record: TokenRecord, found: Store, requested: tuple[str, ...]) -> None:
    say(f"Logged in: {shown_id(record.id or '')}")
    say(f"  user    {record.user_name or '-'}")
    if requested:
        say(f"  scopes  {' '.join(requested)}")
    say(f"  store   {found.repository.location}")
    if record.user_name is None:
        say(
            "Zoho does not say who this is: the scopes ZohoCRM.users.READ and ZohoCRM.org.READ are missing. "
            "With --user NAME, the next login of the same user replaces this one.",
            err=True,
        )
