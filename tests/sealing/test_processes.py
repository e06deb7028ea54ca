"""Keys that change under several processes, and rings that are carried into children."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.sealing.peer import MAX_AGE
from tests.sealing.support import ALICE, FOREIGN, NEW, OLD, repository
from tests.support.processes import Worker
from zoho_tokenstore import Keyset, TokenRecord, TokenRepository
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.sealing import SealingKey, count_by_key
from zoho_tokenstore.sealing import _keyset as keyring

FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "tokens.db"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return put(tmp_path / "portal.keys", OLD)


def put(path: Path, *keys: SealingKey) -> Path:
    scratch = path.with_name("scratch")
    scratch.touch(mode=0o600)
    scratch.write_text(Keyset(keys).to_text())
    return scratch.replace(path)


@contextmanager
def peer(database: Path, kind: str, file: Path) -> Iterator[Worker]:
    with Worker("tests.sealing.peer", database, kind, file) as worker:
        assert worker.hear() == "ready"
        yield worker


def in_child(work: Callable[[], str]) -> str:
    """What `work` returns in a forked child."""
    report, answer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: there are threads
        child = os.fork()
    if child == 0:
        signal.alarm(30)  # its end, if it hangs
        try:
            os.write(answer, work().encode())
        except BaseException:  # noqa: BLE001  # told to the parent
            os.write(answer, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(answer)
    with open(report, encoding="utf-8") as pipe:  # noqa: PTH123  # a descriptor
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def let_age(kind: str) -> None:
    """What a function fetched is current for so long."""
    if kind == "callable":
        time.sleep(MAX_AGE.total_seconds() + 0.05)


@pytest.mark.parametrize("kind", ["file", "callable"])
def test_a_running_process_picks_up_a_new_key(database: Path, file: Path, kind: str) -> None:
    """It reads what another one has saved under the new key, by whatever look-up, and then seals with it."""
    with peer(database, kind, file) as other, repository(SQLiteBackend(database), NEW, OLD) as tokens:
        assert other.ask("save alice access-1") == "access-1"
        saved = tokens.find(TokenRecord(user_name="alice"))
        assert saved is not None
        assert other.ask("ids") == OLD.id
        put(file, NEW, OLD)
        tokens.save(TokenRecord(id=saved.id, access_token="access-2"))
        tokens.save(TokenRecord(user_name="bob", access_token="access-3"))
        let_age(kind)
        assert other.ask("token access-3") == "access-3"
        assert other.ask("ids") == f"{NEW.id} {OLD.id}"
        assert other.ask(f"get {saved.id}") == "access-2"
        assert other.ask("find bob") == "access-3"
        assert other.ask("save alice access-4") == "access-4"
        assert count_by_key(SQLiteBackend(database)).by_key == {NEW.id: 2}


@pytest.mark.parametrize("kind", ["file", "callable"])
@pytest.mark.parametrize("line", ["get {id}", "find alice", "token access-1", "save alice access-2"])
def test_the_first_that_it_meets_may_be_any_call(database: Path, file: Path, kind: str, line: str) -> None:
    """Each call by itself makes it look for the key."""
    with peer(database, kind, file) as other, repository(SQLiteBackend(database), NEW, OLD) as tokens:
        saved = tokens.save(TokenRecord(user_name="alice", access_token="access-1"))
        put(file, NEW, OLD)
        let_age(kind)
        expected = "access-2" if line.startswith("save") else "access-1"
        assert other.ask(line.format(id=saved.id)) == expected


def test_a_process_without_the_new_key_refuses_and_spoils_nothing(database: Path, file: Path) -> None:
    """It was given its keys as text: it goes on with the old one, refuses newer rows, and writes none."""
    with peer(database, "text", file) as other, repository(SQLiteBackend(database), NEW, OLD) as tokens:
        saved = tokens.save(TokenRecord(user_name="alice", access_token="access-1"))
        put(file, NEW, OLD)
        for line in (f"get {saved.id}", "find alice", "token access-1", "save alice x", "save bob x"):
            assert other.ask(line) == "SealingError"
        assert other.ask("count") == "1"
        assert tokens.get(saved.id or "") == saved


def test_a_key_is_taken_away(database: Path, file: Path) -> None:
    """Once it is out of the file, running processes refuse what is under it, and save under the other."""
    put(file, NEW, OLD)
    with peer(database, "file", file) as other, repository(SQLiteBackend(database), OLD) as tokens:
        saved = tokens.save(TokenRecord(user_name="alice", access_token="access-1"))
        assert other.ask(f"get {saved.id}") == "access-1"
        put(file, NEW)
        assert other.ask("save bob access-2") == "SealingError"  # it would be a mixture
        assert other.ask("ids") == NEW.id
        assert other.ask("find alice") == "SealingError"
        tokens.clear()
        assert other.ask("save bob access-2") == "access-2"


class TestThreads:
    def test_eight_threads_lose_nothing_while_keys_change(self, tmp_path: Path, file: Path) -> None:
        """They read and save with one ring whose file is replaced 15 times: no refusal, nothing lost."""
        backend = ListBackend()
        tokens = TokenRepository(backend, keys=Keyset.from_file(file))
        trouble: list[BaseException] = []
        done = threading.Event()
        counts = [0] * 8

        def work(number: int) -> None:
            user = f"user{number}"
            try:
                while not done.is_set() or not counts[number]:
                    access = f"1000.{number}.{counts[number]}"
                    saved = tokens.save(ALICE.changed(user_name=user, access_token=access))
                    assert tokens.get(saved.id or "") == saved
                    assert tokens.find(TokenRecord(user_name=user)) == saved
                    counts[number] += 1
            except BaseException as error:  # noqa: BLE001  # told at the end
                trouble.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        keys = [OLD]
        for _ in range(15):
            keys = [SealingKey.generate(), *keys]
            put(file, *keys)
            time.sleep(0.005)
        done.set()
        for thread in threads:
            thread.join(60)
        assert trouble == []
        for number in range(8):
            found = tokens.find(TokenRecord(user_name=f"user{number}"))
            assert found is not None
            assert found.access_token == f"1000.{number}.{counts[number] - 1}"

    def test_a_ring_is_never_left_behind_its_file(self, file: Path) -> None:
        """Whatever the threads that read it at once overtook: in the end the ring is what the file holds."""
        ring = Keyset.from_file(file)
        orders = [(NEW, OLD), (OLD, NEW), (FOREIGN, OLD, NEW), (NEW, FOREIGN)]
        for number in range(60):
            keys = orders[number % len(orders)]
            put(file, *keys)
            threads = [threading.Thread(target=ring.reload) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            ring.reload()
            assert ring.ids == tuple(key.id for key in keys)

    def test_one_key_seals_and_opens_in_all_threads(self) -> None:
        """Eight threads with one key: every text is a new one, every text opens."""
        texts: list[list[str]] = [[] for _ in range(8)]

        def work(number: int) -> None:
            for count in range(300):
                text = OLD.seal(f"{number}.{count}", b".")
                assert OLD.unseal(text, b".") == f"{number}.{count}"
                texts[number].append(text)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({text for made in texts for text in made}) == 2400


@FORKS
class TestForks:
    def test_a_child_goes_on_with_its_parents_keys(self, database: Path, file: Path) -> None:
        """It reads, saves, and picks up a new key by itself; so does the parent."""
        with TokenRepository(SQLiteBackend(database), keys=f"file:{file}") as tokens:
            saved = tokens.save(ALICE)

            def child() -> str:
                assert tokens.get(saved.id or "") == saved
                tokens.save(TokenRecord(id=saved.id, access_token="1000.of-the-child"))
                put(file, NEW, OLD)
                tokens.save(TokenRecord(user_name="bob", access_token="1000.newer"))
                return "done"

            assert in_child(child) == "done"
            found = tokens.get(saved.id or "")
            assert found is not None
            assert found.access_token == "1000.of-the-child"
            assert tokens.find(TokenRecord(access_token="1000.newer")) is not None
            assert count_by_key(SQLiteBackend(database)).by_key == {OLD.id: 1, NEW.id: 1}

    def test_nonces_of_a_child_are_its_own(self) -> None:
        """What parent and child seal after a fork has nothing in common."""
        OLD.seal("x", b".")
        texts = in_child(lambda: "\n".join(OLD.seal("x", b".") for _ in range(100)))
        own = {OLD.seal("x", b".") for _ in range(100)}
        assert len(own | set(texts.splitlines())) == 200

    def test_a_child_does_not_wait_for_a_thread_of_its_parent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A fork while another thread asks the key service: in the child nobody does, so it asks."""
        may_answer, is_asked = threading.Event(), threading.Event()
        parent, slow = os.getpid(), threading.Event()

        def fetch() -> list[SealingKey]:
            if slow.is_set() and os.getpid() == parent:
                is_asked.set()
                assert may_answer.wait(30)
            return [NEW, OLD] if slow.is_set() else [OLD]

        backend = ListBackend()
        row_id = repository(backend, NEW, OLD).save(ALICE).id or ""
        tokens = TokenRepository(backend, keys=Keyset.from_callable(fetch, max_age=MAX_AGE * 0))
        monkeypatch.setattr(keyring, "_READ_TIMEOUT", 25.0)
        slow.set()
        thread = threading.Thread(target=lambda: tokens.get(row_id))
        thread.start()
        assert is_asked.wait(30)
        try:
            began = time.monotonic()
            assert in_child(lambda: str(tokens.get(row_id))).startswith("TokenRecord(")
            assert time.monotonic() - began < 20
        finally:
            may_answer.set()
            thread.join(30)
