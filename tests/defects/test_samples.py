"""The defects of the published samples: S1 to S11 (SQLite), M1 (in memory), L1 to L3 (list)."""

from __future__ import annotations

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.defects import tokens
from tests.defects.conftest import Case
from tests.defects.marks import ALL, FILE, defect
from zoho_tokenstore.testing import INJECTIONS, fields_of, make_token

BOB = "bob@zylker.example:60001"


@defect("S1", ALL)
def test_s1_nobody_is_not_the_first_one(case: Case) -> None:
    """An id alone finds its own row or none, an empty name none: never the first row of the table."""
    store = case.open()
    tokens.save(store, "alice")
    bobs = tokens.save(store, "bob")
    row = tokens.found(store, id=bobs)
    assert row is not None
    assert row["user_name"] == BOB
    assert tokens.found(store, id="404") is None
    assert tokens.found(store, user_name="") is None


@defect("S2", ALL)
@pytest.mark.parametrize("text", INJECTIONS.values(), ids=INJECTIONS)
def test_s2_injection(case: Case, text: str) -> None:
    """Text that means something to SQL is a name like any other: saved, found, and no harm to other rows."""
    store = case.open()
    alices = tokens.save(store, "alice")
    assert tokens.found(store, user_name=text) is None
    odd = tokens.save(store, "odd", user_name=text)
    row = tokens.found(store, user_name=text)
    assert row is not None
    assert row["id"] == odd
    store.delete_token(text)
    assert {token.get_id() for token in store.get_tokens()} == {alices, odd}


@defect("S3", ALL)
def test_s3_eleventh_token_beside_small_ids(case: Case) -> None:
    """After ten rows with the ids 1 to 10, as the published code numbers them, an eleventh is saved."""
    store = case.open()
    for number in range(1, 11):
        tokens.save(store, f"user-{number}", id=str(number))
    tokens.save(store, "eleventh")
    assert len(store.get_tokens()) == 11


@defect("S4", ("SQLite", "memory"))
def test_s4_statements_of_every_sqlite(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """No UPDATE or DELETE has a LIMIT, which a SQLite as its makers build it does not know."""
    statements: list[str] = []
    connect = sqlite3.connect

    def traced(*arguments: object, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)  # type: ignore[call-overload]
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    store = case.open()
    token_id = tokens.save(store, "alice")
    tokens.save(store, "alice", access_token="1000.access.second")
    store.delete_token(token_id)
    changing = [text for text in statements if text.lstrip().upper().startswith(("UPDATE", "DELETE"))]
    assert changing
    assert [text for text in changing if "LIMIT" in text.upper()] == []


@defect("S5", FILE)
def test_s5_second_instance_of_an_empty_store(case: Case) -> None:
    """A store without tokens can be opened again: before the first save, and after the last delete."""
    first = case.open()
    second = case.open()
    token_id = tokens.save(second, "alice")
    first.delete_token(token_id)
    assert case.open().get_tokens() == []


ODD_IDS = ["coordinator", "o'brien", 'say "alice"', "1; --", "none"]


@defect("S6", ALL)
@pytest.mark.parametrize("token_id", ODD_IDS)
def test_s6_ids_that_are_no_numbers(case: Case, token_id: str) -> None:
    """A token is kept, found and deleted under whatever text its caller chose as its id."""
    store = case.open()
    alices = tokens.save(store, "alice")
    tokens.save(store, "bob", id=token_id)
    row = tokens.by_id(store, token_id)
    assert row is not None
    assert row["user_name"] == BOB
    store.delete_token(token_id)
    assert [token.get_id() for token in store.get_tokens()] == [alices]


@defect("S6", ALL)
def test_s6_no_id(case: Case) -> None:
    """Deleting without an id, as `remove()` does on a token that was never saved, says what is wrong."""
    store = case.open()
    tokens.save(store, "alice")
    error = tokens.error_of(store.delete_token, None)
    assert isinstance(error, ValueError)
    assert "needs the id of a token" in str(error)
    assert len(store.get_tokens()) == 1


@defect("S7", ALL)
def test_s7_apostrophe(case: Case) -> None:
    """A user whose name has an apostrophe is logged in, found, and saved again like any other."""
    store = case.open()
    name = "o'brien@zylker.example:60001"
    first = tokens.save(store, "o'brien")
    assert tokens.save(store, "o'brien", access_token="1000.access.second") == first
    row = tokens.found(store, user_name=name)
    assert row is not None
    assert row["access_token"] == "1000.access.second"


@defect("S8", ALL)
def test_s8_delete_all(case: Case) -> None:
    """`delete_tokens` deletes all tokens, and the store goes on."""
    store = case.open()
    ids = [tokens.save(store, who) for who in ("alice", "bob")]
    store.delete_tokens()
    assert store.get_tokens() == []
    assert [tokens.by_id(store, token_id) for token_id in ids] == [None, None]
    tokens.save(store, "carol")
    assert tokens.refresh_tokens(store) == ["1000.refresh.carol"]


@defect("S9", FILE, file_store=AssertionError)
def test_s9_change_of_the_current_folder(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path keeps its meaning when the process changes its current folder."""
    store = case.open(Path("tokens.db"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert tokens.error_of(tokens.save, store, "alice") is None
    assert tokens.refresh_tokens(store) == ["1000.refresh.alice"]
    assert list(elsewhere.iterdir()) == []


@defect("S10", ALL)
def test_s10_update_of_the_row_that_the_id_names(case: Case) -> None:
    """Of two rows with one user name, a refreshed token changes the one that its id names."""
    store = case.open()
    for token_id in ("first", "second"):
        tokens.save(store, "alice", id=token_id, refresh_token=f"refresh of {token_id}")
    refreshed = store.find_token_by_id("second")
    refreshed.set_access_token("1000.access.new")
    store.save_token(refreshed)
    rows = {row["id"]: row for row in tokens.rows(store)}
    assert rows["second"]["access_token"] == "1000.access.new"
    assert rows["first"]["access_token"] == "1000.access.alice"
    assert rows["first"]["refresh_token"] == "refresh of first"


@defect("M1", ALL)
def test_m1_other_threads(case: Case) -> None:
    """A store made in one thread works in every other."""
    store = case.open()
    with ThreadPoolExecutor(1) as other:
        token_id = other.submit(tokens.save, store, "alice").result()
        assert other.submit(tokens.by_id, store, token_id).result() is not None
    assert tokens.by_id(store, token_id) is not None


@defect("L1", ALL)
def test_l1_ids_of_the_first_two_users(case: Case) -> None:
    """The first two users get two ids, and each id finds the token of its own user."""
    store = case.open()
    ids = {who: tokens.save(store, who) for who in ("alice", "bob")}
    assert ids["alice"] != ids["bob"]
    for who, token_id in ids.items():
        row = tokens.by_id(store, token_id)
        assert row is not None
        assert row["access_token"] == f"1000.access.{who}"


@defect("L2", ALL)
def test_l2_threads_save_at_once(case: Case) -> None:
    """What several threads save at the same time is all there, under ids of its own."""
    store = case.open()
    for number in (1, 2):
        tokens.save(store, f"early-{number}", id=str(number))
    gate = threading.Barrier(4)
    ids: list[str] = []

    def work(thread: int) -> None:
        gate.wait(60)
        ids.extend(tokens.save(store, f"user-{thread}-{number}") for number in range(15))

    # Every call of a function lets another thread go first.
    threading.setprofile(lambda *_: time.sleep(0))
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
    finally:
        threading.setprofile(None)
    assert len(set(ids)) == 60
    assert len(set(tokens.refresh_tokens(store))) == 62


@defect("L3", ALL)
def test_l3_text_id(case: Case) -> None:
    """A token under an id that is no number does not keep later tokens from being saved."""
    store = case.open()
    tokens.save(store, "alice", id="1")
    store.save_token(make_token(**{**fields_of(tokens.login("bob")), "id": "coordinator"}))
    tokens.save(store, "carol")
    assert len(store.get_tokens()) == 3
