"""Rows that do not open, beside a hundred that do, who notice nothing of them; not on the stores of AWS."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.contract.stores import CASES
from tests.sealing.support import (
    ALICE,
    CLIENT,
    FOREIGN,
    NEW,
    OLD,
    Sealer,
    box_of,
    login,
    queries,
    repository,
    rows,
    with_secrets,
)
from tests.unit.renewal.support import ORIGIN, Zoho, renewer
from zoho_tokenstore import Event, Keyset, SealingError, TokenRecord, TokenRepository
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.copying._endpoints import Endpoint
from zoho_tokenstore.copying._passes import copy_rows
from zoho_tokenstore.records import Row, row_from_record
from zoho_tokenstore.sealing import count_by_key, reseal
from zoho_tokenstore.sealing._cipher import AESGCMCipher

pytestmark = pytest.mark.clear  # some of the bad rows are

USERS: Final = [login(f"user{number}@zylker.example") for number in range(100)]
SEALER: Final = Sealer(OLD)


def _as_box(text: Callable[[str], str]) -> Callable[[Row], Row]:
    return lambda clear: (sealed := SEALER.seal(clear))._replace(client_secret=text(box_of(sealed)))


BAD: Final[dict[str, Callable[[Row], Row]]] = {
    "clear, as Zoho's DBStore writes it": lambda clear: clear,
    "under a missing key": Sealer(FOREIGN).seal,
    "cut": _as_box(lambda box: box[:-20]),
    "moved": lambda clear: SEALER.seal(clear._replace(id="100"))._replace(id=clear.id),
    "another expiry": lambda clear: SEALER.seal(clear)._replace(expiry_time="4133980800000"),
    "an expiry that is none": lambda clear: SEALER.seal(clear)._replace(expiry_time="x"),
    "garbage in the form of a box": _as_box(lambda box: box[:14] + "A" * 300),
    "no base64": _as_box(lambda box: box[:14] + "!" * 300),
    "of a later version": _as_box(lambda box: box.replace("zts1", "zts9")),
    "without a box": lambda clear: SEALER.seal(clear)._replace(client_secret=None),
    "clear beside its box": lambda clear: SEALER.seal(clear)._replace(access_token="1000.planted"),
    "renamed and emptied": lambda clear: with_secrets(clear, (None,) * 4)._replace(
        user_name=USERS[0].user_name
    ),
}
"""What is made of a clear row. Each is one of the first rows of its store, and not all rows are looked at."""


SLOW: Final = ("dynamodb", "secretsmanager")
"""Stores whose emulators take long; the blast radius of a bad row is proven over them too."""


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "zoho_tokenstore")


@pytest.fixture(params=[name for name in CASES if name not in SLOW])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """A store with one bad row of each kind in it."""
    backend = CASES[request.param].make_backend(tmp_path)
    for number, make in enumerate(BAD.values(), 1):
        clear = row_from_record(login(f"bad{number}", api_domain="https://www.zohoapis.in"), f"{number:02}")
        backend.write(make(clear), expect=None)
    yield backend
    backend.close()


@pytest.mark.timeout(400)
def test_a_hundred_users_notice_nothing(storage: Backend) -> None:
    """They log in, are found, renewed, listed, copied, sealed anew and counted; the bad ones are told."""
    bad = {f"{number:02}" for number in range(1, len(BAD) + 1)}
    before = [row for row in rows(storage) if row.id in bad]
    assert {row.id for row in before} == bad
    events: list[Event] = []
    tokens = repository(storage, OLD, on_event=events.append)
    saved = log_in(tokens, {user.user_name or "": user for user in USERS})
    assert len({record.id for record in saved}) == 100
    assert not {record.id for record in saved} & bad
    check_found(tokens, saved)
    renewed = [
        tokens.save(TokenRecord(id=record.id, access_token=f"1000.renewed.{record.id}")) for record in saved
    ]
    check_found(tokens, renewed)

    events.clear()
    listed = tokens.scan()
    assert sorted(record.id or "" for record in listed) == sorted(record.id or "" for record in saved)
    assert {row.id for row in listed.unreadable} == bad
    assert {event.token_id for event in events if event.kind == "row_unreadable"} == bad
    assert tokens.count() == 100 + len(bad)

    target = ListBackend()
    copied = copy_rows(
        Endpoint(storage, AESGCMCipher(Keyset([OLD]))), Endpoint(target, AESGCMCipher(Keyset([NEW])))
    )
    assert copied.copied == 100
    assert not copied.is_complete
    assert sorted(record.id or "" for record in repository(target, NEW).scan()) == sorted(
        record.id or "" for record in saved
    )

    both = Keyset([NEW, OLD])
    done = reseal(storage, both)
    assert (done.sealed, done.refused, done.is_complete) == (100, bad, False)
    stock = count_by_key(storage, both)
    assert (stock.rows, set(stock.refused), stock.by_key[NEW.id]) == (100 + len(bad), bad, 100)
    check_found(repository(storage, NEW), renewed)
    after = [row._replace(etag=None) for row in rows(storage) if row.id in bad]
    assert after == [row._replace(etag=None) for row in before]
    for row_id in bad:
        with pytest.raises(SealingError, match=row_id):
            tokens.get(row_id)


def log_in(tokens: TokenRepository, users: dict[str, TokenRecord]) -> list[TokenRecord]:
    """Log users in as the SDK does: look for the credentials, exchange them, save what came of it."""
    saved = []
    for user in users.values():
        assert tokens.find(TokenRecord(refresh_token=user.refresh_token, **CLIENT)) is None
        tokens.prove_writable(user)
        saved.append(tokens.save(user, identified=True))
    return saved


def check_found(tokens: TokenRepository, saved: list[TokenRecord]) -> None:
    """Each by its id and by its name, and some of them by everything."""
    for number, record in enumerate(saved):
        by_token = list(queries(record).values()) if number % 20 == 0 else []
        named = TokenRecord(user_name=record.user_name)
        for query in (TokenRecord(id=record.id), named, *by_token):
            found = tokens.find(query)
            assert found is not None
            assert (found.id, found.access_token) == (record.id, record.access_token)


def test_a_login_behind_many_rows_of_dbstore(backend: Backend) -> None:
    """Zoho's own store numbers from 1, so all its rows come before ours: they lock nobody out."""
    tokens = repository(backend, OLD)
    tokens.save(login("one of ours"))
    for number in range(1, 31):
        backend.write(row_from_record(login(f"of DBStore {number}"), str(number)), expect=None)
    assert tokens.save(ALICE).id not in (None, *map(str, range(1, 31)))


def test_a_login_beside_the_row_of_dbstore(backend: Backend) -> None:
    """The first row that Zoho's own store writes has the id 1: a new user's code is exchanged and kept."""
    clear = row_from_record(login("of DBStore"), "1")
    backend.write(clear, expect=None)
    tokens = repository(backend, OLD)
    zoho = Zoho()
    saved = renewer(tokens, zoho).find(TokenRecord(grant_token=ALICE.grant_token, **CLIENT), lambda: ORIGIN)
    assert saved is not None
    assert zoho.sent == 1
    assert saved.id not in (None, "1")
    listed = tokens.scan()
    assert [record.id for record in listed] == [saved.id]
    assert [row.id for row in listed.unreadable] == ["1"]
    assert backend.load("1") is not None
