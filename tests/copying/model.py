"""What a copy must leave, told a second time and as plainly as possible: stores are dictionaries.

A row is a dictionary of its columns without the missing ones, and of the time of its last change.
"""

from __future__ import annotations

from collections.abc import Callable

Fields = dict[str, str | int]
Store = dict[str, Fields]

_OWNER = ("user_name", "client_id", "api_domain")
_NOT_COMPARED = ("id", "updated_at_ms")


def copied(source: Store, destination: Store, policy: str) -> Store:
    """Return what the destination holds after a copy."""
    left = {row_id: dict(row) for row_id, row in destination.items()}
    for row_id in sorted(source):
        target = _target(source, left, row_id)
        if target is not None and _is_wanted(source, left, row_id, target, policy):
            left[target] = source[row_id] | {"id": target}
    return left


def _target(source: Store, left: Store, row_id: str) -> str | None:
    """Return the id under which a row belongs in the destination; `None` if it has no place there."""
    row, there = source[row_id], left.get(row_id)
    if there is not None and (_same(row, there) or _agree(row, there, "user_name", "client_id")):
        return row_id
    others = [other for other in _rows_of_owner(row, left) if other["id"] != row_id]
    foreign = [other for other in others if not _has(source, row, str(other["id"]))]
    if foreign:
        return str(max(foreign, key=_age)["id"])
    return row_id if there is None else None


def _is_wanted(source: Store, left: Store, row_id: str, target: str, policy: str) -> bool:
    row, there = source[row_id], left.get(target)
    if there is None:
        return True
    if _same(row, there) or policy in ("fail", "skip"):
        return False
    if policy == "newer" and int(row.get("updated_at_ms", 0)) <= int(there.get("updated_at_ms", 0)):
        return False
    return target == row_id or max(_rows_of_owner(row, source), key=_age)["id"] == row_id


def _rows_of_owner(row: Fields, store: Store) -> list[Fields]:
    for key in _keys(row):
        found = [
            other for other in store.values() if other.get(key) == row[key] and _agree(row, other, *_OWNER)
        ]
        if found:
            return found
    return [row]


def _keys(row: Fields) -> list[str]:
    credentials = [name in row for name in ("client_id", "client_secret")]
    keys = ["user_name"]
    if all(credentials):
        keys += ["grant_token", "refresh_token"]
    elif not any(credentials):
        keys.append("access_token")
    return [key for key in keys if key in row]


def _has(store: Store, row: Fields, row_id: str) -> bool:
    return row_id in store and _agree(row, store[row_id], *_OWNER)


def _agree(one: Fields, other: Fields, *names: str) -> bool:
    """Tell whether two rows do not contradict each other in these columns."""
    return all(name not in one or name not in other or one[name] == other[name] for name in names)


def _same(one: Fields, other: Fields) -> bool:
    columns: Callable[[Fields], Fields] = lambda row: {  # noqa: E731
        name: value for name, value in row.items() if name not in _NOT_COMPARED
    }
    return columns(one) == columns(other)


def _age(row: Fields) -> tuple[int, str]:
    return int(row.get("updated_at_ms", 0)), str(row["id"])
