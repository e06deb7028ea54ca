"""Many users at once, served by several processes or one: each as themselves, each token renewed once.

ZOHO_TEST_LOAD_USERS says how many, by default 40; ZOHO_TEST_LOAD_SECONDS how long they work, by default 3;
ZOHO_TEST_LOAD_PROCESSES how many processes serve them, by default 4.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

import httpx2
import pytest

from tests.login.served import VARIABLE
from tests.login.support import callback_after
from tests.support import wait_until
from tests.support.network import HERE
from tests.support.processes import ROOT
from zoho_tokenstore import open_tokens
from zoho_tokenstore.emulator import Emulator

USERS: Final = int(os.environ.get("ZOHO_TEST_LOAD_USERS", "40"))
SECONDS: Final = float(os.environ.get("ZOHO_TEST_LOAD_SECONDS", "3"))
PROCESSES: Final = int(os.environ.get("ZOHO_TEST_LOAD_PROCESSES", "4"))


@contextmanager
def served(processes: int, folder: Path) -> Iterator[tuple[str, Emulator]]:
    """Serve the portal by uvicorn; yield its address, and its Zoho."""
    url = f"http://127.0.0.1:{_free_port()}"
    callback = f"{url}/callback"
    limits: dict[str, Any] = {"refresh_limit": None, "code_limit": None, "journal_size": 1_000_000}
    with Emulator(redirect_uris=(callback,), **limits) as zoho:
        client = zoho.default_client
        settings = {
            "url": f"sqlite:///{folder}/tokens.db",
            "zoho": zoho.environment_args(),
            "client": [client.client_id, client.client_secret],
            "redirect_url": callback,
        }
        command = ["-m", "uvicorn", "--factory", "tests.login.served:serve", "--no-access-log"]
        options = ["--workers", str(processes), "--port", url.rpartition(":")[2], "--log-level", "warning"]
        with subprocess.Popen(
            [sys.executable, *command, *options],
            cwd=ROOT,
            env={**os.environ, VARIABLE: json.dumps(settings)},
            start_new_session=True,
        ) as process:
            try:
                ready: set[int] = set()
                wait_until(lambda: len(_answering(url, ready)) == processes, 90)
                yield url, zoho
            finally:
                os.killpg(process.pid, signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(15)
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _answering(url: str, known: set[int]) -> set[int]:
    """Ask which process answers; add it to those that are known."""
    with suppress(httpx2.TransportError):
        known.add(int(httpx2.get(url).text))
    return known


def log_in(url: str, zoho: Emulator, number: int) -> User:
    user = zoho.add_user(f"person{number}@zylker.example", f"person{number}", zgid="7")
    with httpx2.Client(**HERE) as http:
        consent = http.get(f"{url}/login").headers["location"]
        assert http.get(callback_after(zoho, consent, user.email)).status_code == 303
        return User(user.email, user.full_name, dict(http.cookies))


class User:
    """Somebody who sends one request after the other, a few of them over each connection."""

    def __init__(self, email: str, name: str, cookies: dict[str, str]) -> None:
        self.email = email
        self.name = name
        self.head = "Cookie: " + "; ".join(map("=".join, cookies.items()))
        self.took: list[float] = []
        self.processes: set[int] = set()

    async def work(self, port: int, until: float) -> None:
        while time.monotonic() < until:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(4):  # then another process may accept the next connection
                await self._work_once(reader, writer)
            writer.close()
            await writer.wait_closed()

    async def _work_once(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began = time.monotonic()
        answer = await self._create_lead(reader, writer)
        assert answer["creator"] == self.name
        assert answer["user"].startswith(f"{self.email}:")
        self.processes.add(answer["process"])
        self.took.append(time.monotonic() - began)

    async def _create_lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Any:
        name = f"{self.name}-{len(self.took)}"
        writer.write(f"POST /leads?name={name} HTTP/1.1\r\nHost: portal\r\n{self.head}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        body = await reader.readexactly(length)
        assert head.startswith("http/1.1 200 "), (head, body)
        return json.loads(body)


async def work(users: list[User], url: str, seconds: float) -> None:
    """Let everybody work at once."""
    port, until = int(url.rpartition(":")[2]), time.monotonic() + seconds
    await asyncio.gather(*(user.work(port, until) for user in users))


@pytest.mark.long
@pytest.mark.timeout(160 + 2 * SECONDS)
@pytest.mark.parametrize("processes", [PROCESSES, 1], ids=["many", "one"])
def test_everybody_is_served_as_themselves(processes: int, tmp_path: Path) -> None:
    """All users at once. Then all tokens expire at the same moment, and each is renewed once."""
    with served(processes, tmp_path) as (url, zoho):
        with ThreadPoolExecutor(8) as pool:
            users = list(pool.map(lambda number: log_in(url, zoho, number), range(USERS)))
        asyncio.run(work(users, url, SECONDS / 2))
        assert zoho.counters().refreshes == 0
        expire(tmp_path, zoho)
        asyncio.run(work(users, url, SECONDS / 2))
        seen = Counter(entry.user for entry in zoho.journal("create"))
        counters = zoho.counters()
    assert seen == {user.email: len(user.took) for user in users}
    assert sorted(counters.refreshes_by_token.values()) == [1] * USERS
    assert len(set().union(*(user.processes for user in users))) == processes
    took = sorted(seconds for user in users for seconds in user.took)
    print(
        f"{len(took)} requests of {USERS} users in {SECONDS:.0f} s by {processes} processes; "
        f"half took {quantiles(took, n=100)[49]:.2f} s, 99 of 100 {quantiles(took, n=100)[98]:.2f} s"
    )


def expire(folder: Path, zoho: Emulator) -> None:
    """Let all access tokens expire: at Zoho, and by what the store knows."""
    assert zoho.expire_access_tokens() == USERS
    with open_tokens(f"sqlite:///{folder}/tokens.db", accounts_url=zoho.accounts_url) as tokens:
        for login in tokens.scan():
            assert tokens.invalidate(login.id or "")
