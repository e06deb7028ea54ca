"""Many processes on a server with few connections: `python -m tests.sql.crowd postgresql 60 40 20`.

Each process looks a token up, rests, and looks it up again, with the usual pool.
"""

from __future__ import annotations

import random
import sys
import time
from typing import NamedTuple

from zoho_tokenstore.backends.sql import SQLBackend
from zoho_tokenstore.errors import BackendError


class Turns(NamedTuple):
    """How one process fared: when it first got in, how often, how long it waited at most, and errors."""

    first_s: float
    asked: int
    longest_s: float
    errors: list[str]


def take_turns(url: str, seconds: str, pause: str, number: int) -> Turns:
    """Look a token up for so many seconds, again and again, with a pause of about that length."""
    began = time.monotonic()
    first, count, longest, errors = 0.0, 0, 0.0, []
    backend = None
    while time.monotonic() - began < float(seconds):
        asked = time.monotonic()
        try:
            if backend is None:
                backend = SQLBackend(url, timeout=float(seconds))
            backend.load("1")
        except BackendError as error:
            errors.append(str(error))
        else:
            now = time.monotonic()
            first, count, longest = first or now - began, count + 1, max(longest, now - asked)
        time.sleep(float(pause) * random.uniform(0.5, 1.5))
    if backend is not None:
        backend.close()
    return Turns(first, count, longest, errors)


def main(kind: str, processes: str, connections: str, seconds: str, pause: str = "0.5") -> None:
    """Limit the connections of a server, let the processes take turns, and say how they fared."""
    from tests.sql import conftest, support, worker

    own = conftest.start_own(kind)
    try:
        url = support.place(kind, own.url, "tokens_crowd")
        support.create(kind, own.url, "tokens_crowd")
        SQLBackend(url).close()
        own.admin(LIMIT[kind].format(connections))
        worker.PROCESSES = int(processes)
        turns = [Turns(*told) for told in worker.crowd_of("take_turns", url, seconds, pause)]
        never = sum(not turn.asked for turn in turns)
        print(
            f"{processes} processes, {connections} connections, {seconds} s: {never} never got in, "
            f"{sum(len(turn.errors) for turn in turns)} errors, "
            f"{sum(turn.asked for turn in turns)} look-ups; "
            f"the first after {max(turn.first_s for turn in turns):.1f} s at most, "
            f"the slowest took {max(turn.longest_s for turn in turns):.1f} s"
        )
    finally:
        own.stop()


LIMIT: dict[str, str] = {
    "postgresql": "ALTER ROLE tokens CONNECTION LIMIT {}",
    "mariadb": "ALTER USER tokens@'127.0.0.1' WITH MAX_USER_CONNECTIONS {}",
}

if __name__ == "__main__":
    main(*sys.argv[1:])
