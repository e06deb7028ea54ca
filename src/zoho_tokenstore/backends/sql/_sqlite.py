"""SQLite through SQLAlchemy: its file is handled as in the SQLite store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from zoho_tokenstore._util import atomic_files, file_rights
from zoho_tokenstore.backends._rows import text_or_raw
from zoho_tokenstore.backends.sql._dialect import Dialect

_FILE: Final = "zoho_tokenstore.file"


class SQLite(Dialect):
    """SQLite, with Python's own driver."""

    def connect(self, dialect: sa.Dialect, args: Any, options: dict[str, Any], timeout: float) -> Any:  # noqa: ARG002
        file = Path(str(args[0]))
        if file.parent.is_dir():  # otherwise SQLite says that it cannot open it
            file_rights.check_place(*_files(file))
            file_rights.check_mount(file)
            file_rights.check_names(file)
        connection: Any = dialect.connect(*args, **options)
        connection.text_factory = text_or_raw  # SQLite's own way ends the query at text that is not UTF-8
        return connection

    def prepare(self, engine: sa.Engine, timeout: float) -> None:  # noqa: ARG002
        args, _ = engine.dialect.create_connect_args(engine.url)
        file = Path(str(args[0]))

        @sa.event.listens_for(engine, "connect")
        def note_file(_connection: Any, record: Any) -> None:
            record.info[_FILE] = file, atomic_files.identity(file)

    def take_over(self, connection: sa.Connection) -> None:
        file, _ = connection.info[_FILE]
        file_rights.close_to_others(*_files(file))

    def check_kept(self, connection: sa.Connection) -> None:
        file, known = connection.info.get(_FILE, (None, None))
        if file is not None and (known is None or atomic_files.identity(file) != known):
            connection.invalidate()
            raise file_rights.replaced(file)

    @contextmanager
    def exclusive(self, connection: sa.Connection, location: str, timeout: float) -> Iterator[None]:  # noqa: ARG002
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")


def _files(file: Path) -> list[Path]:
    """Return a database's file, and those that SQLite keeps next to it."""
    return [file.with_name(f"{file.name}{end}") for end in ("", "-journal", "-wal", "-shm")]
