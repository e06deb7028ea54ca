"""The ids of deleted rows: sixteen secrets, each a map from ids to times.

A secret for each id would be paid for each month. Sixteen, because AWS keeps all versions of a day,
and about a hundred of one secret: each deletion makes one. There are no transactions, so an id is
retired before its row is deleted; and who wants to make a row looks for the row first, for its id
after that. So he sees one of them, unless a row is made and deleted between his steps.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from zoho_tokenstore.backends._aws.calls import Calls, Deadline
from zoho_tokenstore.backends._aws.texts import utf8
from zoho_tokenstore.backends._secretsmanager.cells import LARGEST, Cells, Content, text_of, unreadable
from zoho_tokenstore.backends._secretsmanager.names import LAYOUT, SHARDS, Names, key_of
from zoho_tokenstore.clock import now_ms
from zoho_tokenstore.records import RetiredId

_log: Final = logging.getLogger("zoho_tokenstore")

_IDS: Final = "ids"
_CLEARED: Final = "cleared_ms"
_LONGEST: Final = 512

Ids = dict[str, int]


class SecretsManagerRetiredIds:
    """The retired ids of one store."""

    def __init__(self, calls: Calls, names: Names, cells: Cells) -> None:
        self._calls = calls
        self._names = names
        self._cells = cells

    def scan(self) -> Iterator[RetiredId]:
        found: Ids = {}
        for shard in SHARDS:
            found |= self._ids(self._names.retired(shard), self._calls.deadline())
        return iter([RetiredId(row_id, at_ms) for row_id, at_ms in sorted(found.items())])

    def add(self, ids: Iterable[RetiredId]) -> int:
        return sum(self._add(shard, new) for shard, new in _by_shard(ids).items())

    def prune(self, before_ms: int) -> int:
        return sum(self._prune(shard, before_ms) for shard in SHARDS)

    def cleared_ms(self) -> int:
        cell = self._cells.read(self._names.store, self._calls.deadline())
        cleared = 0 if cell is None else cell.written().get(_CLEARED, 0)
        if type(cleared) is not int:
            raise unreadable(self._names.store)
        return cleared

    def note_clear(self) -> None:
        """Make `cleared_ms` greater."""

        def change(content: Content) -> Content:
            before = content.get(_CLEARED, 0)
            later = max(now_ms(), before + 1 if type(before) is int else 0)
            return {"layout": LAYOUT, **content, _CLEARED: later}

        self._cells.change(self._names.store, change, self._calls.deadline())

    def retire(self, row_ids: Iterable[str]) -> None:
        """Retire ids now."""
        now = now_ms()
        self.add(RetiredId(row_id, now) for row_id in row_ids)

    def holds(self, row_id: str, deadline: Deadline) -> bool:
        """Tell whether an id is retired."""
        key = key_of(row_id)
        ids = self._ids(self._names.retired(_shard(key)), deadline)
        return _name(row_id) in ids or key in ids

    def _ids(self, name: str, deadline: Deadline) -> Ids:
        cell = self._cells.read(name, deadline)
        return {} if cell is None else _ids_in(name, cell.written())

    def _add(self, shard: str, new: Ids) -> int:
        def change(ids: Ids) -> Ids:
            return new | ids

        return self._change(shard, change)

    def _prune(self, shard: str, before_ms: int) -> int:
        def change(ids: Ids) -> Ids:
            return {row_id: at_ms for row_id, at_ms in ids.items() if at_ms >= before_ms}

        return -self._change(shard, change)

    def _change(self, shard: str, change: Callable[[Ids], Ids]) -> int:
        """Change the ids of a shard, and return how many more there are then."""
        name, grown = self._names.retired(shard), 0

        def change_content(content: Content) -> Content:
            nonlocal grown
            before = _ids_in(name, content) if content else {}
            after = change(before)
            grown = len(after) - len(before)
            return _fitting(name, after)

        self._cells.change(name, change_content, self._calls.deadline())
        return grown


def _by_shard(ids: Iterable[RetiredId]) -> Mapping[str, Ids]:
    found: dict[str, Ids] = {}
    for row_id, at_ms in ids:
        found.setdefault(_shard(key_of(row_id)), {})[_name(row_id)] = at_ms
    return found


def _shard(key: str) -> str:
    return hashlib.sha256(utf8(key)).hexdigest()[0]


def _name(row_id: str) -> str:
    """Return the id as it is kept: a very long one as the key of its row."""
    return row_id if len(utf8(row_id)) <= _LONGEST else key_of(row_id)


def _ids_in(name: str, content: Content) -> Ids:
    """Return the ids in a secret. One with a time that is none was retired at the epoch."""
    ids = content.get(_IDS)
    if not isinstance(ids, dict):
        raise unreadable(name)
    return {row_id: at_ms if type(at_ms) is int else 0 for row_id, at_ms in ids.items()}


def _fitting(name: str, ids: Ids) -> Content:
    """Return the content of a secret with these ids, without the oldest ones if these are too many."""
    while len(utf8(text_of({_IDS: ids}))) > LARGEST:
        _log.warning("The secret %s is full: the oldest retired ids are forgotten.", name)
        ids = dict(sorted(ids.items(), key=lambda item: item[1])[len(ids) // 10 + 1 :])
    return {_IDS: ids} if ids else {}
