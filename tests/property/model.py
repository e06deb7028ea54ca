"""The token store as a dictionary: what it must do, told a second time and as plainly as possible.

Nothing here comes from the package. A token is a dictionary of its ten fields without the missing
ones; `order` counts the saves, so that the latest one is known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Fields = dict[str, str]


class Refused(Exception):  # an answer, not an error of the model
    """The save must be refused."""


class Model:
    """A store without a storage."""

    def __init__(self) -> None:
        self.rows: dict[str, Fields] = {}
        self.order: dict[str, int] = {}
        self.saves = 0

    def find(self, query: Fields) -> Fields | None:
        """Return the row that `find_token` must take."""
        if "id" in query:
            return self.rows.get(query["id"])
        if "user_name" in query:
            return self._latest(query, lambda row: _agree(query, row, "user_name") and _fits(query, row))
        if "client_id" not in query and "client_secret" not in query:
            return self._by(query, "access_token")
        if "client_id" in query and "client_secret" in query:
            return self._by(query, "grant_token" if "grant_token" in query else "refresh_token")
        return None

    def filled(self, query: Fields, row: Fields) -> Fields:
        """Return the fields that the passed token must have after `find_token`."""
        filled = row | query
        if filled.get("access_token") != row.get("access_token") and "expires_in" not in query:
            filled.pop("expires_in", None)
        return filled

    def row_to_save(self, token: Fields) -> str | None:
        """Return the id of the row that `save_token` must update, or `None` for a new one."""
        if not {"access_token", "refresh_token", "grant_token"} & set(token):
            raise Refused("there is nothing to save")
        if "id" in token:
            row = self.rows.get(token["id"])
            if row is not None and not _compatible(token, row, "user_name", "client_id"):
                raise Refused("the id is somebody else's")
            return None if row is None else token["id"]
        for key in _save_keys(token):
            row = self._closest(token, key)
            if row is not None:
                return row["id"]
        return None

    def save(self, token: Fields, row_id: str) -> None:
        """Insert or update the row."""
        self.rows[row_id] = self.rows.get(row_id, {}) | token | {"id": row_id}
        self.saves += 1
        self.order[row_id] = self.saves

    def delete(self, row_id: str) -> None:
        """Remove the row, if there is one."""
        self.rows.pop(row_id, None)

    def _by(self, query: Fields, key: str) -> Fields | None:
        if key not in query:
            return None
        return self._latest(
            query, lambda row: _agree(query, row, key) and _asked(query, row, "client_id", "api_domain")
        )

    def _closest(self, token: Fields, key: str) -> Fields | None:
        owner = ("user_name", "client_id", "api_domain")
        owned = [r for r in self.rows.values() if _agree(token, r, key) and _compatible(token, r, *owner)]
        agreement: Any = lambda r: sum(_agree(token, r, name) for name in owner)  # noqa: E731
        return max(owned, key=lambda r: (agreement(r), self.order[r["id"]]), default=None)

    def _latest(self, query: Fields, fits: Callable[[Fields], bool]) -> Fields | None:
        rows = [row for row in self.rows.values() if fits(row) and not _brings_a_new_secret(query, row)]
        return max(rows, key=lambda row: self.order[row["id"]], default=None)


def _save_keys(token: Fields) -> list[str]:
    keys = ["user_name"]
    if "client_id" in token and "client_secret" in token:
        keys += ["grant_token", "refresh_token"]
    elif "client_id" not in token and "client_secret" not in token:
        keys.append("access_token")
    return [key for key in keys if key in token]


def _brings_a_new_secret(query: Fields, row: Fields) -> bool:
    both = "client_secret" in query and "client_secret" in row
    return "refresh_token" in query and both and query["client_secret"] != row["client_secret"]


def _fits(query: Fields, row: Fields) -> bool:
    return _asked(query, row, "client_id", "api_domain", "refresh_token", "grant_token")


def _asked(query: Fields, row: Fields, *names: str) -> bool:
    return all(name not in query or query[name] == row.get(name) for name in names)


def _agree(one: Fields, other: Fields, name: str) -> bool:
    return name in one and one[name] == other.get(name)


def _compatible(one: Fields, other: Fields, *names: str) -> bool:
    return all(name not in one or name not in other or one[name] == other[name] for name in names)
