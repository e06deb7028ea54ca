"""The pages of a login, and what they do with a browser's session: for the modules of all frameworks."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, MutableMapping
from typing import Any, Final
from urllib.parse import urlsplit

from zoho_tokenstore.errors import ConfigurationError, TokenStoreError
from zoho_tokenstore.login._addresses import safe_path
from zoho_tokenstore.login._browser_sessions import BrowserSession
from zoho_tokenstore.login._failures import LoginFailedError
from zoho_tokenstore.login._flow import LoginFlow
from zoho_tokenstore.login._requests import BEGUN, SESSION, label_of, single, with_next
from zoho_tokenstore.records import TokenRecord

Session = MutableMapping[str, Any]
"""What the framework keeps for a browser, in a signed cookie or on the server."""

COOKIE: Final = "session"
_WORDS: Final = re.compile(r"\w+", re.ASCII)

_log: Final = logging.getLogger("zoho_tokenstore")


class Site:
    """A site on which users log in.

    Browsers see the login where the redirect URL says: what its path has before `callback_path` is where the
    application, or its routes of the login, are mounted. So no request needs to be asked for that, whatever
    proxies have made of it.

    Arguments:
        flow: how to log in.
        login_path: where a login begins, as the application routes it.
        callback_path: where the redirect URL leads, likewise.
        home: where a browser goes that has no other aim, as browsers see it.
        logged_out: where it goes after a log-out, likewise; by default `home`.

    Raises:
        ConfigurationError: the redirect URL leads to no `callback_path`, or a login, `home` or
            `logged_out` to another site.
    """

    def __init__(
        self, flow: LoginFlow, login_path: str, callback_path: str, home: str, logged_out: str | None
    ) -> None:
        url = urlsplit(flow.redirect_url)
        if not url.path.endswith(callback_path):
            raise ConfigurationError(
                f"The redirect URL {flow.redirect_url} does not lead to callback_path={callback_path!r}. "
                "Its path must end with that."
            )
        below = url.path.removesuffix(callback_path)
        self._login = below + login_path
        for path in (self._login, home, logged_out):
            if path is not None and safe_path(path, "") != path:
                raise ConfigurationError(f"{path!r} is no path of this site. It is one such as /courses.")
        self.flow: Final = flow
        self.host: Final = url.netloc
        self.cookie: Final = _cookie_of(below, is_secure=flow.is_secure)
        self._home = home
        self._logged_out = home if logged_out is None else logged_out

    def login_for(self, path: str) -> str:
        """Return the path at which a login begins that ends at a path of this site."""
        return with_next(self._login, path)

    def begin(self, session: Session, next_path: str | None) -> str:
        """Begin a login; return where to send the browser."""
        started = self.flow.start(session.get(BEGUN), next=safe_path(next_path, self._home))
        session[BEGUN] = started.kept
        return started.url

    def come_back(
        self, session: Session, parameters: Iterable[tuple[str, str]], user_agent: str | None
    ) -> str:
        """Finish a login; return where to send the browser.

        If this browser was logged in before, that session ends.

        Raises:
            LoginFailedError: nobody is logged in by this. Who is logged in already stays so.
        """
        before = session.get(SESSION)
        try:
            done = self.flow.finish(single(parameters), session.get(BEGUN), label=label_of(user_agent))
        except LoginFailedError as failure:
            session[BEGUN] = failure.kept
            if failure.kind == "used" and self.user(session) is not None:
                return failure.next
            raise
        session.clear()  # what was there before somebody logged in is nobody's (session fixation)
        session.update({BEGUN: done.kept, SESSION: done.session})
        end_former(self.flow, before)
        return done.next

    def user(self, session: Session) -> TokenRecord | None:
        """Return the login of a browser, or `None` if it is not logged in."""
        return self.flow.identify(session.get(SESSION))

    def browser_session(self, session: Session) -> BrowserSession | None:
        """Return which of its login's browser sessions this one is, or `None` if it has ended."""
        return self.flow.sessions.find(session.get(SESSION))

    def log_out(self, session: Session, *, everywhere: bool) -> str:
        """End a browser's session; return where to send the browser."""
        self.flow.log_out(session.get(SESSION), everywhere=everywhere)
        session.clear()
        return self._logged_out


def _cookie_of(path: str, *, is_secure: bool) -> str:
    """Return a name for the session's cookie.

    By its prefix, no other host of the domain can plant one, and it is for all paths of the host: sites below
    different paths need different names.
    """
    name = "-".join([COOKIE, *_WORDS.findall(path)])
    return f"__Host-{name}" if is_secure else name


def end_former(flow: LoginFlow, session: str | None) -> None:
    """End the session that a browser had before it logged in again; a failure keeps nobody from that."""
    try:
        flow.log_out(session)
    except TokenStoreError as error:
        _log.warning("A browser logged in again, and its former session could not be ended: %s", error)
