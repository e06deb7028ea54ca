"""Through real servers, by the command itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest

from tests.aws import support as aws
from tests.copying.support import in_order, numbered, put, row, rows_of, run, side
from tests.copying.test_processes import keys_in
from tests.redis import support as redis
from tests.sql import support as sql
from tests.support import servers
from tests.support.servers import moto
from zoho_tokenstore.backends.csv import CSVBackend
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.copying._passes import copy_rows
from zoho_tokenstore.registry import open_backend
from zoho_tokenstore.sealing import Keyset
from zoho_tokenstore.testing import HOSTILE_TEXTS
from zoho_tokenstore.testing._hostile import short_id

TOKENS: Final = 300
HOSTILE: Final = [
    row(f"h{number}", text, access_token=text, updated_at_ms=number)
    for number, text in enumerate(HOSTILE_TEXTS.values())
    if len(text) < 1000 and "\0" not in text
]
ROWS: Final = in_order([*map(numbered, range(TOKENS - len(HOSTILE))), *HOSTILE])


def dynamodb(folder: Path) -> str:
    aws.make_dynamodb(folder).close()
    return f"dynamodb://{aws.REGION}/{aws.name_for(folder)}?endpoint_url={quote(aws.endpoint())}&timeout=60"


def secretsmanager(folder: Path) -> str:
    aws.make_secretsmanager(folder).close()
    return f"secretsmanager://{aws.REGION}/{aws.name_for(folder)}?endpoint_url={quote(aws.endpoint())}"


def redis_store(folder: Path) -> str:
    redis.make(folder).close()
    return redis.url_of(folder)


PLACES: Final[dict[str, Callable[[Path], str]]] = {
    "csv": lambda folder: f"csv:///{folder / 'start.csv'}",
    "sqlite": lambda folder: f"sqlite:///{folder / 'tokens.db'}",
    "postgresql": lambda folder: sql.url(sql.POSTGRESQL, folder),
    "redis": redis_store,
    "dynamodb": dynamodb,
    "secretsmanager": secretsmanager,
    "mariadb": lambda folder: sql.url(sql.MARIADB, folder),
    "csv again": lambda folder: f"csv:///{folder / 'end.csv'}",
}
CHAIN: Final = ("csv", "sqlite", "postgresql", "redis", "dynamodb", "mariadb", "csv again")


@pytest.fixture
def quick_moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets the stores on AWS be on a server that hundreds of tokens do not make slow."""
    shared = servers.server("moto")
    if not isinstance(shared, moto.LocalMoto):
        yield
        return
    monkeypatch.setattr(moto, "_SCRIPT", Path(__file__).with_name("quick_moto.py"))
    with moto.LocalMoto() as server:
        monkeypatch.setattr(shared, "url", server.url)
        yield


@pytest.mark.long
@pytest.mark.clear
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("quick_moto")
def test_tokens_that_went_through_all_stores_end_as_they_began(tmp_path: Path) -> None:
    """CSV → SQLite → PostgreSQL → Redis → DynamoDB → MariaDB → CSV: ids, columns and times are the same.

    In between they are sealed, under other keys in each store; the digest is one for all.
    """
    with closing(CSVBackend(tmp_path / "start.csv")) as start:
        put(start, ROWS)
    digests = set()
    here, keys = PLACES[CHAIN[0]](tmp_path), "clear"
    for name in CHAIN[1:]:
        there, theirs = PLACES[name](tmp_path), "clear"
        if name != "csv again":
            keys_in(tmp_path / f"{name}.keys")
            theirs = f"file:{tmp_path / name}.keys"
        urls = {"FROM": here, "TO": there}
        done = run("env:FROM", "env:TO", "--src-keys", keys, "--dst-keys", theirs, env=urls)
        assert done.exit_code == 0, done.output
        assert f"{TOKENS} copied, 0 overwritten" in done.output
        digests.add(done.output.partition(f"All {TOKENS} are equal there")[2].splitlines()[0])
        here, keys = there, theirs
    assert len(digests) == 1
    with closing(CSVBackend(tmp_path / "end.csv")) as end:
        assert rows_of(end) == ROWS


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", [kind for kind in PLACES if not kind.startswith("csv")])
def test_there_and_back(kind: str, tmp_path: Path, old: Keyset, new: Keyset) -> None:
    """Rows come back as they were, hostile ones too; a second run finds nothing to do."""
    strange = ["x" * 300 + "a", "x" * 300 + "b", "ü" * 500, *HOSTILE_TEXTS.values()]
    rows = in_order(
        [*map(numbered, range(15)), *(row(short_id(text), text) for text in strange if "\0" not in text)][:40]
    )
    first, last = ListBackend(), ListBackend()
    put(first, rows, old)
    with closing(open_backend(PLACES[kind](tmp_path))) as between:
        done = copy_rows(side(first, old), side(between, new))
        assert (done.copied, done.others, done.is_complete) == (len(rows), 0, True)
        again = copy_rows(side(first, old), side(between, new))
        assert (again.copied, again.overwritten, again.others, again.is_complete) == (0, 0, 0, True)
        assert again.source_digest == again.destination_digest
        told = copy_rows(side(first, old), side(between, new), dry_run=True)
        assert (told.copied, told.others) == (0, 0)
        assert copy_rows(side(between, new), side(last, old)).is_complete
    assert rows_of(last, old) == rows


def test_two_schemas_of_one_database_are_two_stores(tmp_path: Path, old: Keyset) -> None:
    """Though they look alike to people; one schema twice is refused."""
    urls = {}
    for name in ("FROM", "TO"):
        (tmp_path / name).mkdir()
        urls[name] = sql.url(sql.POSTGRESQL, tmp_path / name)
    keys = tmp_path / "the.keys"
    keys.touch(mode=0o600)
    keys.write_text(old.to_text())
    with closing(open_backend(urls["FROM"])) as source, closing(open_backend(urls["TO"])) as destination:
        assert source.location == destination.location
        put(source, ROWS[:20], old)
        options = ("--src-keys", f"file:{keys}", "--dst-keys", f"file:{keys}")
        assert run("env:FROM", "env:TO", *options, env=urls).exit_code == 0
        assert rows_of(destination, old) == ROWS[:20]
        again = run("env:FROM", "env:TO", *options, env=urls)
        assert again.exit_code == 0, again.output
    same = run("env:FROM", "env:FROM", *options, env=urls)
    assert "are the same store" in same.output
