"""Which rows an index finds under a string: one secret per string, next to the rows' secrets.

Secrets Manager changes one secret at a time. So that a stored row is found by all its strings
at any moment, also between two steps,

- a string names the row before the row is written, and stops naming it after the row has changed;
- it names it by a *mark*: the version of the row that brought the string. The row keeps the mark as
  long as it keeps the string. Writers add only their own marks, and remove only their own if their write
  was refused, or those of the version they replaced. No other writer can have written a row that relies
  on these: it would have had to replace the same version.

So a killed process may leave an extra name behind, but never too few. The row decides
whether it is found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from zoho_tokenstore._util.deadlines import Deadline
from zoho_tokenstore.backends.secretsmanager._secret_names import is_key
from zoho_tokenstore.backends.secretsmanager._versioned_secrets import (
    ChangedError,
    Content,
    VersionedSecret,
    VersionedSecrets,
    new_version,
    unreadable_error,
)

_ROWS: Final = "rows"


class LookupSecrets:
    """The look-up secrets of one store."""

    def __init__(self, secrets: VersionedSecrets) -> None:
        self._secrets = secrets

    def keys_named_by(self, names: list[str], deadline: Deadline) -> set[str]:
        """Return the keys of all rows that look-up secrets name.

        Several are read one after the other, until two rounds find the same versions: a row
        that is moved from one to another meanwhile is named by one of them in the second round.
        """
        before: list[VersionedSecret | None] = []
        found = [self._secrets.read(name, deadline) for name in names]
        while len(names) > 1 and found != before:
            before, found = found, [self._secrets.read(name, deadline) for name in names]
        there = [secret for secret in found if secret is not None]
        return {key for secret in there for key in _marks(secret.name, secret.require_content()).values()}

    def add(self, name: str, mark: str, key: str, deadline: Deadline) -> None:
        """Let a look-up secret name a row."""

        def change(content: Content) -> Content:
            return {_ROWS: {**(_marks(name, content) if content else {}), mark: key}}

        try:
            self._secrets.create(name, {_ROWS: {mark: key}}, new_version(), deadline)
        except ChangedError:
            self._secrets.change(name, change, deadline)

    def remove(self, name: str, mark: str, deadline: Deadline) -> None:
        """Remove a mark, and the look-up secret once it names nothing."""

        def change(content: Content) -> Content:
            if not content:
                return content
            left = {other: key for other, key in _marks(name, content).items() if other != mark}
            return {_ROWS: left} if left else {}

        self._secrets.change(name, change, deadline)


def _marks(name: str, content: Content) -> Mapping[str, str]:
    marks = content.get(_ROWS)
    if not isinstance(marks, dict) or not all(isinstance(key, str) and is_key(key) for key in marks.values()):
        raise unreadable_error(name)
    return marks
