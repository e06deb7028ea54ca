"""Threads and stores of one process on one database: exact results, and nothing stale."""

from __future__ import annotations

import contextlib
import gc
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.sqlite.conftest import Open
from tests.sqlite.tokens import by_name, is_sound, token
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.backends.sqlite._connections import SQLiteHandle, write_lock
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import Row
from zoho_tokenstore.registry import open_repository
from zoho_tokenstore.repository import TokenRepository

THREADS = 8
ROUNDS = 40
SHARED = 3


@pytest.fixture(params=["sqlite", "memory", "list"])
def tokens(request: pytest.FixtureRequest, quick_folder: Path) -> Iterator[TokenRepository]:
    """One store of each kind, for all threads of a test."""
    url = f"sqlite:///{quick_folder}/tokens.db" if request.param == "sqlite" else f"{request.param}://"
    with open_repository(url) as opened:
        yield opened


def in_threads(work: Callable[[int], object]) -> None:
    """Run `work` in eight threads that begin together; what one of them raises is raised here."""
    barrier = threading.Barrier(THREADS)

    def begin(number: int) -> None:
        barrier.wait()
        work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(begin, range(THREADS)))


def test_eight_threads_saving_and_finding_get_exact_results(tokens: TokenRepository) -> None:
    """Own tokens are always found as just saved; owners that all save have one row each in the end."""

    def work(number: int) -> None:
        for round_ in range(ROUNDS):
            own = tokens.save(token(f"own{number}", f"access-{number}-{round_}"))
            assert own.id is not None
            assert tokens.get(own.id) == own
            assert tokens.find(by_name(f"own{number}")) == own
            shared = tokens.save(token(f"shared{round_ % SHARED}", f"shared-{number}-{round_}"))
            assert shared.id is not None
            found = tokens.get(shared.id)
            assert found is not None
            assert found.user_name == shared.user_name

    in_threads(work)
    stored = {found.user_name: found.access_token for found in tokens.scan()}
    assert tokens.count() == len(stored) == THREADS + SHARED
    for number in range(THREADS):
        assert stored[f"own{number}"] == f"access-{number}-{ROUNDS - 1}"


class Overtaken(ListBackend):
    """Somebody else inserts the same owner right after a save has looked for a row and found none."""

    other: TokenRepository | None = None

    def load(self, row_id: str) -> Row | None:
        other, self.other = self.other, None
        if other is not None:
            other.save(token("user", "theirs"))
        return super().load(row_id)


def test_an_owner_that_was_inserted_meanwhile_is_updated() -> None:
    """The id that this owner's row would have got is taken, by this owner: no second row is made."""
    backend = Overtaken()
    tokens = backend.other = TokenRepository(backend)
    saved = tokens.save(token("user", "ours"))
    assert [found.access_token for found in tokens.scan()] == ["ours"]
    assert tokens.find(by_name("user")) == saved


def test_threads_that_insert_one_owner_at_once_make_one_row(tokens: TokenRepository) -> None:
    """Eight of them, at the same moment, again and again."""
    for round_ in range(50):
        name = f"user{round_}"
        in_threads(lambda number, name=name: tokens.save(token(name, str(number))))  # type: ignore[misc]
    assert tokens.count() == 50


def test_another_threads_commit_is_seen_at_once(tokens: TokenRepository) -> None:
    """500 times: a hot look-up returns what another thread, with a connection of its own, has saved."""
    saved = tokens.save(token("user", "access-0"))
    assert saved.id is not None
    with ThreadPoolExecutor(1) as pool:
        for number in range(1, 501):
            assert tokens.get(saved.id) is not None
            pool.submit(tokens.save, token("user", f"access-{number}")).result()
            found = tokens.get(saved.id)
            assert found is not None
            assert found.access_token == f"access-{number}"


def test_two_stores_on_one_file_see_each_other_at_once(quick_folder: Path, open_tokens: Open) -> None:
    """500 times, in turns: what one has saved is what the other finds, by id and by name."""
    stores = [open_tokens(quick_folder / "tokens.db") for _ in range(2)]
    saved = stores[0].save(token("user", "access-0"))
    assert saved.id is not None
    for number in range(1, 501):
        writer, reader = stores[number % 2], stores[1 - number % 2]
        assert reader.get(saved.id) is not None
        changed = writer.save(token("user", f"access-{number}"))
        assert reader.get(saved.id) == changed
        assert reader.find(by_name("user")) == changed
    stores[0].clear()
    assert stores[1].get(saved.id) is None


def test_a_reader_never_meets_half_a_save(quick_folder: Path, open_tokens: Open) -> None:
    """While a token is saved again and again, its fields are always those of one and the same save."""
    tokens = open_tokens(quick_folder / "tokens.db")
    saved = tokens.save(token("user", "0").changed(redirect_url="0"))
    assert saved.id is not None
    saved_id = saved.id
    done = threading.Event()
    torn: list[object] = []

    def read() -> None:
        while not done.is_set():
            found = tokens.get(saved_id)
            if found is None or found.access_token != found.redirect_url:
                torn.append(found)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(200):
        tokens.save(token("user", str(number)).changed(redirect_url=str(number)))
    done.set()
    for reader in readers:
        reader.join()
    assert torn == []


def test_a_thread_that_ends_closes_its_connection(tmp_path: Path) -> None:
    """SQLite removes the log with the last connection: so there is none left, and none is leaked."""
    path = tmp_path / "tokens.db"
    stores: list[TokenRepository] = []
    opener = threading.Thread(target=lambda: stores.append(TokenRepository(SQLiteBackend(path))))
    opener.start()
    opener.join()
    for number in range(20):
        user = threading.Thread(target=stores[0].save, args=(token(f"user{number}"),))
        user.start()
        user.join()
        assert [file.name for file in tmp_path.iterdir()] == ["tokens.db"]
    assert stores[0].count() == 20
    assert sorted(file.name for file in tmp_path.iterdir()) != ["tokens.db"]
    stores[0].close()


def test_a_store_that_is_dropped_closes_its_connections(tmp_path: Path) -> None:
    """Without close(), as soon as the interpreter has noticed."""
    tokens = TokenRepository(SQLiteBackend(tmp_path / "tokens.db"))
    tokens.save(token("user"))
    assert len(list(tmp_path.iterdir())) == 3
    del tokens
    gc.collect()
    assert [file.name for file in tmp_path.iterdir()] == ["tokens.db"]


def test_a_closed_store_says_so(tokens: TokenRepository) -> None:
    """Every call, in every thread, raises our error; closing again is allowed."""
    saved = tokens.save(token("user"))
    assert saved.id is not None
    saved_id = saved.id
    assert tokens.get(saved_id) == saved
    tokens.close()
    tokens.close()

    def use(_number: int) -> None:
        for call in (
            lambda: tokens.get(saved_id),
            lambda: tokens.find(by_name("user")),
            lambda: tokens.save(token("user")),
            lambda: tokens.delete(saved_id),
            lambda: list(tokens.scan()),
            tokens.clear,
        ):
            with pytest.raises(BackendError, match="has been closed"):
                call()

    use(0)
    in_threads(use)


def test_closing_amid_the_work_of_threads_ends_it_cleanly(quick_folder: Path) -> None:
    """A thread meets either a working store or the error; what was acknowledged is in the file."""
    path = quick_folder / "tokens.db"
    tokens = TokenRepository(SQLiteBackend(path))
    newest = [0] * THREADS
    begun = threading.Barrier(THREADS + 1)

    def work(number: int) -> None:
        for count in range(1, 100_000):
            try:
                tokens.save(token(f"user{number}", f"access-{count}"))
            except BackendError as error:
                closed.append("has been closed" in str(error))
                return
            newest[number] = count
            if count == 1:
                begun.wait()

    closed: list[bool] = []
    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    begun.wait()
    tokens.close()
    for thread in threads:
        thread.join()
    assert closed == [True] * THREADS
    with TokenRepository(SQLiteBackend(path)) as again:
        stored = {found.user_name: found.access_token for found in again.scan()}
    assert stored == {f"user{number}": f"access-{count}" for number, count in enumerate(newest)}
    assert is_sound(path)


@pytest.mark.parametrize("call", ["load", "write", "close"])
def test_a_signal_handler_may_use_a_store_in_the_middle_of_a_call(tmp_path: Path, call: str) -> None:
    """It runs in the thread that is in the call: waiting for that would be for ever."""
    backend = SQLiteBackend(tmp_path / "tokens.db")
    calls: dict[str, Callable[[], object]] = {
        "load": lambda: backend.load("1"),
        "write": lambda: backend.write(Row("1"), expect=None),
        "close": backend.close,
    }
    thread = threading.Thread(target=backend._connections.run, args=(lambda _: calls[call](),), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    backend.close()


def test_a_signal_handler_saves_nothing_in_a_transaction(tmp_path: Path) -> None:
    """What it saved would be rolled back with a rehearsal."""
    backend = SQLiteBackend(tmp_path / "tokens.db")

    def in_the_middle(handle: SQLiteHandle) -> None:
        with write_lock(handle.open(), keep=False):
            backend.write(Row("1"), expect=None)

    with pytest.raises(BackendError, match="in the middle of a call"):
        backend._connections.run(in_the_middle)
    assert backend.write(Row("1"), expect=None)
    backend.close()


class Interrupted(sqlite3.Connection):
    """A connection at which Ctrl+C comes right after each transaction has begun."""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        done = super().execute(sql, *values)
        if sql.startswith("BEGIN"):
            raise KeyboardInterrupt
        return done


def test_an_interrupt_leaves_no_transaction_open(tmp_path: Path) -> None:
    """All later saves of the thread would be in it, lost at its end, and keep others out."""
    path = tmp_path / "tokens.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, factory=Interrupted)) as connection:
        with pytest.raises(KeyboardInterrupt), write_lock(connection):
            pass
        assert not connection.in_transaction
