"""Login with Zoho, free of frameworks: from the button to the browser's session, and out of it again."""

from __future__ import annotations

import contextlib
import hmac
import logging
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final, Literal, cast

from zoho_tokenstore._logins import Client
from zoho_tokenstore.errors import (
    BackendError,
    ConfigurationError,
    LoginExpiredError,
    TokenNotFoundError,
    TokenStoreError,
)
from zoho_tokenstore.lifecycle._lifecycle import lifecycle_of
from zoho_tokenstore.login._addresses import exchange_server, safe_path
from zoho_tokenstore.login._arguments import check
from zoho_tokenstore.login._begun_logins import Begun, Kept, kept_of, parse_kept
from zoho_tokenstore.login._browser_sessions import BrowserSession, BrowserSessions, session_of, split
from zoho_tokenstore.login._exchange import Exchange
from zoho_tokenstore.login._failures import LoginFailedError, LoginFailure, passing_over_a_bad_row
from zoho_tokenstore.login._once import Once, Outcome
from zoho_tokenstore.login._results import LoggedIn, Started
from zoho_tokenstore.login._scopes import CRM_READ, with_identity
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal._authorization import AccessType, authorization_url, pkce_pair
from zoho_tokenstore.renewal._datacenters import DATA_CENTERS
from zoho_tokenstore.tokens import Tokens

_NOTHING: Final = Begun(0, "", "/")
_USUAL: Final = ("denied", "used")
"""How logins fail if nothing is wrong: a user refuses, or reloads a page."""

_log: Final = logging.getLogger("zoho_tokenstore")


class LoginFlow:
    """Logs users in with Zoho. It may be shared by all threads, and needs no affinity between processes.

    The state and the PKCE verifier of a login are bound to the browser's session, which the application's
    framework keeps; it must be signed or on the server. By RFC 6749, 10.12, RFC 7636 and RFC 9700.

    Arguments:
        tokens: where the logins are: a store's `tokens`, or those of `open_tokens`.
        client: the OAuth client.
        clients: the client of other data centres by their short codes (`eu`), if Zoho's API console shows
            different secrets for them.
        redirect_url: where Zoho sends the browser, exactly as it is registered.
        scopes: what the application needs, such as `CRM_READ`; those for the user's name are added.
        accounts_url: the accounts server at which users begin; by default ``https://accounts.zoho.com``,
            or the one that `tokens` were opened with. Users of all data centres can begin there.
        access_type: `online` brings access for an hour, without a refresh token.
        time_limit: how long a login may take, from the button to the callback.
        session_lifetime: how long a browser stays logged in at most. A `SessionPolicy` of the store ends
            logins sooner, and when they are idle.

    Raises:
        ConfigurationError: an argument cannot be used, or the store shares nothing but tokens between
            processes (Secrets Manager): a browser would be logged in at one of them only.
    """

    def __init__(
        self,
        tokens: Tokens,
        client: Client,
        redirect_url: str,
        *,
        scopes: Sequence[str] = CRM_READ,
        clients: Mapping[str, Client] | None = None,
        accounts_url: str | None = None,
        access_type: AccessType = "offline",
        time_limit: timedelta = timedelta(minutes=10),
        session_lifetime: timedelta = timedelta(days=14),
    ) -> None:
        lifecycle = lifecycle_of(tokens, "LoginFlow")
        limits = {"time_limit": time_limit, "session_lifetime": session_lifetime}
        check(redirect_url, scopes, client, clients or {}, **limits)
        self.tokens: Final = tokens
        self.scopes: Final = with_identity(scopes)
        self._client = client
        self._accounts_url = accounts_url or tokens.accounts_url or DATA_CENTERS[0].accounts_url
        self._access_type: AccessType = access_type
        self._limit_ms = int(time_limit.total_seconds() * 1000)
        self._renewer = lifecycle.renewer
        self._repository = self._renewer.repository
        if not self._repository.shares_leases:
            raise ConfigurationError(
                f"{self._repository.location} keeps no leases, so a browser would be logged in at one "
                "process only. Keep the logins of a site in another store."
            )
        self._once = Once(self._repository.leases)
        self._exchange = Exchange(tokens, client, clients or {}, redirect_url, self.scopes, access_type)
        self.redirect_url: Final = redirect_url
        self.is_secure: Final = redirect_url.lower().startswith("https://")
        self.session_lifetime: Final = session_lifetime
        self.sessions: Final = BrowserSessions(self._repository.leases, session_lifetime)
        self.start()  # what cannot be used is told now, not to the first user

    def __repr__(self) -> str:
        return f"LoginFlow({self._repository.location!r}, {self.redirect_url!r})"

    def start(
        self,
        kept: Kept | None = None,
        *,
        next: str | None = None,  # noqa: A002  # as frameworks call it
        user: str | None = None,
        prompt: Literal["consent"] | None = "consent",
    ) -> Started:
        """Begin a login.

        Arguments:
            kept: what the browser's session keeps so far: other tabs may have begun logins as well.
            next: where the user wants to go: a path of this site. Anything else becomes ``/``.
            user: who must consent, by user name or e-mail address, if the user is known already.
            prompt: `None` does not ask a user again who has consented before; Zoho then sends no refresh
                token, and the stored one is kept.
        """
        state, pkce = self._new_state(), pkce_pair()
        url = authorization_url(
            self._accounts_url,
            self._client.id,
            self.redirect_url,
            self.scopes,
            state=state,
            access_type=self._access_type,
            prompt=prompt,
            code_challenge=pkce.challenge,
        )
        begun = Begun(self._repository.clock(), pkce.verifier, safe_path(next), user)
        return Started(url, kept_of({**parse_kept(kept), state: begun}))

    def finish(self, answer: Mapping[str, str], kept: Kept | None, *, label: str = "") -> LoggedIn:
        """Log in whoever comes back from Zoho.

        A callback that comes twice, by a double click or a reload while it is being answered, has one
        outcome, and its code is sent once.

        Arguments:
            answer: the parameters of the callback's URL.
            kept: what the browser's session keeps.
            label: what tells this browser from others of the same user, in lists.

        Raises:
            LoginFailedError: nobody is logged in; it has a sentence for the user.
        """
        state = answer.get("state", "")
        logins = parse_kept(kept)
        begun = logins.get(state)
        if begun is None:
            self._burn(state)
            raise _with(LoginFailedError("foreign"), _NOTHING, logins)
        if begun.is_over:
            raise _with(LoginFailedError("used"), begun, logins)
        over = {**logins, state: begun._replace(verifier="", user=None)}
        try:
            login, session = self._outcome_of(state, logins, answer, label)
        except LoginFailedError as error:
            raise _with(error, begun, over) from error.__cause__
        except TokenStoreError as error:
            raise _with(LoginFailedError("unavailable", str(error)), begun, over) from error
        return LoggedIn(login, session, kept_of(over), begun.next)

    def identify(self, session: str | None) -> TokenRecord | None:
        """Return the login of a browser's session as it is stored, or `None` if the session has ended.

        Nothing is renewed, and Zoho is not asked: `tokens.get(login.id)` does that. A login whose row cannot
        be read has ended, too: its user can only log in again.

        Arguments:
            session: what `LoggedIn.session` gave the browser.

        Raises:
            BackendError: the storage failed.
        """
        login_id = self.sessions.login_of(session)
        with contextlib.suppress(LoginExpiredError), passing_over_a_bad_row():
            record = None if login_id is None else self._renewer.current(login_id)
            if record is not None and self._renewer.gate is not None:
                self._renewer.gate.admit(record, self._repository.clock())
            return record
        return None

    def log_out(self, session: str | None, *, everywhere: bool = False) -> None:
        """End a browser's session; with the last session of a login, or `everywhere`, the login itself.

        That is revoked at Zoho. If Zoho cannot be asked now, it ends here, and the revocation is owed.
        A session that has ended already is left alone, and so is a login whose row cannot be read.

        Raises:
            BackendError: the storage failed.
        """
        if self.sessions.login_of(session) is None:
            return
        login_id, session_id = split(session)
        self.end_session(login_id, session_id)
        if everywhere:
            with passing_over_a_bad_row():
                self.end(login_id)

    def end_session(self, login_id: str, session_id: str) -> None:
        """End one of the sessions of `sessions_of`; with the last one, the login, as `log_out` does."""
        login = None
        with passing_over_a_bad_row():
            login = self._renewer.current(login_id)  # before: who logs in from now on stays
        if session_id not in (each.id for each in self.sessions.of(login_id)):
            return
        if not self.sessions.end(login_id, session_id) and login is not None:
            with passing_over_a_bad_row():
                self.tokens.lifecycle.ending.end(login, owes=True)

    def end(self, login_id: str) -> None:
        """End a login in all its browsers, and at Zoho, now or as soon as Zoho can be asked."""
        with contextlib.suppress(TokenNotFoundError):  # somebody else has ended it
            self.tokens.log_out(login_id)
        self.sessions.end_all(login_id)

    def sessions_of(self, login_id: str) -> list[BrowserSession]:
        """Return the browsers in which a login is used, the oldest first."""
        return self.sessions.of(login_id)

    def _new_state(self) -> str:
        """Return a state that only this client can have made, so that others fill no store with theirs."""
        nonce = secrets.token_urlsafe(32)
        return f"{nonce}.{self._mac_of('state', nonce)}"

    def _mac_of(self, use: str, text: str) -> str:
        return hmac.new(self._client.secret.encode(), f"{use} {text}".encode(), "sha256").hexdigest()[:32]

    def _burn(self, state: str) -> None:
        """End a login whose callback comes to another browser: its address was swapped, or became known."""
        nonce, _, mac = state.rpartition(".")
        if state.isascii() and hmac.compare_digest(mac, self._mac_of("state", nonce)):
            with contextlib.suppress(BackendError):  # nobody is logged in by it here in any case
                self._once.burn(state, "foreign")

    def _outcome_of(
        self, state: str, logins: Mapping[str, Begun], answer: Mapping[str, str], label: str
    ) -> tuple[TokenRecord, str]:
        """Return the login and the browser's session: the same ones, however often the callback comes."""
        # Made of what this browser alone has kept: others may know the address of its callback.
        of_browser = {each: self._mac_of("session", login.verifier) for each, login in logins.items()}
        secret = of_browser.pop(state)
        known = self._once.claim(state)
        if known is not None and known.opening != split(secret)[1]:
            return self._same_as(known, secret)
        try:
            login = self._log_in(logins[state], answer) if known is None else self._login_of(known)
            return login, self._let_in(state, login, label, secret, of_browser.values())
        except TokenStoreError as error:  # whoever waits for the same callback learns it, too
            kind = error.kind if isinstance(error, LoginFailedError) else "unavailable"
            with contextlib.suppress(BackendError):  # then they learn it when they have waited long enough
                self._once.settle(state, Outcome(failure=kind))
            raise

    def _same_as(self, outcome: Outcome, secret: str) -> tuple[TokenRecord, str]:
        if outcome.failure is not None:
            raise LoginFailedError(cast("LoginFailure", outcome.failure))
        session = session_of(outcome.login_id or "", secret)
        login = self.identify(session)
        if login is None:
            raise LoginFailedError("expired", "Its process is gone, or its session has ended.")
        return login, session

    def _login_of(self, outcome: Outcome) -> TokenRecord:
        """Return the login of a process that died, perhaps, before it let its browser in."""
        login = self._renewer.current(outcome.login_id or "")
        if login is None:
            raise LoginFailedError("expired", "Its process is gone, and the login has ended.")
        return login

    def _let_in(
        self, state: str, login: TokenRecord, label: str, secret: str, unanswered: Iterable[str]
    ) -> str:
        """Open the browser's session, or end the login, unless other browsers are in it."""
        login_id = login.id or ""
        session = session_of(login_id, secret)
        try:
            # First the note: if this process dies, the browser's next try opens this very session.
            self._once.settle(state, Outcome(login_id, opening=split(session)[1]))
            self.sessions.open(login_id, label, secret=secret, unanswered=unanswered)
            self._once.settle(state, Outcome(login_id))
        except TokenStoreError as error:
            try:
                if not self.sessions.end(*split(session)):
                    self.end(login_id)
            except TokenStoreError:
                stays = f"The login {login_id!r} stays stored, without this browser: {error}"
                raise LoginFailedError("unavailable", stays) from error
            raise
        return session

    def _log_in(self, begun: Begun, answer: Mapping[str, str]) -> TokenRecord:
        if self._repository.clock() - begun.at_ms > self._limit_ms:
            raise LoginFailedError("expired")
        code = answer.get("code")
        if not code:
            error = answer.get("error", "")
            kind: LoginFailure = "denied" if error == "access_denied" else "refused"
            raise LoginFailedError(kind, f"Zoho sent no code. Its error: {error[:60]!r}.")
        server = exchange_server(self._accounts_url, answer)
        if server is None:
            raise LoginFailedError("unknown_server")
        return self._exchange.log_in(begun, code, server)


def _with(error: LoginFailedError, begun: Begun, logins: Mapping[str, Begun]) -> LoginFailedError:
    """Complete an error for the browser, and log it for the operator: pages show the user's sentence."""
    error.kept, error.next = kept_of(logins), begun.next
    _log.log(logging.INFO if error.kind in _USUAL else logging.WARNING, "%s", error)
    return error
