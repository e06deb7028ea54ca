"""The ids of deleted rows: sixteen secrets, each a map from ids to times.

One secret per id would be billed monthly. Sixteen, because AWS keeps all versions of a day, and about a
hundred per secret: each deletion makes one. There are no transactions, so an id is retired before its
row is deleted; and a writer of a new row looks for the row first, then for its id. So it sees one of
them, unless a row is made and deleted between those steps.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore._util.deadlines import Deadline
from zoho_tokenstore.backends._aws.calls import AWSCalls
from zoho_tokenstore.backends.secretsmanager._secret_names import LAYOUT, SHARDS, SecretNames, key_of
from zoho_tokenstore.backends.secretsmanager._versioned_secrets import (
    MAX_SECRET_BYTES,
    Content,
    VersionedSecrets,
    text_of,
    unreadable_error,
)
from zoho_tokenstore.records import RetiredId

_log: Final = logging.getLogger("zoho_tokenstore")

_IDS: Final = "ids"
_CLEARED: Final = "cleared_ms"

Ids = dict[str, int]


class SecretsManagerRetiredIds:
    """The retired ids of one store."""

    def __init__(self, calls: AWSCalls, names: SecretNames, secrets: VersionedSecrets) -> None:
        self._calls = calls
        self._names = names
        self._secrets = secrets

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
        secret = self._secrets.read(self._names.store, self._calls.deadline())
        cleared = 0 if secret is None else secret.require_content().get(_CLEARED, 0)
        if type(cleared) is not int:
            raise unreadable_error(self._names.store)
        return cleared

    def note_clear(self) -> None:
        """Increase `cleared_ms`."""

        def change(content: Content) -> Content:
            before = content.get(_CLEARED, 0)
            later = max(now_ms(), before + 1 if type(before) is int else 0)
            return {"layout": LAYOUT, **content, _CLEARED: later}

        self._secrets.change(self._names.store, change, self._calls.deadline())

    def retire(self, row_ids: Iterable[str]) -> None:
        """Retire ids now."""
        now = now_ms()
        self.add(RetiredId(row_id, now) for row_id in row_ids)

    def holds(self, row_id: str, deadline: Deadline) -> bool:
        """Return whether an id is retired."""
        key = key_of(row_id)
        ids = self._ids(self._names.retired(_shard(key)), deadline)
        return row_id in ids or key in ids

    def _ids(self, name: str, deadline: Deadline) -> Ids:
        secret = self._secrets.read(name, deadline)
        return {} if secret is None else _ids_in(name, secret.require_content())

    def _add(self, shard: str, new: Ids) -> int:
        def change(ids: Ids) -> Ids:
            return new | ids

        return self._change(shard, change)

    def _prune(self, shard: str, before_ms: int) -> int:
        def change(ids: Ids) -> Ids:
            return {row_id: at_ms for row_id, at_ms in ids.items() if at_ms >= before_ms}

        return -self._change(shard, change)

    def _change(self, shard: str, change: Callable[[Ids], Ids]) -> int:
        """Change the ids of a shard, and return by how many they grew."""
        name, grown = self._names.retired(shard), 0

        def change_content(content: Content) -> Content:
            nonlocal grown
            before = _ids_in(name, content) if content else {}
            after = change(before)
            grown = len(after) - len(before)
            return _fit(name, after)

        self._secrets.change(name, change_content, self._calls.deadline())
        return grown


def _by_shard(ids: Iterable[RetiredId]) -> Mapping[str, Ids]:
    found: dict[str, Ids] = {}
    for row_id, at_ms in ids:
        found.setdefault(_shard(key_of(row_id)), {})[row_id] = at_ms
    return found


def _shard(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[0]


def _ids_in(name: str, content: Content) -> Ids:
    """Return the ids in a secret. One with an invalid time was retired at the epoch."""
    ids = content.get(_IDS)
    if not isinstance(ids, dict):
        raise unreadable_error(name)
    return {row_id: at_ms if type(at_ms) is int else 0 for row_id, at_ms in ids.items()}


def _fit(name: str, ids: Ids) -> Content:
    """Return the content of a secret with these ids, without the oldest if there are too many."""
    while len(text_of({_IDS: ids}).encode()) > MAX_SECRET_BYTES:
        _log.warning("The secret %s is full: the oldest retired ids are forgotten.", name)
        ids = dict(sorted(ids.items(), key=lambda item: item[1])[len(ids) // 10 + 1 :])
    return {_IDS: ids} if ids else {}
