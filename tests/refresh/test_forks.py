"""A child after a fork inherits neither held locks nor renewals, and shares what its parent's bring."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.refresh.support import Site
from tests.support.processes import ROOT
from tests.unit.renewal.support import ORIGIN, Fleet
from zoho_tokenstore.emulator import Emulator

PROLOGUE = """
import hashlib, json, os, sys, threading, time
from zoho_tokenstore import open_tokens

url, zoho, token_id = sys.argv[1:]
tokens = open_tokens(url, accounts_url=zoho)
digest = lambda text: hashlib.sha256(text.encode()).hexdigest()
"""


def digest(text: str | None) -> str:
    """Return what a process may print of a token."""
    return hashlib.sha256((text or "").encode()).hexdigest()


def _script(body: str, site: Site, token: dict[str, str]) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + textwrap.dedent(body), site.url, site.zoho.url, token["id"]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = [
        line for line in done.stderr.splitlines() if "is on a server that keeps nothing on disk" not in line
    ]
    assert said == []
    return json.loads(done.stdout)


def test_a_child_awaits_with_threads_of_its_own(zoho: Emulator, tmp_path: Path) -> None:
    """What its parent has used before, it can use as well."""
    site = Site(zoho, tmp_path)
    assert _script(
        """
        import asyncio
        from zoho_tokenstore import AsyncTokens
        awaited = AsyncTokens(tokens)
        mine = asyncio.run(awaited.access_token(token_id)), asyncio.run(awaited.check()).is_healthy
        out, into = os.pipe()
        child = os.fork()
        if child == 0:
            theirs = asyncio.run(awaited.access_token(token_id)), asyncio.run(awaited.check()).is_healthy
            os.write(into, json.dumps(theirs == mine).encode())
            os._exit(0)
        os.close(into)
        said = select.select([out], [], [], 20)[0]
        os.kill(child, signal.SIGKILL)
        print(os.read(out, 1000).decode() if said else "null")
        """.replace("import asyncio", "import asyncio, select, signal"),
        site,
        site.store_token(),
    )


def test_a_child_waits_for_its_parents_renewal(zoho: Emulator, tmp_path: Path) -> None:
    """Forked while a thread of the parent renews, it gets that token; nobody asks again."""
    site = Site(zoho, tmp_path)
    token = site.store_token()
    zoho.fault("token:refresh_token", "slow", seconds=1.0)
    told = _script(
        """
        thread = threading.Thread(target=tokens.access_token, args=(token_id,))
        thread.start()
        time.sleep(0.5)
        out, into = os.pipe()
        if os.fork() == 0:
            os.write(into, tokens.access_token(token_id).encode())
            os._exit(0)
        os.wait()
        thread.join()
        print(json.dumps([digest(os.read(out, 1000).decode()), digest(tokens.access_token(token_id))]))
        """,
        site,
        token,
    )
    assert told == [digest(site.stored(token).access_token)] * 2
    assert site.requests == 1


@pytest.mark.parametrize("site", ["sqlite", "postgresql", "redis", "dynamodb"], indirect=True)
def test_a_child_that_python_was_not_told_of_says_so(site: Site) -> None:
    """It answers with nothing of its parent's; a store of its own works, and its parent's continues."""
    token = site.store_token(seconds_left=3600, access_token="1000.valid")
    told = _script(
        """
        import ctypes
        tokens.access_token(token_id)
        out, into = os.pipe()
        child = ctypes.PyDLL(None).fork()  # as uWSGI does
        if child == 0:
            try:
                os.write(into, tokens.access_token(token_id).encode())
            except Exception as error:
                os.write(into, f"{type(error).__name__}: {error} ".encode())
            with open_tokens(url, accounts_url=zoho) as own:
                os.write(into, own.access_token(token_id).encode())
            os._exit(0)
        os.close(into)
        said = b""
        while part := os.read(out, 1000):
            said += part
        print(json.dumps([said.decode(), tokens.access_token(token_id)]))
        """,
        site,
        token,
    )
    assert told[0].startswith("ConfigurationError: The store on ")
    assert told[0].endswith("Open it in this process: under uWSGI, set lazy-apps = true. 1000.valid")
    assert told[1] == "1000.valid"


def test_hooks_for_a_child_alone_reset_nothing(zoho: Emulator, tmp_path: Path) -> None:
    """`py-call-osafterfork` of uWSGI calls them, though nothing was paused: nobody sees a traceback."""
    site = Site(zoho, tmp_path)
    token = site.store_token(seconds_left=3600, access_token="1000.valid")
    assert (
        _script(
            """
        import ctypes
        child = ctypes.PyDLL(None).fork()
        if child == 0:
            ctypes.pythonapi.PyOS_AfterFork_Child()
            try:
                tokens.access_token(token_id)
            except Exception as error:
                os._exit(7 if "before this process was forked" in str(error) else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """,
            site,
            token,
        )
        == 7
    )


def test_a_child_that_exits_ends_nothing_of_its_parents(zoho: Emulator, tmp_path: Path) -> None:
    """One that ends in the usual way, with all its exit handlers, leaves its parent's renewal alone."""
    site = Site(zoho, tmp_path)
    token = site.store_token()
    zoho.fault("token:refresh_token", "slow", seconds=1.0)
    told = _script(
        """
        found = []
        thread = threading.Thread(target=lambda: found.append(digest(tokens.access_token(token_id))))
        thread.start()
        time.sleep(0.3)
        began = time.monotonic()
        if os.fork() == 0:
            sys.exit(0)
        os.wait()
        took = time.monotonic() - began
        thread.join()
        print(json.dumps([found, took]))
        """,
        site,
        token,
    )
    assert told[0] == [digest(site.stored(token).access_token)]
    assert told[1] < 0.6  # the child has waited for nothing
    assert site.requests == 1


def test_a_process_that_ends_waits_for_what_it_has_begun(zoho: Emulator, tmp_path: Path) -> None:
    """What it renews in the background is saved before it is gone, and it says nothing."""
    site = Site(zoho, tmp_path)
    token = site.store_token(seconds_left=60, access_token="1000.valid")
    zoho.fault("token:refresh_token", "slow", seconds=0.5)
    assert _script("print(json.dumps(digest(tokens.access_token(token_id))))", site, token) == digest(
        "1000.valid"
    )
    assert site.requests == 1
    assert site.stored(token).access_token != "1000.valid"


def _in_child(work: Callable[[], bool]) -> bool:
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        os._exit(0 if work() else 1)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Python 3.12 on forks with threads
def test_no_lock_is_inherited_held() -> None:
    """Whatever locks other threads held at the fork, the child's look-ups, renewals and saves go on."""
    fleet = Fleet()
    token = fleet.login(-1)
    renewer = fleet.first
    locks = [
        renewer._renewals._single_flight._lock,
        renewer.pending_saves._lock,
        renewer.pending_saves._trying,
        vars(fleet.storage.leases)["_lock"],
    ]
    for lock in locks:
        lock.acquire()

    def work() -> bool:
        record = renewer.get(token.id or "", lambda: ORIGIN)
        assert record is not None
        renewer.save(record)
        renewer.close()
        return record.access_token != token.access_token

    assert _in_child(work)
    for lock in locks:
        lock.release()
