"""What the tests of a fleet share: tokens in a store, and what became of the calls."""

from __future__ import annotations

import atexit
import json
import os
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.contract.stores import SHARED
from tests.support.processes import Worker
from zoho_tokenstore import TokenRecord, open_repository
from zoho_tokenstore.emulator import Emulator

WITH_LEASES = [name for name in SHARED if name not in ("sql", "secretsmanager")]
"""The stores whose leases are tested with processes: `sql` is PostgreSQL's code on another dialect."""

PATIENCE = 110.0  # seconds; only a failing test waits so long


@dataclass(frozen=True)
class Report:
    """What the workers of a fleet told."""

    told: list[dict[str, Any]]
    processes: int
    killed: int
    started: float

    @property
    def calls(self) -> list[dict[str, Any]]:
        return sorted((one for one in self.told if "event" not in one), key=lambda call: call["at"])

    @property
    def failures(self) -> list[dict[str, Any]]:
        return [call for call in self.calls if "error" in call]

    @property
    def slowest(self) -> float:
        """Seconds until the last caller was served."""
        return max(float(call["took"]) for call in self.calls)

    @property
    def access_tokens(self) -> set[str]:
        return {call["access"] for call in self.calls if "access" in call}

    @property
    def events(self) -> Counter[str]:
        return Counter(one["event"] for one in self.told if "event" in one)

    def event_times(self, kind: str) -> list[float]:
        return sorted(one["at"] for one in self.told if one.get("event") == kind)


_fleets: list[Worker] = []
"""The process that all fleets of this one are forked from, once there is one."""


def _carry_out(orders: dict[str, Any], patience: float) -> dict[str, Any]:
    if not _fleets:
        _fleets.append(Worker("tests.refresh.fleet"))
        atexit.register(_fleets[0].kill)
    _fleets[0].tell(json.dumps(orders))
    try:
        done: dict[str, Any] = json.loads(_fleets[0].hear(patience))
    except BaseException:
        _fleets.pop().kill()  # the next fleet must not hear what this one tells too late
        raise
    return done


class Site:
    """A store, the local Zoho, and fleets that use them.

    Arguments:
        zoho: the local Zoho.
        folder: a folder of its own.
        url: the store; by default a database in that folder.
    """

    def __init__(self, zoho: Emulator, folder: Path, url: str | None = None) -> None:
        self.zoho = zoho
        self.folder = folder
        self.database = folder / "zohooauth.db"
        self.url = f"sqlite:///{self.database}" if url is None else url

    def fleet(self, tokens: list[dict[str, str]], *, patience: float = PATIENCE, **orders: Any) -> Report:
        """Run a fleet to its end."""
        place = {"zoho": self.zoho.url, "store": self.url, "folder": str(self.folder)}
        orders = {**place, "tokens": tokens, **orders}
        done = _carry_out({**orders, "environment": dict(os.environ)}, patience)
        assert done["status"] == 0, done["errors"][-3000:]
        assert "Traceback" not in done["errors"], done["errors"][-3000:]
        told = json.loads(done["told"])
        answers = told["answers"]
        return Report(
            [one for answer in answers for one in answer], len(answers), told["killed"], told["started"]
        )

    def store_token(self, seconds_left: float = -1.0, **fields: Any) -> dict[str, str]:
        """Store a token that a login left, and return the arguments that name it."""
        return self.store_tokens(1, seconds_left, **fields)[0]

    def store_tokens(self, count: int, seconds_left: float = -1.0, **fields: Any) -> list[dict[str, str]]:
        """Store several logins of one user name each."""
        client, user = self.zoho.default_client, self.zoho.default_users[0]
        ids = []
        with open_repository(self.url) as repository:
            for number in range(count):
                record = TokenRecord(
                    user_name=f"{number}:{user.user_name}",
                    client_id=client.client_id,
                    client_secret=client.client_secret,
                    refresh_token=self.zoho.mint_refresh_token(client, user),
                    access_token=f"1000.old.{number}",
                    expires_at_ms=int((time.time() + seconds_left) * 1000),
                    api_domain=self.zoho.url,
                )
                ids.append(repository.save(TokenRecord(**{**asdict(record), **fields})).id)
        return [{"id": token_id} for token_id in ids if token_id is not None]

    def stored(self, token: dict[str, str]) -> TokenRecord:
        """Return the stored token with an id."""
        with open_repository(self.url) as repository:
            found = repository.get(token["id"])
        assert found is not None
        return found

    def login(self, **credentials: str) -> dict[str, str]:
        """Return the arguments of a token that starts from credentials."""
        client = self.zoho.default_client
        return {"client_id": client.client_id, "client_secret": client.client_secret, **credentials}

    @property
    def requests_of_the_sdk(self) -> int:
        """How many requests for a token were not ours."""
        agents = self.zoho.counters().by_agent("token")
        return sum(count for agent, count in agents.items() if agent != "zoho-tokenstore")

    @property
    def requests(self) -> int:
        """How many requests for a new access token Zoho has seen, answered or not."""
        endpoints = ("token:refresh_token", "token:authorization_code")
        return sum(sum(self.zoho.counters().requests.get(name, {}).values()) for name in endpoints)
