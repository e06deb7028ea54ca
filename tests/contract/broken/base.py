"""What every broken store begins with."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, ClassVar, Final

from zoho_tokenstore import Keyset, ListStore, RepositoryStore, SQLiteStore, TokenRecord
from zoho_tokenstore.records import Row, UnreadableRow, row_from_record
from zoho_tokenstore.sdk._tokens import put, record_of
from zoho_tokenstore.testing import ORDINARY, Ability, fields_of, make_token

CAUGHT_BY: Final[dict[type, set[str]]] = {}
"""The clauses that must fail for each broken store."""


def fails(*clauses: str) -> Callable[[type], type]:
    """Note which clauses a broken store must fail."""

    def note(store: type) -> type:
        CAUGHT_BY[store] = set(clauses)
        return store

    return note


class Spoilt(RepositoryStore):
    """What it takes to spoil a right store in one place."""

    @property
    def rows(self) -> list[Row]:
        """What is stored, its secrets clear."""
        return [row_from_record(record, record.id or "") for record in self.repository.scan()]

    def overwrite(self, record: TokenRecord, row_id: str) -> None:
        """Store a record under an id, whatever is there."""
        backend = self.repository._backend
        old = backend.load(row_id)
        row = self.repository.cipher.seal(row_from_record(record, row_id))
        backend.write(row, expect=None if old is None else old.etag)

    def first(self, fits: Callable[[Row], bool]) -> Row | None:
        return next((row for row in self.rows if fits(row)), None)

    def filled(self, token: Any, row: Row | None) -> Any:
        if row is None:
            return None
        put(record_of(token).filled_from(record_of(super().find_token_by_id(row.id))), token)
        return token


class Broken(Spoilt, ListStore):
    """A right store inside the process, to be spoiled in one place."""

    abilities: AbstractSet[Ability] = frozenset({Ability.SHARED})

    def handle(self) -> Broken:
        """Return a second handle on the same tokens, equally spoiled."""
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other


class OnDisk(Spoilt, SQLiteStore):
    """A right store in a file, to be spoiled in one place."""

    abilities: AbstractSet[Ability] = ORDINARY

    keys: ClassVar[Keyset | None] = None

    def __init__(self, folder: Path) -> None:
        self.path = folder / "tokens.db"
        super().__init__(self.path, keys=self.keys)

    def read_all(self) -> None:
        """Read every row, and raise for one that can't be read."""
        for row in self.repository._backend.scan():
            if isinstance(row, UnreadableRow):
                raise TypeError("a row can't be read")


class Sealing(OnDisk):
    """A right store that seals."""

    abilities = ORDINARY | {Ability.SEALED}
    keys = Keyset.generate()


def own(token: Any, **changes: Any) -> Any:
    return make_token(**{**fields_of(token), **changes})


def alike(name: str, text: str, row: Row) -> bool:
    return (getattr(row, name) or "").casefold() == text.casefold()
