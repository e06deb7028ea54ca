"""What the tests of the audit trail share."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from tests.contract.stores import CASES
from zoho_tokenstore import TokenRecord, TokenRepository, open_repository
from zoho_tokenstore.audit import AuditEntry, AuditTrail
from zoho_tokenstore.backend import AuditRow
from zoho_tokenstore.registry import open_backend

TRAILS: Final = [name for name in ("sqlite", "sql", "postgresql", "mariadb") if name in CASES]
"""The stores that keep an audit trail."""

SHARED: Final = [name for name in TRAILS if name != "sql"]
"""Those that are tested with processes: `sql` is the code of servers on another dialect."""

ALICE: Final = TokenRecord(
    user_name="alice",
    client_id="portal",
    client_secret="secret-0123456789abcdef",
    refresh_token="1000.refresh.0123456789abcdef",
    access_token="1000.access.0123456789abcdef",
    expires_at_ms=4_102_444_800_000,
    api_domain="https://www.zohoapis.eu",
)


def trail_of(repository: TokenRepository) -> AuditTrail:
    """Return the trail of a store that has one."""
    assert repository.audit is not None
    return repository.audit


def entries_of(repository: TokenRepository, **filters: Any) -> list[AuditEntry]:
    """Return the entries of a store's trail."""
    return list(trail_of(repository).entries(**filters))


def kinds_of(repository: TokenRepository) -> list[str]:
    """Return what happened, in order, since the trail began."""
    return [entry.what for entry in entries_of(repository)][1:]


def opened(case: str, folder: Path, **options: Any) -> TokenRepository:
    """Open the store of a folder, with a trail unless told otherwise."""
    return open_repository(CASES[case].url(folder), **{"audit": True, **options})


def rewritten(row: AuditRow, **changes: Any) -> str:
    """Return the statement that changes an entry in SQLite, and gives it a hash that fits."""
    text = json.dumps({**json.loads(row.text), **changes}, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"UPDATE zoho_tokenstore_audit SET text = '{text}', hash = '{digest}' WHERE number = {row.number}"


def table_of(case: str) -> str:
    """Return the name of the trail's table."""
    return "zoho_tokenstore_audit" if case == "sqlite" else "oauthtoken_audit"


def execute(case: str, folder: Path, *statements: str) -> None:
    """Change a trail as somebody who has the database can, with any other program."""
    url = CASES[case].url(folder)
    open_backend(url).close()
    if case == "sqlite":
        import sqlite3

        with sqlite3.connect(folder / "tokens.db") as connection:
            connection.execute("DROP TRIGGER IF EXISTS zoho_tokenstore_audit_unchanged")
            for statement in statements:
                connection.execute(statement)
        connection.close()
        return
    from tests.sql import support

    with support.driver(url) as server:
        for statement in statements:
            server.exec_driver_sql(statement)
