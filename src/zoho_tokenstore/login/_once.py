"""A callback that is presented more than once has one outcome: one exchange, in all processes of a store."""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import Any, Final, NamedTuple

from zoho_tokenstore._util.deadlines import Deadline
from zoho_tokenstore.backend import Leases, LeaseState

_WAIT_S: Final = 20.0
"""How many seconds a second callback waits for the outcome of the first."""

_ABANDONED_MS: Final = 30_000
"""After how long a login whose process has not settled it counts as lost: its code is spent, or expired."""

_JOINED_MS: Final = 60_000
"""How long a callback may come again and let its browser in: a double click, or an answer that was lost.
Later, it is somebody who has a copy of the address and of the session of before."""

_KEPT_MS: Final = 3_600_000


class Outcome(NamedTuple):
    """What has become of a login: the id of the stored one, or the kind of failure; neither yet.

    `opening` is the id of the browser session that is to be opened, and may be open already.
    """

    login_id: str | None = None
    failure: str | None = None
    opening: str | None = None

    @property
    def is_settled(self) -> bool:
        """Return whether it is over."""
        return self.login_id is not None or self.failure is not None


class Once:
    """What becomes of each login that a browser has begun.

    Arguments:
        leases: where it is noted, for all processes that share the store.
    """

    def __init__(self, leases: Leases) -> None:
        self._leases = leases

    def claim(self, state: str) -> Outcome | None:
        """Return `None` if the caller is the first to present a state, who then settles it.

        Anyone else waits for the outcome. It is not settled if the first one is gone, or takes too long.
        """
        deadline, name = Deadline(_WAIT_S, first_delay=0.02, longest_delay=0.2), _name_of(state)
        while True:
            seen = self._leases.read(name)
            outcome, began_ms = _parse(seen)
            if not seen.text:
                if self._leases.replace(name, "", _text_of(Outcome(), seen.now_ms), _KEPT_MS):
                    return None
            elif outcome.login_id and seen.now_ms - began_ms > _JOINED_MS:
                return Outcome()
            elif outcome.is_settled or seen.now_ms - began_ms > _ABANDONED_MS:
                return outcome
            if not deadline.delay():
                return outcome

    def burn(self, state: str, failure: str) -> None:
        """Let a login fail that nobody has claimed yet; one that is claimed is left alone."""
        name = _name_of(state)
        seen = self._leases.read(name)
        if not seen.text:
            self._leases.replace(name, "", _text_of(Outcome(failure=failure), seen.now_ms), _KEPT_MS)

    def settle(self, state: str, outcome: Outcome) -> None:
        """Note the outcome, by whoever claimed the state."""
        name = _name_of(state)
        seen = self._leases.read(name)
        self._leases.replace(name, seen.text, _text_of(outcome, seen.now_ms), _KEPT_MS)


def _name_of(state: str) -> str:
    return f"login/{hashlib.sha256(state.encode()).hexdigest()[:32]}"


def _text_of(outcome: Outcome, now_ms: int) -> str:
    # Leases tell versions apart by their text.
    return json.dumps({**outcome._asdict(), "at_ms": now_ms, "mark": secrets.token_hex(6)})


def _parse(seen: LeaseState) -> tuple[Outcome, int]:
    """Read what is noted. A string that we did not write counts as abandoned."""
    try:
        values: dict[str, Any] = json.loads(seen.text)
        texts = (values[name] for name in Outcome._fields)
        return Outcome(*(text and str(text) for text in texts)), int(values["at_ms"])
    except (ValueError, TypeError, LookupError):
        return Outcome(), 0
