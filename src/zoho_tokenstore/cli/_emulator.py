"""`zoho-tokens emulator`: a local Zoho until Ctrl+C."""

from __future__ import annotations

import re
import signal
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoho_tokenstore.cli._durations import parse_duration
from zoho_tokenstore.cli._shared import say

if TYPE_CHECKING:
    from zoho_tokenstore.emulator import Emulator

DEFAULT_PORT = 8085

_OFF = 0
_LIMITS = ("refresh_limit", "live_access_tokens", "refresh_tokens", "code_limit")
_POLL_SECONDS = 0.1


def parse_offset(text: str) -> timedelta:
    """Return the duration of `10m`, or of `-10m`, which is negative."""
    duration = parse_duration(text.removeprefix("-"))
    return -duration if text.startswith("-") else duration


def parse_limit(text: str) -> int:
    """Return the limit of `10`, or 0 for `off`."""
    if text == "off":
        return _OFF
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < 1:
        raise typer.BadParameter(f"{text} is not a limit; write a number from 1, or off.")
    return int(text)


def _duration(explanation: str) -> Any:
    return typer.Option(parser=parse_duration, metavar="DURATION", help=explanation, show_default=False)


def _limit(explanation: str) -> Any:
    return typer.Option(parser=parse_limit, metavar="N|off", help=explanation, show_default=False)


def _text(explanation: str) -> Any:
    return typer.Option(help=explanation, show_default=False)


def emulator(
    host: Annotated[str | None, _text("Address to listen on. [127.0.0.1]")] = None,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks a free one.")] = DEFAULT_PORT,
    public_url: Annotated[str | None, _text("Base URL the clients use, behind a proxy.")] = None,
    location: Annotated[str | None, _text("Data centre named in the redirect. [us]")] = None,
    api_domain: Annotated[str | None, _text("self, omit, or a URL to answer with. [self]")] = None,
    clock_offset: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_offset,
            metavar="[-]DURATION",
            help="How far the server's clock is ahead; negative is behind. [0]",
            show_default=False,
        ),
    ] = None,
    access_token_lifetime: Annotated[timedelta | None, _duration("Life of an access token. [1h]")] = None,
    code_lifetime: Annotated[timedelta | None, _duration("Life of a grant code. [3m]")] = None,
    refresh_limit: Annotated[int | None, _limit("Refreshes per refresh token and window. [10]")] = None,
    refresh_window: Annotated[timedelta | None, _duration("Window of the refresh limit. [10m]")] = None,
    live_access_tokens: Annotated[
        int | None, _limit("Live access tokens per refresh token; the oldest dies. [15]")
    ] = None,
    refresh_tokens: Annotated[
        int | None, _limit("Refresh tokens per user and client; the oldest dies. [20]")
    ] = None,
    code_limit: Annotated[int | None, _limit("Grant codes per client and window. [10]")] = None,
    code_window: Annotated[timedelta | None, _duration("Window of the code limit. [10m]")] = None,
    device_code_lifetime: Annotated[timedelta | None, _duration("Life of a device code. [5m]")] = None,
    device_interval: Annotated[timedelta | None, _duration("Time between a device's polls. [30s]")] = None,
    device_unit: Annotated[str | None, _text("Unit of the device flow's times: ms or s. [ms]")] = None,
    scope_format: Annotated[
        str | None, _text("Scopes in token answers: spaces, commas or omit. [spaces]")
    ] = None,
    check_scopes: Annotated[
        bool | None,
        typer.Option(help="Whether the APIs refuse a token that lacks the scope. [yes]", show_default=False),
    ] = None,
    throttle_status: Annotated[int | None, _text("HTTP status of Access Denied. [400]")] = None,
    error_status: Annotated[int | None, _text("HTTP status of other token errors. [200]")] = None,
    auto_consent: Annotated[str | None, _text("E-mail of the user who accepts without a page.")] = None,
    control: Annotated[
        str | None, _text("Who may use /_emulator: loopback, anyone, nobody. [loopback]")
    ] = None,
    client_id: Annotated[str | None, _text("Id of the demo client. [made up]")] = None,
    client_secret: Annotated[
        str | None,
        typer.Option(
            envvar="ZOHO_EMULATOR_CLIENT_SECRET",
            help="Secret of the demo client. [made up]",
            show_default=False,
        ),
    ] = None,
    redirect_uris: Annotated[
        list[str] | None,
        typer.Option(
            "--redirect-uri",
            help="Redirect URI of the demo client; repeatable. [port 8000 of localhost, and that of login]",
            show_default=False,
        ),
    ] = None,
    users: Annotated[
        list[str] | None,
        typer.Option("--user", help="E-mail of a demo user; repeatable. [two]", show_default=False),
    ] = None,
    journal_size: Annotated[int | None, _text("Requests kept in the journal. [10000]")] = None,
    seed: Annotated[int | None, _text("Make ids and tokens reproducible (and guessable).")] = None,
) -> None:
    """Serve a local Zoho until Ctrl+C. Accounts server and CRM are at one address."""
    _serve(_given(locals()))


def _given(values: dict[str, object]) -> dict[str, Any]:
    """Return the options that were given, in the types of `EmulatorOptions`."""
    given = {name: value for name, value in values.items() if value is not None and value != []}
    for name in _LIMITS:
        if given.get(name) == _OFF and name in given:
            given[name] = None
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


def _serve(given: dict[str, Any]) -> None:
    wanted: list[int] = []
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda number, _frame: wanted.append(number))
    zoho = _start(given)
    try:
        _introduce(zoho, made_up="client_secret" not in given)
        while not wanted:
            time.sleep(_POLL_SECONDS)
    finally:
        zoho.stop()
    say("Stopped.")


def _start(given: dict[str, Any]) -> Emulator:
    try:
        from zoho_tokenstore.emulator import Emulator

        zoho = Emulator(**given)
        zoho.start()
    except (ModuleNotFoundError, ValueError, OSError, RuntimeError) as error:
        say(f"The emulator did not start. {error}", err=True)
        raise typer.Exit(1) from error
    return zoho


def _introduce(zoho: Emulator, *, made_up: bool) -> None:
    client = zoho.default_client
    # A made-up one opens only this, and nobody else knows it. A given one may be real.
    secret = client.client_secret if made_up else "(as given)"
    lines = [
        f"Zoho emulator at {zoho.url}",
        f"  accounts URL   {zoho.accounts_url}",
        f"  control        {zoho.url}/_emulator/",
        f"  client id      {client.client_id}",
        f"  client secret  {secret}",
        *(f"  redirect URI   {uri}" for uri in client.redirect_uris),
        *(f"  user           {one.email} ({one.organization.name})" for one in zoho.default_users),
        "Press Ctrl+C to stop.",
    ]
    for line in lines:
        say(line)
