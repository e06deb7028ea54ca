"""What a browser's session keeps of the logins that were begun in it, until their callbacks come."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

Kept = Mapping[str, Any]
"""Values that JSON can express, to be kept in the framework's session as they are."""

_MOST: Final = 6
_MOST_CHARACTERS: Final = 2400
"""How many logins a session remembers, the latest, and how long they may be together: sessions in cookies
have 4,000 bytes, of which Base64 takes a quarter. Browsers drop a cookie that is larger."""


class Begun(NamedTuple):
    """A login that was begun.

    Arguments:
        at_ms: when, in epoch milliseconds.
        verifier: the PKCE verifier; empty once the callback has come.
        next: the path that the user wanted.
        user: who is expected to consent, if anybody.
    """

    at_ms: int
    verifier: str
    next: str
    user: str | None = None

    @property
    def is_over(self) -> bool:
        """Return whether its callback has come."""
        return not self.verifier

    def expects(self, user_name: str) -> bool:
        """Return whether it is for this user, who may be expected by an e-mail address alone."""
        expected = user_name if self.user is None else self.user
        of_name = user_name if ":" in expected else user_name.partition(":")[0]
        return hmac.compare_digest(_folded(expected), _folded(of_name))


def _folded(name: str) -> bytes:
    """Return a name as it is compared: only ASCII without regard to case, as the Kelvin sign is no `k`."""
    return (name.lower() if name.isascii() else name).encode("utf-8", "surrogatepass")


def parse_kept(kept: Kept | None) -> dict[str, Begun]:
    """Return the logins that a session remembers, the oldest first. What we did not write is left out."""
    found = {}
    for state, values in (kept or {}).items():
        match values:
            case [int(at_ms), str(verifier), str(path), str() | None as user] if isinstance(state, str):
                found[state] = Begun(at_ms, verifier, path, user)
    return dict(sorted(found.items(), key=_by_age)[-_MOST:])


def kept_of(logins: Mapping[str, Begun]) -> dict[str, Any]:
    """Return what a session is to remember: the latest login, and those before it that fit."""
    latest = {state: list(begun) for state, begun in sorted(logins.items(), key=_by_age)[-_MOST:]}
    while len(latest) > 1 and len(json.dumps(latest)) > _MOST_CHARACTERS:
        del latest[next(iter(latest))]
    return latest


def _by_age(item: tuple[str, Begun]) -> int:
    return item[1].at_ms
