"""What a database server says of itself. Each value is asked for by a statement that only reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa

from zoho_tokenstore._inspection import StorageFacts, Usage
from zoho_tokenstore.backends.sql._dialect import Dialect

# What kind of session another role has is hidden from roles without rights; whose and where it is, is not.
_POSTGRESQL: Final = """
SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on',
       (SELECT count(*) FROM pg_stat_activity WHERE usesysid IS NOT NULL AND datid IS NOT NULL),
       CAST(current_setting('max_connections') AS int)
         - CAST(current_setting('superuser_reserved_connections') AS int),
       (SELECT count(*) FROM pg_stat_activity WHERE usename = current_user),
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user),
       (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()),
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database()),
       current_setting('fsync'), current_setting('synchronous_commit'), pg_backend_pid()
"""

_MYSQL: Final = """
SELECT @@GLOBAL.read_only, @@GLOBAL.innodb_read_only, @@GLOBAL.max_connections,
       @@GLOBAL.max_user_connections, @@GLOBAL.innodb_flush_log_at_trx_commit
"""


def facts_of(connection: sa.Connection, dialect: Dialect) -> StorageFacts:
    """Return what the server at the other end says; nothing for a kind that is not known here."""
    ask = _ASK.get(connection.dialect.name)
    if ask is None:
        return StorageFacts()
    return replace(ask(connection), now_ms=connection.scalar(sa.select(dialect.clock_ms())))


def _postgresql(connection: sa.Connection) -> StorageFacts:
    found = connection.exec_driver_sql(_POSTGRESQL).one()
    standby, read_only, clients, most, mine, my_limit, here, limit_here, fsync, commit, pid = found
    usages = [Usage(clients, most), Usage(mine, my_limit), Usage(here, limit_here)]
    return StorageFacts(
        read_only=_why_read_only(standby=standby, is_set=read_only, setting="default_transaction_read_only"),
        connections=_fullest(usages),
        loses=_lost_by_postgresql(fsync, commit),
        pooler=_pooler(connection, pid),
    )


def _mysql(connection: sa.Connection) -> StorageFacts:
    read_only, frozen, most, most_of_user, flush = connection.exec_driver_sql(_MYSQL).one()
    status = dict(
        tuple(row) for row in connection.exec_driver_sql("SHOW GLOBAL STATUS LIKE 'Threads_connected'")
    )
    (mine,) = connection.exec_driver_sql(
        "SELECT count(*) FROM information_schema.processlist WHERE user = substring_index(user(), '@', 1)"
    ).one()
    return StorageFacts(
        read_only=_why_read_only(
            standby=bool(frozen), is_set=str(read_only) not in "0OFF", setting="read_only"
        ),
        connections=_fullest(
            [Usage(int(status["Threads_connected"]), int(most)), Usage(int(mine), int(most_of_user or -1))]
        ),
        loses=_lost_by_mysql(int(flush)),
    )


_ASK: Final[Mapping[str, Callable[[sa.Connection], StorageFacts]]] = {
    "postgresql": _postgresql,
    "mysql": _mysql,
    "mariadb": _mysql,
}


def _why_read_only(*, standby: bool, is_set: bool, setting: str) -> str | None:
    if standby:
        return "the server is a standby or replica"
    return f"the server's {setting} is on" if is_set else None


def _fullest(usages: list[Usage]) -> Usage:
    """Return the limit that is reached first; one below zero is none."""
    return max((usage for usage in usages if usage.limit > 0), key=lambda usage: usage.used / usage.limit)


def _lost_by_postgresql(fsync: str, commit: str) -> str | None:
    if fsync == "off":
        return "a crash of the host may destroy the whole database (fsync is off)"
    return "the last saves are lost in a crash (synchronous_commit is off)" if commit == "off" else None


def _lost_by_mysql(flush: int) -> str | None:
    if flush == 1:
        return None
    return f"the last saves are lost in a crash (innodb_flush_log_at_trx_commit is {flush})"


def _pooler(connection: sa.Connection, pid: int) -> str | None:
    """Return `transaction` if a pooler answers: it hides the server's process. Session pooling looks so."""
    driver: Any = connection.connection.dbapi_connection
    return None if driver.info.backend_pid == pid else "transaction"
