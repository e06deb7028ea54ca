"""The commands of docs/how-to/back-up-and-restore.md, run as they stand there: nothing is lost by them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, Page
from tests.doctor.conftest import own_redis
from tests.doctor.support import KEY, examined, login, names, save
from tests.sql import support as sql
from tests.support.servers import mariadb, postgresql
from zoho_tokenstore import TokenRecord, open_repository
from zoho_tokenstore._unrevoked import OWED

PAGE = Page(DOCS / "how-to" / "back-up-and-restore.md")


def commands(section: str) -> list[str]:
    """The blocks of a section, in order."""
    lines = PAGE.text.split("\n")
    start = lines.index(f"## {section}") + 1
    ends = next((n for n, line in enumerate(lines[start:], start) if line.startswith("## ")), len(lines))
    return [block.source for block in PAGE.blocks("sh") if start < block.line <= ends]


def run(script: str, folder: Path, **environment: str) -> None:
    needed = [word for word in ("pg_dump", "mariadb-dump", "sqlite3", "redis-cli") if word in script]
    if missing := [word for word in needed if shutil.which(word) is None]:
        if os.environ.get("CI"):
            pytest.fail(f"In CI every program must be there: {missing[0]}")
        pytest.skip(f"there is no {missing[0]}")
    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def filled(url: str) -> list[TokenRecord]:
    """Make a store of three logins, with one that was deleted; return what is left."""
    with open_repository(url, keys=KEY) as repository:
        *_, gone = save(repository, *(login(name) for name in ("ann", "bob", "cem", "dot")))
        repository.delete(gone.id or "")
        repository.remembered.add(OWED, login("eli"))
        return list(repository.scan())


def assert_as_before(url: str, before: list[TokenRecord]) -> None:
    """The logins, and what is owed, are those of the backup; what was deleted before it stays deleted."""
    assert names(examined(url)) == ["revocations-owed"]
    with open_repository(url, keys=KEY) as repository:
        assert list(repository.scan()) == before
        assert repository.save(login("dot")).id not in {record.id for record in before}


def spoil(url: str) -> None:
    """Lose everything, and let somebody log in."""
    with open_repository(url, keys=KEY) as repository:
        repository.clear()
        repository.remembered.drop(list(repository.remembered.scan(OWED)))
        save(repository, login("eve"))


def test_sqlite(folder: Path) -> None:
    """While a store is open, with rows in its log."""
    url = f"sqlite:///{folder / 'zohooauth.db'}"
    before = filled(url)
    back_up, restore = commands("SQLite")
    with open_repository(url, keys=KEY) as repository:
        repository.save(login("ann", access_token="another"))
        before = list(repository.scan())
        run(back_up, folder)
    spoil(url)
    run(restore, folder)
    assert (folder / "zohooauth.db").stat().st_mode & 0o777 == 0o600
    assert_as_before(url, before)


def test_csv(folder: Path) -> None:
    """At any moment."""
    url = f"csv:///{folder / 'sdk_tokens.txt'}"
    before = filled(url)
    back_up, restore = commands("CSV")
    run(back_up, folder)
    spoil(url)
    run(restore, folder)
    assert_as_before(url, before)


def test_postgresql(durable_postgresql: postgresql.Local, folder: Path, pg: str) -> None:
    """Into the place that it was dumped from."""
    durable_postgresql.admin("DROP DATABASE IF EXISTS backed_up")
    durable_postgresql.admin("CREATE DATABASE backed_up OWNER tokens")
    url = f"{durable_postgresql.url.rpartition('/')[0]}/backed_up"
    before = filled(url)
    back_up, restore = commands("PostgreSQL")
    run(back_up, folder, PGURL=url)
    sql.query(url, "DROP TABLE oauthtoken, zoho_tokenstore_lease")
    run(restore, folder, PGURL=url)
    assert_as_before(url, before)
    durable_postgresql.admin("DROP DATABASE backed_up WITH (FORCE)")


def test_mariadb(durable_mariadb: mariadb.Local, folder: Path) -> None:
    """With a login that is on no command line."""
    sql.query(durable_mariadb.url, "DROP TABLE IF EXISTS oauthtoken, oauthtoken_retired")
    sql.query(durable_mariadb.url, "DROP TABLE IF EXISTS zoho_tokenstore, zoho_tokenstore_lease")
    before = filled(durable_mariadb.url)
    (folder / "login.cnf").write_text(
        f"[client]\nuser=tokens\npassword={mariadb.PASSWORD}\nhost=127.0.0.1\nport={durable_mariadb.port}\n"
    )
    back_up, restore = commands("MySQL and MariaDB")
    run(back_up, folder)
    sql.query(durable_mariadb.url, "DROP TABLE oauthtoken, oauthtoken_audit, zoho_tokenstore_lease")
    run(restore, folder)
    assert_as_before(durable_mariadb.url, before)


def test_redis(folder: Path) -> None:
    """By a snapshot, into a server with an append-only log."""
    back_up, restore, turn_on = commands("Redis")
    with own_redis(appendonly="yes", save="3600 1") as server:
        before = filled(server.url)
        run(back_up, folder, PORT=str(server.port), REDIS_DIR=str(server.folder))
    with own_redis(save="3600 1") as other:
        other.kill()
        run(restore, folder, REDIS_DIR=str(other.folder))
        other.restart()
        run(turn_on, folder, PORT=str(other.port))
        assert_as_before(other.url, before)


def test_the_page_has_no_command_that_nobody_runs() -> None:
    """Each block is in one of the sections above, or is a command of ours."""
    known = [
        block
        for name in ("SQLite", "CSV", "PostgreSQL", "MySQL and MariaDB", "Redis")
        for block in commands(name)
    ]
    others = [block.source for block in PAGE.blocks("sh") if block.source not in known]
    assert others == ["zoho-tokens copy env:ZOHO_TOKENSTORE_URL sqlite:///backup.db\n"]
