"""Measures how many bytes a login takes in each store, sealed, with an entry of its renewals.

Run ``python -m tests.doctor.sizes [LOGINS]``; it prints the table of docs/how-to/size-a-store.md.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.doctor.support import KEY, login, save
from tests.sql import support as sql
from tests.support.servers import mariadb, postgresql
from tests.support.servers import redis as redis_server
from zoho_tokenstore import TokenRecord, open_repository

TOKEN = "1000." + "0123456789abcdef" * 4 + ".x"
"""As long as those that Zoho issues: 70 characters and some."""


def record(number: int) -> TokenRecord:
    """A login as Zoho's are."""
    return login(
        f"user-{number:07}",
        client_id="1000." + "C" * 30,
        client_secret="5" * 42,
        refresh_token=f"{TOKEN}{number:07}r",
        access_token=f"{TOKEN}{number:07}a",
    )


def measured(url: str, size: Callable[[], int], logins: int) -> float:
    """Return how many bytes each of so many logins added."""
    with open_repository(url, keys=KEY) as repository:
        before = size()
        for number in range(logins):
            save(repository, record(number))
    return (size() - before) / logins


def files(folder: Path, pattern: str) -> Callable[[], int]:
    """Return what measures files."""
    return lambda: sum(path.stat().st_size for path in folder.glob(pattern))


def number(rows: list[Any]) -> int:
    """Return the only value of a query."""
    return int(rows[0][0])


def main() -> None:
    """Print a line for each store."""
    logins = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:
        folder = Path(made)
        show("SQLite", measured(f"sqlite:///{folder}/a.db", files(folder, "a.db"), logins))
        few = min(logins, 1_000)
        show(f"CSV ({few:,})", measured(f"csv:///{folder}/a.txt", files(folder, "a.txt*"), few))
    _postgresql(logins)
    _mariadb(logins)
    _redis(logins)


def _postgresql(logins: int) -> None:
    server = postgresql.start_local()
    try:
        query = (
            "SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class WHERE relkind = 'r' AND "
            "relname IN ('oauthtoken', 'oauthtoken_retired', 'zoho_tokenstore_lease', 'zoho_tokenstore')"
        )
        show("PostgreSQL", measured(server.url, lambda: number(sql.query(server.url, query)), logins))
    finally:
        server.stop()


def _mariadb(logins: int) -> None:
    server = mariadb.start_local()
    try:
        show("MariaDB", measured(server.url, files(server.folder / "data" / "tokens", "*.ibd"), logins))
    finally:
        server.stop()


def _redis(logins: int) -> None:
    server = redis_server.start_local()
    try:
        with server.driver() as admin:
            show(
                "Redis (memory)",
                measured(server.url, lambda: int(admin.info("memory")["used_memory"]), logins),
            )
    finally:
        server.stop()


def show(store: str, size: float) -> None:
    """Print a line."""
    print(f"| {store} | {size:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
