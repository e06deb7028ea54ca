"""The seven calls of a `Backend` on secrets."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Mapping
from typing import Final

from zoho_tokenstore._util.deadlines import Deadline
from zoho_tokenstore.backend import SupportsSample
from zoho_tokenstore.backends._aws.calls import AWSCalls
from zoho_tokenstore.backends._aws.failures import UnclearError
from zoho_tokenstore.backends.secretsmanager._lookups import LookupSecrets
from zoho_tokenstore.backends.secretsmanager._retired import SecretsManagerRetiredIds
from zoho_tokenstore.backends.secretsmanager._rows import content_of, found_of, marks_in
from zoho_tokenstore.backends.secretsmanager._secret_names import SecretNames, id_of, is_digest, key_of
from zoho_tokenstore.backends.secretsmanager._versioned_secrets import (
    ChangedError,
    Content,
    VersionedSecret,
    VersionedSecrets,
    new_version,
)
from zoho_tokenstore.errors import BackendError, RetiredIdError, RowChangedError, UnreadableRowError
from zoho_tokenstore.records import LOOKUPS, Found, Row, UnreadableRow

_log: Final = logging.getLogger("zoho_tokenstore")


class SecretsManagerTable(SupportsSample):
    """The rows of one store, one secret each."""

    location: str

    def __init__(self, calls: AWSCalls, names: SecretNames, kms_key_id: str | None) -> None:
        self._calls = calls
        self._names = names
        self._secrets = VersionedSecrets(calls, kms_key_id)
        self._lookups = LookupSecrets(self._secrets)
        self.retired = SecretsManagerRetiredIds(calls, names, self._secrets)

    def load(self, row_id: str) -> Row | None:
        found = self._read_row(key_of(row_id), self._calls.deadline())
        if isinstance(found, UnreadableRow):
            raise UnreadableRowError.of(*found, self.location)
        return found

    def find(self, index: str, *keys: str) -> list[Found]:
        self._calls.check_open()
        deadline = self._calls.deadline()
        named = self._lookups.keys_named_by(
            [self._names.lookup(index, text) for text in dict.fromkeys(keys)], deadline
        )
        rows = [row for key in sorted(named) if (row := self._read_row(key, deadline)) is not None]
        found = [row for row in rows if isinstance(row, UnreadableRow) or row.lookup_key(index) in keys]
        return sorted(found, key=lambda row: row.id)

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Found]:
        return itertools.islice(self._in_order(after), limit)

    def write(self, row: Row, *, expect: object) -> object:
        deadline = self._calls.deadline()
        key, version = key_of(row.id), new_version()
        secret = self._read_secret(key, deadline)
        if (None if secret is None else secret.version) != expect:
            raise _row_changed(row.id)
        if secret is None and self.retired.holds(row.id, deadline):  # in this order, see there
            raise RetiredIdError(f"The id {row.id!r} belongs to a deleted row.")
        old, new = self._hints(secret), self._next_hints(secret, row, version)
        content = content_of(row, {index: new[name] for index, name in self._lookup_names(row).items()})
        self._secrets.check_size(self._names.row(key), content)
        added = {name: mark for name, mark in new.items() if mark == version}
        self._add_lookups(key, added, deadline)
        if not self._store(key, secret, content, version, added, deadline):
            raise _row_changed(row.id)
        self._remove_lookups({name: mark for name, mark in old.items() if name not in new}, deadline)
        return version

    def remove(self, row_id: str, *, expect: object = None) -> bool:
        return self._remove(row_id if self._is_key_of_unreadable(row_id) else key_of(row_id), expect)

    def clear(self) -> int:
        """Retire all rows' ids and delete the rows one by one, as far as AWS lists them."""
        self.retired.note_clear()
        keys = list(self._keys())
        self.retired.retire(row_id for key in keys if (row_id := self._id_of(key)) is not None)
        return sum(self._remove(key) for key in keys)

    def sample(self, limit: int) -> Iterator[Found]:
        """Yield the first rows that AWS lists, without listing all."""
        rows = (self._read_row(key, self._calls.deadline()) for key in self._keys())
        return itertools.islice((row for row in rows if row is not None), limit)

    def close(self) -> None:
        self._calls.close()

    # ---- reading

    def _read_secret(self, key: str, deadline: Deadline) -> VersionedSecret | None:
        return self._secrets.read(self._names.row(key), deadline)

    def _read_row(self, key: str, deadline: Deadline) -> Found | None:
        secret = self._read_secret(key, deadline)
        return None if secret is None else found_of(key, secret)

    def _keys(self) -> Iterator[str]:
        keys = map(self._names.key_in, self._secrets.names(self._names.rows))
        return (key for key in keys if key is not None)

    def _in_order(self, after: str | None) -> Iterator[Found]:
        keys = {row_id: key for key in self._keys() if (row_id := self._id_of(key)) is not None}
        for row_id in sorted(keys):
            if after is None or row_id > after:
                found = self._read_row(keys[row_id], self._calls.deadline())
                if found is not None:
                    yield found

    def _id_of(self, key: str) -> str | None:
        """Return the id of the row with this key, reading it if needed."""
        row_id = id_of(key)
        if row_id is not None:
            return row_id
        found = self._read_row(key, self._calls.deadline())
        return None if found is None else found.id

    def _is_key_of_unreadable(self, row_id: str) -> bool:
        """Return whether this is not an id but the key of a row whose id cannot be read."""
        if not is_digest(row_id):
            return False
        return isinstance(self._read_row(row_id, self._calls.deadline()), UnreadableRow)

    # ---- writing

    def _add_lookups(self, key: str, added: Mapping[str, str], deadline: Deadline) -> None:
        """Let look-up secrets name a row that is about to be stored."""
        half = deadline.half()
        try:
            for name, mark in added.items():
                self._lookups.add(name, mark, key, half)
        except BackendError:
            self._remove_lookups(added, deadline)
            raise

    def _store(
        self,
        key: str,
        secret: VersionedSecret | None,
        content: Content,
        version: str,
        added: Mapping[str, str],
        deadline: Deadline,
    ) -> bool:
        """Store a row if it is unchanged since it was read; return whether it was."""
        half = deadline.half()
        try:
            if secret is None:
                self._secrets.create(self._names.row(key), content, version, half)
            else:
                self._secrets.replace(secret, content, version, half)
        except UnclearError:  # it may be stored, or still get stored: then it must be found
            raise
        except BackendError:
            self._remove_lookups(added, deadline)
            raise
        except ChangedError:
            self._remove_lookups(added, deadline)
            return False
        return True

    def _remove(self, key: str, expect: object = None) -> bool:
        deadline = self._calls.deadline()
        while (secret := self._secrets.read_even_closed(self._names.row(key), deadline)) is not None:
            if secret.is_closed:  # its closer was cut off before deleting it
                self._secrets.delete_closed(secret, deadline)
                return False
            if expect not in (None, secret.version):
                return False
            self.retired.retire([found_of(key, secret).id])
            hints = self._hints(secret)
            try:
                self._secrets.discard(secret, deadline)
            except ChangedError:
                self._calls.pause(deadline)
            else:
                self._remove_lookups(hints, deadline)
                return True
        return False

    def _lookup_names(self, row: Row) -> dict[str, str]:
        texts = {index: row.lookup_key(index) for index in LOOKUPS}
        return {index: self._names.lookup(index, text) for index, text in texts.items() if text is not None}

    def _hints(self, secret: VersionedSecret | None) -> dict[str, str]:
        """Return the names of the look-up secrets that name a stored row, and their marks."""
        marks = {} if secret is None else marks_in(secret)
        return {self._names.lookup(index, text): mark for index, (text, mark) in marks.items()}

    def _next_hints(self, secret: VersionedSecret | None, row: Row, version: str) -> dict[str, str]:
        """Return the same for the row to be stored: marks are kept if the string stays."""
        old = self._hints(secret)
        return {name: old.get(name, version) for name in self._lookup_names(row).values()}

    def _remove_lookups(self, hints: Mapping[str, str], deadline: Deadline) -> None:
        """Remove marks that no row relies on.

        The actual work is done by now, so a failure here does not fail the call: it leaves an
        extra name, which finds nothing.
        """
        for name, mark in hints.items():
            try:
                self._lookups.remove(name, mark, deadline)
            except BackendError as error:
                _log.warning("The look-up secret %s names a row that has changed, and stays. %s", name, error)


def _row_changed(row_id: str) -> RowChangedError:
    return RowChangedError(f"Row {row_id!r} has changed since it was read.")
