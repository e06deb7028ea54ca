"""Many new rows in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from zoho_tokenstore.backends.sql._dialect import Dialect, Values

_TRIES: Final = 3  # others may keep taking ids


class Bulk:
    """Inserts rows together.

    Arguments:
        dialect: the database.
        insert: inserts one row, unless its id is taken or retired.
    """

    def __init__(self, dialect: Dialect, insert: sa.Insert) -> None:
        self._dialect = dialect
        self._insert = insert

    def insert(self, connection: sa.Connection, rows: Sequence[Values]) -> list[object]:
        """Insert rows of different ids; return their etags, `None` for one whose id is taken or retired."""
        etags = {values["id"]: self._dialect.etag_of(values["etag"]) for values in rows}
        left = rows
        for _ in range(_TRIES):
            try:
                if self._dialect.insert_many(connection, self._insert, left) == len(rows):
                    return list(etags.values())
                break
            except IntegrityError as error:
                if not self._dialect.is_duplicate_id(error.orig):
                    raise
            taken = self._etags(connection, etags)
            left = [values for values in left if values["id"] not in taken]
            if not left:
                break
        # By their marks, so that an insert whose answer was lost also counts.
        stored = self._etags(connection, etags)
        return [etag if stored.get(row_id) == etag else None for row_id, etag in etags.items()]

    def _etags(self, connection: sa.Connection, ids: Iterable[str]) -> dict[str, object]:
        columns = self._dialect.tokens.c
        stored = sa.select(columns.id, self._dialect.etag()).where(columns.id.in_(ids))
        return {row.id: row[1] for row in connection.execute(stored)}
