"""What happens, in order. Every step checks the database, and what Zoho has seen."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

from zoho_tokenstore._demo import crm, published
from zoho_tokenstore._demo.steps import Checks, Step
from zoho_tokenstore.emulator import Client, Emulator, User
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.sdk import SQLiteStore

HOUR = 3600
REPORTS = "coordinator with the reports client"


class MovableClock:
    """The time of this process, which can be moved on: the demo has no hour to wait."""

    def __init__(self) -> None:
        self._wall = time.time
        self._ahead = 0.0

    def __call__(self) -> float:
        return self._wall() + self._ahead

    def advance(self, seconds: float) -> None:
        """Move the clock on."""
        self._ahead += seconds

    def milliseconds(self) -> int:
        """Return the time as the store wants it."""
        return int(self() * 1000)

    def in_use(self) -> contextlib.AbstractContextManager[Any]:
        """Let `time.time()`, which the SDK asks, tell this clock's time."""
        return mock.patch.object(time, "time", self)


class Story:
    """One run of the demo."""

    def __init__(
        self, zoho: Emulator, store: SQLiteStore, database: Path, scratch: str, clock: MovableClock
    ) -> None:
        self.zoho = zoho
        self.store = store
        self.database = database
        self.scratch = scratch
        self.clock = clock
        self.coordinator, self.teacher = zoho.default_users
        self.portal = zoho.default_client
        self.reports = zoho.add_client()
        self.tokens: dict[str, Any] = {}

    def steps(self) -> list[Step]:
        """Return the steps in their order."""
        return [
            self.log_in,
            self.start_another_process,
            self.let_the_token_expire,
            self.add_a_user_and_a_client,
            self.open_a_published_database,
            self.revoke_a_user,
            self.look_at_the_file,
        ]

    def log_in(self, checks: Checks) -> None:
        """A coordinator of Zylker Academy logs in, creates a lead and reads it"""
        token = self._grant(self.portal, self.coordinator)
        crm.log_in(self.zoho.environment_args(), token, self.store, self.scratch)
        self.tokens["coordinator"] = token
        checks.equal("a lead was created (HTTP status)", crm.create_lead("Kumar"), 201)
        checks.equal("it was read again, with its name", crm.read_leads(), (200, ["Kumar"]))
        checks.equal("grant codes redeemed at Zoho", self.zoho.counters().exchanges, 1)
        names = ", ".join(str(record.user_name) for record in self._records())
        checks.equal("users in the database", names, self.coordinator.user_name)
        checks.true("Zoho knows its refresh token", self._live("coordinator"))

    def start_another_process(self, checks: Checks) -> None:
        """A second process works for the same user, with no login"""
        before = self.zoho.counters()
        found = self._in_another_process(self.database, self.coordinator)
        after = self.zoho.counters()
        checks.equal("it read the leads", (found["status"], found["leads"]), (200, ["Kumar"]))
        checks.equal(
            "it found the token by its user's name", found["id"], self.tokens["coordinator"].get_id()
        )
        checks.equal("requests for tokens that it made", after.count("token") - before.count("token"), 0)

    def let_the_token_expire(self, checks: Checks) -> None:
        """An hour passes: the access token expires, and is renewed"""
        (old,) = self._records()
        before = self.zoho.counters()
        self.zoho.advance(HOUR)
        self.clock.advance(HOUR)
        checks.true("Zoho refuses the old access token", not self.zoho.is_live(old.access_token or ""))
        checks.equal("the leads were read as before", crm.read_leads(), (200, ["Kumar"]))
        (new,) = self._records()
        after = self.zoho.counters()
        checks.equal("refreshes at Zoho", after.refreshes - before.refreshes, 1)
        checks.equal("logins at Zoho", after.exchanges - before.exchanges, 0)
        checks.true("the new access token is in the database", self.zoho.is_live(new.access_token or ""))
        same = (new.id, new.refresh_token) == (old.id, old.refresh_token)
        checks.true("its row kept its id and its refresh token", same)

    def add_a_user_and_a_client(self, checks: Checks) -> None:
        """A second user logs in, and the first one with a second OAuth client"""
        self._switch("teacher", self._grant(self.portal, self.teacher))
        self._switch(REPORTS, self._grant(self.reports, self.coordinator))
        owners = {(record.user_name, record.client_id) for record in self._records()}
        checks.equal("tokens in the database", len(self._records()), 3)
        checks.equal("pairs of user and client among them", len(owners), 3)
        for name, client, user in (
            ("coordinator", self.portal, self.coordinator),
            ("teacher", self.portal, self.teacher),
            (REPORTS, self.reports, self.coordinator),
        ):
            seen = self._seen_as(name)
            checks.equal(f"Zoho sees the {name}, as {user.email}", seen, (user.email, client.client_id))

    def open_a_published_database(self, checks: Checks) -> None:
        """A database of Zoho's published SQLite sample is opened, and its users are still logged in"""
        user = self.zoho.add_user("deepa@zylker.example")
        database = self.database.with_name("published.db")
        stored = published.create(database, self.zoho, user)
        database.chmod(0o600)  # the sample leaves it readable by everybody, and the store would say so
        before = self.zoho.counters()
        with SQLiteStore(database, refresh=None) as store:  # no Zoho knows their logins
            checks.equal("tokens found by id, complete", published.found_by_id(store, stored), 10)
            checks.equal("by user name (one has none)", published.found_by_name(store, stored), 9)
            checks.equal("by refresh token", published.found_by_refresh_token(store, stored), 10)
        found = self._in_another_process(database, user)
        after = self.zoho.counters()
        checks.equal("one of them reads leads with the SDK", (found["status"], found["id"]), (200, "10"))
        checks.equal("her expired access token was renewed", after.refreshes - before.refreshes, 1)
        checks.equal("logins at Zoho", after.exchanges - before.exchanges, 0)
        with contextlib.closing(sqlite3.connect(database)) as connection:
            kept = published.rows(connection)[:9] == stored[:9]
        checks.true("the other nine rows are as the sample wrote them", kept)

    def revoke_a_user(self, checks: Checks) -> None:
        """The second user is revoked, and the others go on"""
        token = self.tokens["teacher"]
        crm.switch_to(token)
        checks.true("the SDK revoked the token by its id", token.revoke(token.get_id()))
        checks.equal("tokens revoked at Zoho", self.zoho.counters().revocations, 1)
        live = {name: self._live(name) for name in self.tokens}
        expected = {"coordinator": True, "teacher": False, REPORTS: True}
        checks.equal("Zoho refuses the teacher alone", live, expected)
        for name, status in (("teacher", 401), ("coordinator", 200), (REPORTS, 200)):
            crm.switch_to(self.tokens[name])
            checks.equal(f"reading as the {name} (HTTP status)", crm.read_leads()[0], status)

    def look_at_the_file(self, checks: Checks) -> None:
        """What is left on the disk"""
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
        checks.equal("SQLite's integrity check", verdict, "ok")
        if os.name == "posix":
            mode = stat.filemode(self.database.stat().st_mode)
            checks.equal("only its owner may read the database", mode, "-rw-------")

    def is_live(self, record: TokenRecord) -> bool:
        """Tell whether Zoho would accept the refresh token of a record."""
        return self.zoho.is_live(record.refresh_token or "")

    def _grant(self, client: Client, user: User) -> Any:
        return crm.token_of(
            client_id=client.client_id,
            client_secret=client.client_secret,
            grant_token=self.zoho.mint_code(client, user),
        )

    def _switch(self, name: str, token: Any) -> None:
        crm.switch_to(token)
        self.tokens[name] = token

    def _seen_as(self, name: str) -> tuple[str, str]:
        crm.switch_to(self.tokens[name])
        crm.read_leads()
        entry = self.zoho.journal("records")[-1]
        return entry.user, entry.client

    def _records(self) -> list[TokenRecord]:
        return list(self.store.repository.scan())

    def _live(self, name: str) -> bool:
        record = self.store.repository.get(self.tokens[name].get_id())
        return record is not None and self.is_live(record)

    def _in_another_process(self, database: Path, user: User) -> dict[str, Any]:
        worker = [sys.executable, "-m", "zoho_tokenstore._demo.worker"]
        done = subprocess.run(  # noqa: S603  # this interpreter, our own module
            [*worker, str(database), user.user_name, *self.zoho.environment_args()],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"the second process ended with {done.returncode}: {done.stderr[-500:]}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer
