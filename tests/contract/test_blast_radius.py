"""A bad row beside many good ones harms nobody else: every store, clear and sealed, every kind of bad row."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from typer.testing import CliRunner

from tests.contract.bad_rows import Plant, kinds, prepare
from tests.contract.stores import CASES, Case
from zoho_tokenstore import Event, Keyset, RepositoryStore, TokenRecord
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.cli._app import app
from zoho_tokenstore.copying import Outcome
from zoho_tokenstore.copying._endpoints import Endpoint
from zoho_tokenstore.copying._passes import copy_rows
from zoho_tokenstore.records import Row, UnreadableRow
from zoho_tokenstore.sealing import count_by_key, reseal
from zoho_tokenstore.sealing._cipher import AESGCMCipher, NullCipher
from zoho_tokenstore.testing import fields_of, make_token
from zoho_tokenstore.testing._tokens import login

MANY: Final = {"sqlite": 100, "secretsmanager": 5}
USUALLY: Final = 10
"""How many good rows there are. A hundred are in one file; Secrets Manager is slow."""

SLOW: Final = ("dynamodb", "secretsmanager")

IN_THE_PROCESS: Final = {"list"}
"""Nobody but the code of one process can put anything in there."""

OLD, NEW, NEWEST = (Keyset.generate() for _ in range(3))


def _cases() -> Iterator[Any]:
    for name in sorted(CASES.keys() - IN_THE_PROCESS):
        for group, plants in kinds(name).items():
            for keys in (None, OLD):
                how = "clear" if keys is None else "sealed"
                # Clear by nature, sealed or not: all are copied to a clear file.
                marks = [pytest.mark.clear] + [pytest.mark.long] * (name in SLOW)
                yield pytest.param(name, plants, keys, id=f"{name}-{how}-{group}", marks=marks)


class Crowd(NamedTuple):
    """A store with good rows and bad ones, and what it has told."""

    store: RepositoryStore
    good: dict[str, dict[str, Any]]
    bad: list[UnreadableRow]
    told: list[Event]


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "zoho_tokenstore")


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "plants", "keys"), list(_cases()))
def test_the_good_ones_notice_nothing(
    name: str, plants: dict[str, Plant], keys: Keyset | None, tmp_path: Path
) -> None:
    """They log in, are found, renewed, listed, counted, copied, sealed, rotated; each bad row is told."""
    case = CASES[name]
    told: list[Event] = []
    prepare(name, tmp_path)
    store = case.make_store(tmp_path, keys=keys, on_event=told.append)
    users = [login(f"user{number:03}") for number in range(MANY.get(name, USUALLY))]
    good = log_in(store, users[::2])
    for plant in plants.values():
        plant(store, tmp_path)
    good |= log_in(store, users[1::2])
    bad = bad_rows(store.repository._backend)
    assert len(bad) == len(plants)
    crowd = Crowd(store, good, bad, told)
    check_found(crowd)
    renew(crowd)
    check_found(crowd)
    check_listed(crowd)
    check_copied(crowd, keys)
    check_commands(case, crowd, keys, tmp_path)
    check_sealed(case, crowd, keys, tmp_path)
    assert bad_rows(store.repository._backend) == bad
    store.close()


def log_in(store: RepositoryStore, users: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Save users as the SDK does; return their fields by id. Some are looked for, and proven, before."""
    good = {}
    for number, user in enumerate(users):
        if number % 10 == 0:
            assert store.find_token(make_token(**user)) is None
            store.repository.prove_writable(TokenRecord(access_token="1000.proof", user_name="a proof"))
        token = make_token(**user)
        store.save_token(token)
        good[token.get_id()] = fields_of(token)
    return good


def bad_rows(backend: Backend) -> list[UnreadableRow]:
    return [found for found in backend.scan() if isinstance(found, UnreadableRow)]


def check_found(crowd: Crowd) -> None:
    """Each is found by its id and its name, and some of them by their secrets."""
    for number, (row_id, user) in enumerate(crowd.good.items()):
        assert fields_of(crowd.store.find_token_by_id(row_id)) == user
        client = {name: user[name] for name in ("client_id", "client_secret")}
        by_secrets = (
            {"access_token": user["access_token"]},
            {"refresh_token": user["refresh_token"], **client},
            {"grant_token": user["grant_token"], **client},
        )
        for query in ({"user_name": user["user_name"]}, *(by_secrets if number % 5 == 0 else ())):
            found = crowd.store.find_token(make_token(**query))
            assert found is not None, query.keys()
            assert fields_of(found) == user


def renew(crowd: Crowd) -> None:
    for row_id, user in crowd.good.items():
        user["access_token"] = f"1000.renewed.{row_id}"
        crowd.store.save_token(make_token(**user))


def check_listed(crowd: Crowd) -> None:
    """The list has the good ones, and each bad row is an event with its id and its reason."""
    crowd.told.clear()
    listed = {token.get_id(): fields_of(token) for token in crowd.store.get_tokens()}
    assert listed == crowd.good
    told = [(event.token_id, event.reason) for event in crowd.told if event.kind == "row_unreadable"]
    assert told == crowd.bad
    assert crowd.store.repository.count() == len(crowd.good) + len(crowd.bad)


def check_copied(crowd: Crowd, keys: Keyset | None) -> None:
    """The good rows are copied to another store, and the bad ones named with their reasons."""
    target = ListBackend()
    cipher = NullCipher() if keys is None else AESGCMCipher(keys)
    done = copy_rows(Endpoint(crowd.store.repository._backend, cipher), Endpoint(target, NullCipher()))
    assert {row.id: row.access_token for row in target.scan()} == {
        row_id: user["access_token"] for row_id, user in crowd.good.items()
    }
    assert (done.copied, done.is_complete) == (len(crowd.good), False)
    unread = done.outcomes[Outcome.UNREADABLE]
    assert (unread.count, [row_id for row_id, _ in unread.ids]) == (
        len(crowd.bad),
        [row.id for row in crowd.bad][:20],
    )


def check_commands(case: Case, crowd: Crowd, keys: Keyset | None, folder: Path) -> None:
    """`zoho-tokens` counts and copies the good rows, says how many were not read, and ends with 1."""
    if not case.is_shared:
        return
    url = case.url(folder)
    target = folder / "copies" / "tokens.csv"
    target.parent.mkdir()
    runs: dict[str, list[str]] = {
        f"{len(crowd.bad):,} row": ["keys", "status", "--store", url, *(["--verify"] if keys else [])],
        f"{len(crowd.good):,} copied": ["copy", url, f"csv:///{target}", "--dst-keys", "clear"],
    }
    for says, arguments in runs.items():
        opened = None if keys is None else keys.to_text()
        env = {"COLUMNS": "200", "TERM": "dumb", "ZOHO_TOKENSTORE_KEYS": opened}
        done = CliRunner().invoke(app, arguments, env=env)
        assert (done.exit_code, says in done.output) == (1, True), done.output


def check_sealed(case: Case, crowd: Crowd, keys: Keyset | None, folder: Path) -> None:
    """The good rows are sealed, and rotated to a newer key; a new handle reads them under that one alone."""
    backend, count = crowd.store.repository._backend, len(crowd.good)
    before = "clear\n" if keys is None else keys.to_text()
    for text in (NEW.to_text() + before, NEWEST.to_text() + NEW.to_text()):
        ring = Keyset.from_text(text)
        done = reseal(backend, ring)
        assert (done.sealed, done.pending, done.refused) == (count, 0, set())
        assert done.unreadable == {row.id for row in crowd.bad}
        stock = count_by_key(backend, ring)
        assert (stock.rows, dict(stock.by_key)) == (count + len(crowd.bad), {ring.ids[0]: count})
        assert (stock.refused, stock.unreadable) == ([], [row.id for row in crowd.bad])
    again = case.reopen_store(crowd.store, folder, keys=NEWEST)
    check_found(crowd._replace(store=again))
    assert all(isinstance(row, Row) for row in map(backend.load, crowd.good))
    if case.is_shared:
        again.close()


def test_every_store_has_bad_rows() -> None:
    """Of each store that others can write to there is at least one kind, and no kind is there twice."""
    for name in CASES.keys() - IN_THE_PROCESS:
        groups = kinds(name)
        assert all(groups.values())
        names = [kind for plants in groups.values() for kind in plants]
        assert len(set(names)) == len(names)
