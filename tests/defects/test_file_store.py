"""The defects F1 to F13 of the SDK's `FileStore`. Its own run beside ours must fail."""

from __future__ import annotations

import contextlib
import csv
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.defects import tokens
from tests.defects.conftest import Case
from tests.defects.marks import ALL, FILE, defect
from tests.defects.processes import cut_off_in_the_middle, in_a_child, save_at_once, save_with_an_ascii_locale
from tests.sqlite import published
from tests.unit.renewal.support import Line, Zoho
from zoho_tokenstore.renewal import _renewer as renewer
from zoho_tokenstore.sdk._zoho import SDKException
from zoho_tokenstore.testing import fields_of, make_token

HEADER = (
    "id,user_name,client_id,client_secret,refresh_token,access_token,grant_token,expiry_time,"
    "redirect_uri,api_domain"
)


@defect("F1", FILE, file_store=(AssertionError, SDKException))
def test_f1_two_processes(case: Case) -> None:
    """What two processes save at the same time is all there afterwards."""
    store = case.open()
    logins = [[tokens.login(f"{name}-{number}") for number in range(100)] for name in ("zoë", "jo")]
    assert save_at_once(case, *logins) == []
    assert len(set(tokens.refresh_tokens(store))) == 200


@defect("F2", FILE, file_store=AssertionError)
def test_f2_killed_in_a_save(case: Case) -> None:
    """A process that is killed in the middle of a save leaves every earlier token as it was."""
    store = case.open()
    before = [tokens.save(store, f"user-{number}") for number in range(5)]
    cut_off_in_the_middle(lambda: _one_more(case.open()))
    after = case.open()
    assert [tokens.by_id(after, token_id) is not None for token_id in before] == [True] * 5


def _one_more(store: Any) -> Callable[[], object]:
    return lambda: store.save_token(tokens.login("one-more"))


@defect("F2", FILE, file_store=(AssertionError, SDKException))
def test_f2_reader_beside_a_writer(case: Case) -> None:
    """While another process saves, a token that has been there all the time is found every time."""
    store = case.open()
    token_id = tokens.save(store, "reader")

    def write() -> None:
        writer = case.open()
        for number in range(200):
            tokens.save(writer, f"user-{number}")

    child = in_a_child(write)
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        assert store.find_token_by_id(token_id) is not None


@defect("F3", ALL, file_store=AssertionError)
def test_f3_id_of_a_deleted_token(case: Case) -> None:
    """A process that still holds the id of a deleted token does not become the user who logs in next."""
    store = case.open()
    tokens.save(store, "alice")
    bobs = tokens.save(store, "bob")
    store.delete_token(bobs)
    assert tokens.save(store, "carol") != bobs
    assert tokens.by_id(store, bobs) is None


@defect("F4", ALL, file_store=AssertionError)
def test_f4_two_clients_of_one_user(case: Case) -> None:
    """One user's tokens of two OAuth clients are two tokens, and each client is given its own."""
    store = case.open()
    name = "alice@zylker.example:60001"
    for client in ("1000.PORTAL", "1000.REPORTS"):
        tokens.save(store, "alice", client_id=client, refresh_token=f"refresh of {client}", grant_token=None)
    for client in ("1000.PORTAL", "1000.REPORTS"):
        row = tokens.found(store, user_name=name, client_id=client)
        assert row is not None
        assert row["refresh_token"] == f"refresh of {client}"


@defect("F5", ALL, file_store=AssertionError)
def test_f5_new_refresh_token(case: Case) -> None:
    """A refresh token that is not the stored one is not ignored: it is used, and replaces the stored one."""
    store = case.open()
    token_id = tokens.save(store, "alice", grant_token=None)
    new = tokens.login("alice", refresh_token="1000.refresh.new", access_token=None, grant_token=None)
    new.set_expires_in(None)
    assert store.find_token(new) is None  # so the SDK exchanges the new one
    new.set_access_token("1000.access.new")
    new.set_expires_in(tokens.NOT_YET)
    store.save_token(new)
    row = tokens.by_id(store, token_id)
    assert row is not None
    assert (row["refresh_token"], row["access_token"]) == ("1000.refresh.new", "1000.access.new")
    assert len(store.get_tokens()) == 1


@defect("F6", ALL, file_store=ValueError)
def test_f6_text_id(case: Case) -> None:
    """After a caller has chosen an id that is no number, tokens without an id are saved as before."""
    store = case.open()
    assert tokens.save(store, "alice", id="coordinator") == "coordinator"
    others = {tokens.save(store, who) for who in ("bob", "carol")}
    assert len(others | {"coordinator"}) == 3


@defect("F7", ALL, file_store=AssertionError)
def test_f7_token_with_an_id_alone(case: Case) -> None:
    """A token that carries an id and nothing else, as `revoke(id)` makes it, is filled in place."""
    store = case.open()
    tokens.save(store, "alice")
    bobs = tokens.save(store, "bob")
    token = make_token(id=bobs)
    assert store.find_token(token) is token
    assert token.get_refresh_token() == "1000.refresh.bob"


@defect("F8", ALL, file_store=AssertionError)
def test_f8_id_of_the_header(case: Case) -> None:
    """The word `id` is the id of nobody, before and after something is saved."""
    store = case.open()
    assert tokens.by_id(store, "id") is None
    tokens.save(store, "alice")
    assert tokens.by_id(store, "id") is None


@defect("F8", ALL, file_store=AssertionError)
def test_f8_name_of_the_header(case: Case) -> None:
    """A user with the name `user_name` is a user like any other."""
    store = case.open()
    odd = tokens.save(store, "odd", user_name="user_name")
    assert odd.isdecimal()
    alices = tokens.save(store, "alice")
    assert tokens.found(store, user_name="user_name") is not None
    assert {odd, alices} == {token.get_id() for token in store.get_tokens()}


@pytest.mark.clear
@defect("F9", FILE, file_store=IndexError)
def test_f9_row_cut_short(case: Case) -> None:
    """A row of which only the id is left hinders nobody: the others are found, and all are listed."""
    store = case.open()
    alices = tokens.save(store, "alice")
    _cut_row_short(case)
    assert tokens.found(store, user_name="bob@zylker.example:60001") is None
    assert tokens.found(store, user_name="alice@zylker.example:60001", client_id="1000.PORTAL") is not None
    assert {alices, "77"} == {token.get_id() for token in store.get_tokens()}


def _cut_row_short(case: Case) -> None:
    if case.subject.name == "SQLite":
        with contextlib.closing(sqlite3.connect(case.path)) as connection:
            connection.execute("INSERT INTO oauthtoken (id) VALUES ('77')")
            connection.commit()
    elif case.is_stranger:
        pytest.skip("how a row is cut short depends on the store's own form; known here for SQLite and CSV")
    else:
        with case.path.open("a") as file:
            file.write("77\n")


@pytest.mark.clear
@defect("F9", FILE)
def test_f9_unreadable_expiry(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """An expiry that is no number counts as past: the row is found, listed, renewed and can be deleted."""
    if case.is_stranger:
        pytest.skip("how a row is spoiled depends on the store's own form; known here for SQLite")
    zoho = Zoho()
    monkeypatch.setattr(renewer, "Transport", lambda *_, **__: Line(zoho=zoho))
    store = case.open()
    alices = tokens.save(store, "alice")
    bobs = tokens.save(store, "bob", expires_in=None)
    with contextlib.closing(sqlite3.connect(case.path)) as connection:
        connection.execute("UPDATE oauthtoken SET expiry_time = 'soon' WHERE id = ?", (bobs,))
        connection.commit()
    assert sorted(token.get_id() for token in store.get_tokens()) == sorted([alices, bobs])
    assert next(token for token in store.get_tokens() if token.get_id() == bobs).get_expires_in() == "0"
    token = store.find_token_by_id(bobs)
    assert token.get_access_token() == "1000.minted.1"
    assert int(token.get_expires_in()) > time.time() * 1000
    assert store.find_token_by_id(bobs).get_access_token() == "1000.minted.1"
    assert zoho.sent == 1
    store.delete_token(bobs)
    assert [token.get_id() for token in store.get_tokens()] == [alices]


@defect("F10", FILE, file_store=AssertionError)
def test_f10_rights_of_the_file(case: Case) -> None:
    """No file that a store makes can be read by anybody but its owner, whatever the umask."""
    before = os.umask(0)
    try:
        store = case.open()
        tokens.save(store, "alice")
        modes = {path.name: oct(path.stat().st_mode & 0o077) for path in case.path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes
    assert set(modes.values()) == {"0o0"}, modes


@defect("F11", FILE, file_store=AssertionError)
def test_f11_empty_file(case: Case) -> None:
    """A file that has lost its content is refused, and stays as it is: nobody is told that all is well."""
    case.path.touch()
    error = tokens.error_of(case.open)
    assert error is not None
    assert "Restore it" in str(error) or case.is_stranger
    assert case.path.stat().st_size == 0


@defect("F12", FILE, file_store=AssertionError)
def test_f12_locale(case: Case) -> None:
    """A name is kept in a process whose locale knows ASCII alone, as a service's often does."""
    tokens.save(case.open(), "alice")
    assert save_with_an_ascii_locale(case, "zoë") == 0
    names = [row["user_name"] for row in tokens.rows(case.open())]
    assert names == ["alice@zylker.example:60001", "zoë@zylker.example:60001"]


MANY = 3_000


@pytest.mark.clear
@defect("F13", ("SQLite", "memory"), file_store=AssertionError)
def test_f13_cost_of_a_look_up(case: Case, tmp_path: Path) -> None:
    """A look-up among thousands of tokens costs about what it costs among a few."""
    few = _filled(case, tmp_path / "few.db", 10)
    many = _filled(case, tmp_path / "many.db", MANY)
    assert min(_times(many, MANY)) < 10 * min(_times(few, 10))


def _times(store: Any, count: int) -> Iterator[float]:
    for number in range(count - 10, count):
        start = time.thread_time()
        assert store.find_token_by_id(str(number + 1)) is not None
        yield time.thread_time() - start


def _filled(case: Case, path: Path, count: int) -> Any:
    values = [_published_row(number) for number in range(1, count + 1)]
    if case.subject.name == "SQLite":
        published.create(path)
        with published.connection(path) as connection:
            connection.executemany("INSERT INTO oauthtoken VALUES (?,?,?,?,?,?,?,?,?,?)", values)
    elif case.subject.name == "FileStore":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([HEADER.split(","), *values])
    else:
        store = case.open(path)
        for number in range(1, count + 1):
            tokens.save(store, f"user-{number}", id=str(number))
        return store
    return case.open(path)


def _published_row(number: int) -> list[str | None]:
    token = fields_of(tokens.login(f"user-{number}", id=str(number)))
    return list(token.values())
