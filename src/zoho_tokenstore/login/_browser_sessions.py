"""The browsers in which a login is used: listed, and ended one by one, whatever their cookies say.

Sessions of most frameworks live in signed cookies, and a copy of a cookie outlives a log-out. So a session is
a secret of its own, of which the store keeps a digest beside the leases, and a log-out removes it there.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Final, NamedTuple

from zoho_tokenstore._util.deadlines import Deadline
from zoho_tokenstore.backend import Leases
from zoho_tokenstore.errors import ConflictError

_MOST: Final = 20
"""How many browsers a login is used in at most; the oldest makes room."""

_LONGEST_LABEL: Final = 120
_TIMEOUT_S: Final = 10.0
_SEPARATOR: Final = "."


class BrowserSession(NamedTuple):
    """One browser in which a login is used.

    Arguments:
        id: tells it apart, and ends it; it is no secret, and lets nobody in.
        began_ms: when it logged in, in epoch milliseconds.
        label: what the application said of it, such as the name of the browser.
    """

    id: str
    began_ms: int
    label: str


class BrowserSessions:
    """The browser sessions of a store's logins.

    Arguments:
        leases: where they are noted, for all processes that share the store.
        lifetime: how long one lasts at most.
    """

    def __init__(self, leases: Leases, lifetime: timedelta) -> None:
        self._leases = leases
        self._lifetime_ms = int(lifetime.total_seconds() * 1000)

    def open(
        self, login_id: str, label: str = "", *, secret: str | None = None, unanswered: Iterable[str] = ()
    ) -> str:
        """Begin a session, unless it has begun; return what the browser is to keep: it lets its holder in.

        Arguments:
            login_id: the login.
            label: what tells this browser from others of the same user.
            secret: what the browser is to prove; by default a random string.
            unanswered: likewise of sessions that this browser has never heard of; they end.
        """
        session = session_of(login_id, secret or secrets.token_urlsafe(24))
        lost = set(map(_digest, unanswered))

        def add(sessions: list[BrowserSession], now_ms: int) -> list[BrowserSession]:
            new = BrowserSession(split(session)[1], now_ms, label[:_LONGEST_LABEL])
            others = [each for each in sessions if each.id not in lost]
            is_open = any(each.id == new.id for each in others)
            return others if is_open else [*others, new][-_MOST:]

        self._change(login_id, add)
        return session

    def login_of(self, session: str | None) -> str | None:
        """Return the id of the login that a browser's session is of, or `None` if it has ended."""
        return None if self.find(session) is None else split(session)[0]

    def find(self, session: str | None) -> BrowserSession | None:
        """Return a browser's session, or `None` if it has ended."""
        login_id, session_id = split(session)
        return next((each for each in self.of(login_id) if hmac.compare_digest(each.id, session_id)), None)

    def of(self, login_id: str) -> list[BrowserSession]:
        """Return the sessions of a login, the oldest first."""
        if not login_id:
            return []
        seen = self._leases.read(_name_of(login_id))
        return self._alive(_parse(seen.text), seen.now_ms)

    def end(self, login_id: str, session_id: str) -> int:
        """End a session; return how many of the login's are left."""
        return len(self._change(login_id, lambda all_, _: [each for each in all_ if each.id != session_id]))

    def end_all(self, login_id: str) -> None:
        """End all sessions of a login."""
        self._change(login_id, lambda _, __: [])

    def _alive(self, sessions: list[BrowserSession], now_ms: int) -> list[BrowserSession]:
        return [each for each in sessions if now_ms - each.began_ms < self._lifetime_ms]

    def _change(
        self, login_id: str, change: Callable[[list[BrowserSession], int], list[BrowserSession]]
    ) -> list[BrowserSession]:
        deadline, name = Deadline(_TIMEOUT_S), _name_of(login_id)
        while True:
            seen = self._leases.read(name)
            before = _parse(seen.text)
            after = change(self._alive(before, seen.now_ms), seen.now_ms)
            if after == before or self._leases.replace(name, seen.text, _text_of(after), self._lifetime_ms):
                return after
            if not deadline.delay():
                raise ConflictError(
                    f"A browser session could not be noted: others kept changing those of the login "
                    f"{login_id!r} for {_TIMEOUT_S:.0f} s. Try again."
                )


def session_of(login_id: str, secret: str) -> str:
    """Return what a browser is to keep of a session."""
    return f"{login_id}{_SEPARATOR}{secret}"


def split(session: str | None) -> tuple[str, str]:
    """Return the id of the login and the id of the session that a browser's string is about."""
    login_id, _, secret = (session or "").rpartition(_SEPARATOR)
    return login_id, _digest(secret)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _name_of(login_id: str) -> str:
    return f"browsers/{hashlib.sha256(login_id.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def _text_of(sessions: list[BrowserSession]) -> str:
    # Leases tell versions apart by their text.
    return json.dumps({"sessions": sessions, "mark": secrets.token_hex(6)})


def _parse(text: str) -> list[BrowserSession]:
    """Read a list. A string that we did not write counts as empty."""
    try:
        return [_session(*values) for values in json.loads(text)["sessions"]] if text else []
    except (ValueError, TypeError, LookupError):
        return []


def _session(session_id: Any, began_ms: Any, label: Any) -> BrowserSession:
    return BrowserSession(str(session_id), int(began_ms), str(label))
