"""The token store as a dictionary: what it must do, told a second time and as plainly as possible.

Nothing here comes from the package. A token is a dictionary of its ten fields without the missing
ones; `order` counts the saves, so that the latest one is known; `retired` are the ids of deleted rows.
One-time codes that came by a redirect URL are forgotten as soon as they were exchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Fields = dict[str, str]


LOGIN = ("access_token", "expires_in", "refresh_token", "grant_token")
"""What belongs to one login."""


class Refused(Exception):  # an answer, not an error of the model
    """The save must be refused."""


class Model:
    """A store without a storage."""

    def __init__(self) -> None:
        self.rows: dict[str, Fields] = {}
        self.order: dict[str, int] = {}
        self.retired: set[str] = set()
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
            by_code = "grant_token" in query and not ("redirect_url" in query and "refresh_token" in query)
            return self._by(query, "grant_token" if by_code else "refresh_token")
        return None

    def filled(self, query: Fields, row: Fields) -> Fields:
        """Return the fields that the passed token must have after `find_token`."""
        own = {name: query[name] for name in LOGIN if name in query}
        if "access_token" not in query:
            own.pop("expires_in", None)
        if _is_other_login(query, row) or (not _proof(query) and _differs(query, row, "access_token")):
            return {name: text for name, text in (row | query).items() if name not in LOGIN} | own
        filled = row | query
        if "access_token" not in query:
            return _with(filled, "expires_in", row.get("expires_in"))
        return (
            _with(filled, "expires_in", query.get("expires_in"))
            if _differs(query, row, "access_token")
            else filled
        )

    def row_to_save(self, token: Fields) -> str | None:
        """Return the id of the row that `save_token` must update, or `None` for a new one."""
        if not {"access_token", "refresh_token", "grant_token"} & set(token):
            raise Refused("there is nothing to save")
        if "id" in token:
            row = self.rows.get(token["id"])
            if row is None and token["id"] in self.retired:
                raise Refused("the id is that of a deleted row")
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
        self.rows[row_id] = self.saved(token, row_id)
        self.saves += 1
        self.order[row_id] = self.saves

    def saved(self, token: Fields, row_id: str) -> Fields:
        """Return the row that a save leaves."""
        row = self.rows.get(row_id)
        if row is None:
            return _without_code(token) | {"id": row_id}
        if _is_other_login(token, row):
            merged = {
                name: text for name, text in (row | token).items() if name not in LOGIN or name in token
            }
            if "access_token" not in token:
                merged.pop("expires_in", None)
            if "grant_token" in token:
                merged = _with(merged, "redirect_url", token.get("redirect_url"))
        elif "access_token" not in token:
            merged = _with(row | token, "expires_in", row.get("expires_in"))
        elif _differs(token, row, "access_token"):
            merged = _with(row | token, "expires_in", token.get("expires_in"))
        else:
            merged = row | token
        return _without_code(merged) | {"id": row_id}

    def delete(self, row_id: str) -> None:
        """Remove the row, if there is one, and retire its id."""
        if self.rows.pop(row_id, None) is not None:
            self.retired.add(row_id)

    def clear(self) -> None:
        """Remove all rows, and retire their ids."""
        self.retired |= set(self.rows)
        self.rows.clear()

    def _by(self, query: Fields, key: str) -> Fields | None:
        if key not in query:
            return None
        return self._latest(query, lambda row: _agree(query, row, key) and _fits(query, row))

    def _closest(self, token: Fields, key: str) -> Fields | None:
        owner = ("user_name", "client_id", "api_domain")
        owned = [
            r
            for r in self.rows.values()
            if _agree(token, r, key) and _compatible(token, r, *owner) and not _is_foreign_access(token, r)
            if key == "user_name" or _compatible(token, r, "refresh_token")
        ]
        agreement: Any = lambda r: sum(_agree(token, r, name) for name in owner)  # noqa: E731
        return max(owned, key=lambda r: (agreement(r), self.order[r["id"]]), default=None)

    def _latest(self, query: Fields, fits: Callable[[Fields], bool]) -> Fields | None:
        rows = [row for row in self.rows.values() if fits(row) and not _brings_a_new_secret(query, row)]
        exact = [row for row in rows if _asked(query, row, "api_domain")]
        return max(exact or rows, key=lambda row: self.order[row["id"]], default=None)


def _save_keys(token: Fields) -> list[str]:
    keys = ["user_name"]
    if "client_id" in token and "client_secret" in token:
        keys += ["grant_token", "refresh_token"]
    keys.append("access_token")
    return [key for key in keys if key in token]


def _without_code(token: Fields) -> Fields:
    is_spent = "access_token" in token or "refresh_token" in token
    return _with(token, "grant_token", None) if is_spent and "redirect_url" in token else token


def _proof(token: Fields) -> str | None:
    """Return the token by which a login is known."""
    return next((name for name in ("refresh_token", "grant_token") if name in token), None)


def _is_other_login(token: Fields, row: Fields) -> bool:
    proof = _proof(token)
    if proof == "grant_token" and _agree(token, row, "access_token"):
        return False
    return proof is not None and token[proof] != row.get(proof)


def _is_foreign_access(token: Fields, row: Fields) -> bool:
    alone = "access_token" in token and "client_id" not in token and not _proof(token)
    return alone and "client_id" in row


def _differs(one: Fields, other: Fields, name: str) -> bool:
    return name in one and one[name] != other.get(name)


def _with(fields: Fields, name: str, text: str | None) -> Fields:
    rest = {other: value for other, value in fields.items() if other != name}
    return rest if text is None else rest | {name: text}


def _brings_a_new_secret(query: Fields, row: Fields) -> bool:
    both = "client_secret" in query and "client_secret" in row
    return "refresh_token" in query and both and query["client_secret"] != row["client_secret"]


def _fits(query: Fields, row: Fields) -> bool:
    if not _asked(query, row, "client_id") or not _compatible(query, row, "api_domain"):
        return False
    if "access_token" in query and not _proof(query):
        return _agree(query, row, "access_token")
    return not _is_other_login(query, row)


def _asked(query: Fields, row: Fields, *names: str) -> bool:
    return all(name not in query or query[name] == row.get(name) for name in names)


def _agree(one: Fields, other: Fields, name: str) -> bool:
    return name in one and one[name] == other.get(name)


def _compatible(one: Fields, other: Fields, *names: str) -> bool:
    return all(name not in one or name not in other or one[name] == other[name] for name in names)
