"""Bad rows for every store: each kind that somebody can put there with the storage's own driver.

The kinds are those of the backends' own tests; here they get into the store of a case.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.contract.stores import ALL
from zoho_tokenstore import RepositoryStore

Plant = Callable[[RepositoryStore, Path], None]
"""Puts one bad row into the store of a folder, whatever else is in it."""


def kinds(name: str) -> dict[str, dict[str, Plant]]:
    """Return the bad rows of a store by kind, in groups: those of one group may be there at once.

    What one kind makes a store do must not hide what another one does, so they are not all together.
    What knows a driver is imported when it is needed.
    """
    return _KINDS[name]()


def prepare(name: str, folder: Path) -> None:
    """Make what the store of a folder is to find there: for SQLite a table whose ids may be null."""
    if name == "sqlite":
        from tests.sqlite.foreign import NINE, table

        _execute(folder, table(f"id varchar(10) PRIMARY KEY, {NINE}"))


def _sqlite() -> dict[str, dict[str, Plant]]:
    return _of_sqlite(lambda store, folder: lambda sql: _execute(folder, sql))


def _execute(folder: Path, sql: str) -> None:
    from tests.sqlite import published

    with published.connection(folder / "tokens.db") as connection:
        connection.execute(sql)


def _memory() -> dict[str, dict[str, Plant]]:
    def run_in(store: RepositoryStore, _: Path) -> Callable[[str], None]:
        backend: Any = store.repository._backend
        return lambda sql: backend._connections.run(lambda handle: handle.open().execute(sql).close())

    groups = _of_sqlite(run_in)
    del groups["NULL for an id"]  # the table is ours, and its ids are NOT NULL
    return groups


def _of_sqlite(
    run_in: Callable[[RepositoryStore, Path], Callable[[str], None]],
) -> dict[str, dict[str, Plant]]:
    from tests.sqlite.test_unreadable_rows import WRONG_IDS, WRONG_VALUES

    def plant(sql: str) -> Plant:
        return lambda store, folder: run_in(store, folder)(sql)

    groups: dict[str, dict[str, Plant]] = {}
    for number, (kind, (column, value, _)) in enumerate(WRONG_VALUES.items()):
        row = {"id": f"'{number:03}'", "user_name": "'bad'", "access_token": "'bad'", column: value}
        sql = f"INSERT INTO oauthtoken ({', '.join(row)}) VALUES ({', '.join(row.values())})"
        if column in ("created_at_ms", "updated_at_ms"):  # which our trigger sets in a row without an etag
            sql = sql.replace(") VALUES (", ", etag) VALUES (")[:-1] + ", 1)"
        groups.setdefault(kind.split()[1], {})[kind] = plant(sql)
    for kind, (value, _) in WRONG_IDS.items():
        sql = f"INSERT INTO oauthtoken (id, user_name) VALUES ({value}, 'bad')"
        group = "BLOB" if "BLOB" in kind else kind.partition(",")[0]
        groups.setdefault(f"{group} for an id", {})[f"{kind} for an id"] = plant(sql)
    return groups


def _csv() -> dict[str, dict[str, Plant]]:
    from tests.csv.test_bad_lines import BAD

    def plant(line: str) -> Plant:
        return lambda _, folder: _insert_line(folder / "tokens.csv", line)

    groups: dict[str, dict[str, Plant]] = {}
    for kind, bad in BAD.items():
        what = next((word for word in ("quote", "NUL", "encoding") if word in kind), "cells")
        groups.setdefault(what, {})[kind] = plant(bad.line)
    return groups


def _insert_line(path: Path, line: str) -> None:
    """Put a line into the midst of a file."""
    header, *lines = path.read_bytes().split(b"\r\n")
    middle = len(lines) // 2
    lines.insert(middle, line.encode(errors="surrogateescape"))
    path.write_bytes(b"\r\n".join([header, *lines]))


def _sql() -> dict[str, dict[str, Plant]]:
    from tests.sql import support
    from tests.sql.test_bad_rows import BAD

    def plant(statement: str) -> Plant:
        def put(_: RepositoryStore, folder: Path) -> None:
            support.query(ALL["sql"].url(folder), statement)

        return put

    statements = {
        name: statement.replace("'0bad'", f"'{number:03}'")
        for number, (name, (_, statement)) in enumerate(BAD.items())
    }
    return {"all": {name: plant(statement) for name, statement in statements.items()}}


def _redis() -> dict[str, dict[str, Plant]]:
    from tests.redis.support import prefix_of, shared
    from tests.redis.test_unreadable import BAD, Damage
    from zoho_tokenstore.testing._backend import full_row

    def plant(row_id: str, damage: Damage) -> Plant:
        def put(store: RepositoryStore, folder: Path) -> None:
            store.repository._backend.write(full_row(row_id, row_id), expect=None)
            with shared().driver() as driver:
                damage(driver, f"{{{prefix_of(folder)}}}:row:{row_id}")

        return put

    return {"all": {kind: plant(f"{number:03}", bad[0]) for number, (kind, bad) in enumerate(BAD.items())}}


def _dynamodb() -> dict[str, dict[str, Plant]]:
    from tests.aws.test_dynamodb_form import put
    from tests.aws.test_dynamodb_unreadable import BAD

    def plant(row_id: str) -> Plant:
        attributes = {"user_name": {"S": "bad"}, **BAD[row_id][0]}
        return lambda _, folder: put(folder, "token", row_id, **attributes)

    return {"all": {row_id: plant(row_id) for row_id in BAD}}


def _secretsmanager() -> dict[str, dict[str, Plant]]:
    from tests.aws.test_secretsmanager_unreadable import BAD, LOST, put_secret

    def plant(key: str, value: str | bytes) -> Plant:
        return lambda _, folder: put_secret(folder, f"token/{key}", value)

    values = {**{key: value for key, (value, _) in BAD.items()}, LOST: json.dumps({})}
    return {"all": {key: plant(key, value) for key, value in values.items()}}


_KINDS: Final[dict[str, Callable[[], dict[str, dict[str, Plant]]]]] = {
    "sqlite": _sqlite,
    "memory": _memory,
    "csv": _csv,
    "sql": _sql,
    "postgresql": dict,  # whose columns hold nothing but text and numbers
    "mariadb": dict,
    "redis": _redis,
    "dynamodb": _dynamodb,
    "secretsmanager": _secretsmanager,
}
