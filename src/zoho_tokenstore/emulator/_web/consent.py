"""The authorization endpoint: who asks, for what, and what the user says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode, urlsplit, urlunsplit

from zoho_tokenstore.emulator._model import Asked, Client, CodeTerms, Grant, User
from zoho_tokenstore.emulator._refusals import RefusalError
from zoho_tokenstore.emulator._scopes import read_scopes
from zoho_tokenstore.emulator._web.call import Answer, Call
from zoho_tokenstore.emulator._web.pages import consent_page, error_page
from zoho_tokenstore.emulator._zoho import Zoho

_CHALLENGE = re.compile(r"^[A-Za-z0-9._~-]{43,128}$")
_MAX_PENDING = 1000


class PageError(Exception):
    """A request answered with a page, since it must not be answered with a redirect."""

    def __init__(self, name: str, reason: str, hint: str) -> None:
        super().__init__(name)
        self.name = name
        self.reason = reason
        self.hint = hint


def ask(zoho: Zoho, call: Call) -> Answer:
    """Answer `GET /oauth/v2/auth`: the page, or at once a redirect with `auto_consent`."""
    try:
        asked = _read(zoho, call)
    except PageError as error:
        return Answer(400, page=error_page(error.reason, error.hint), outcome=error.name)
    call.trace.client = asked.client.client_id
    if zoho.options.auto_consent is not None:
        return _accept(zoho, call, asked, zoho.directory.user(zoho.options.auto_consent))
    ticket, users = _keep(zoho, asked), zoho.directory.users.values()
    page = consent_page(ticket, call.trace.client, asked.scopes, users, target=asked.terms.redirect_uri)
    return Answer(page=page, outcome="page")


def decide(zoho: Zoho, call: Call) -> Answer:
    """Answer `POST /oauth/v2/auth`, the page's form."""
    asked = zoho.pending.pop(call.form.get("ticket", ""), None)
    user = zoho.directory.users.get(call.form.get("user", ""))
    if asked is None or (user is None and call.form.get("decision") == "accept"):
        page = error_page("This decision is not open.", "Start again from your application.")
        return Answer(400, page=page, outcome="invalid_ticket")
    call.trace.client = asked.client.client_id
    if call.form.get("decision") != "accept" or user is None:
        return _deny(asked)
    return _accept(zoho, call, asked, user)


def _keep(zoho: Zoho, asked: Asked) -> str:
    if len(zoho.pending) >= _MAX_PENDING:
        zoho.pending.pop(next(iter(zoho.pending)))
    ticket = zoho.mint.hex(16)
    zoho.pending[ticket] = asked
    return ticket


def _read(zoho: Zoho, call: Call) -> Asked:
    query = call.query
    client = zoho.directory.clients.get(query.get("client_id", ""))
    if client is None:
        raise PageError("invalid_client", "The client_id is not known.", "Register the client first.")
    redirect_uri = query.get("redirect_uri", "")
    if redirect_uri not in client.redirect_uris or not _is_usable(redirect_uri):
        hint = "It must equal one that is registered for the client, to the letter."
        raise PageError("invalid_redirect_uri", "The redirect_uri is not registered.", hint)
    if query.get("response_type") != "code":
        raise PageError("invalid_response_type", "response_type must be code.", "Nothing else is emulated.")
    return _read_wishes(query, client, redirect_uri)


def _read_wishes(query: Mapping[str, str], client: Client, redirect_uri: str) -> Asked:
    challenge, method = query.get("code_challenge"), query.get("code_challenge_method", "plain")
    if challenge is not None and (method not in ("plain", "S256") or not _CHALLENGE.match(challenge)):
        hint = "Use 43 to 128 unreserved characters, and the method S256 or plain."
        raise PageError("invalid_code_challenge", "The code_challenge cannot be used.", hint)
    if query.get("access_type", "online") not in ("online", "offline"):
        raise PageError(
            "invalid_access_type", "access_type must be online or offline.", "It is online by default."
        )
    scopes, prompted = _read_scopes(query.get("scope", "")), query.get("prompt") == "consent"
    terms = CodeTerms(query.get("access_type") == "offline", redirect_uri, challenge, method)
    return Asked(client, scopes, prompted, query.get("state"), terms)


def _read_scopes(text: str) -> tuple[str, ...]:
    try:
        return read_scopes(text)
    except RefusalError as error:
        hint = "Write them like ZohoCRM.modules.ALL, with commas between."
        raise PageError(error.name, "The scope is missing or misspelt.", hint) from error


def _accept(zoho: Zoho, call: Call, asked: Asked, user: User) -> Answer:
    call.trace.user = user.email
    if not zoho.ledger.allow_code(asked.client):
        call.trace.denied = True
        return _deny(asked)
    grant = Grant(asked.client, user, asked.scopes)
    offline = zoho.earns_refresh_token(grant, offline=asked.terms.offline, prompted=asked.prompted)
    code = zoho.ledger.issue_code(grant, replace(asked.terms, offline=offline))
    found = {"code": code.text, "location": zoho.options.location, "accounts-server": call.base_url}
    return Answer(location=_redirect(asked, found))


def _deny(asked: Asked) -> Answer:
    return Answer(location=_redirect(asked, {"error": "access_denied"}), outcome="access_denied")


def _redirect(asked: Asked, found: Mapping[str, str]) -> str:
    told = dict(found) if asked.state is None else {**found, "state": asked.state}
    parts = urlsplit(asked.terms.redirect_uri or "")
    query = "&".join(part for part in (parts.query, urlencode(told)) if part)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def _is_usable(uri: str) -> bool:
    return urlsplit(uri).scheme not in ("", "javascript", "data", "file")
