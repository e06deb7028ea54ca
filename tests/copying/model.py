"""What a copy must leave, told a second time and as plainly as possible: stores are dictionaries.

A row is a dictionary of its columns without the missing ones, and of the time of its last change.
"""

from __future__ import annotations

from collections.abc import Callable

Fields = dict[str, str | int]
Store = dict[str, Fields]

_OWNER = ("user_name", "client_id", "api_domain")
_PROOFS = ("user_name", "refresh_token", "grant_token", "access_token")
_NOT_COMPARED = ("id", "updated_at_ms")


def copied(source: Store, destination: Store, policy: str) -> Store:
    """Return what the destination holds after a copy: passes are made until one has nothing to do."""
    left = {row_id: dict(row) for row_id, row in destination.items()}
    has_written = True
    while has_written:
        has_written = False
        for row_id in sorted(source):
            has_written |= _wrote(source, left, row_id, policy)
    return left


def planned(source: Store, destination: Store, policy: str) -> tuple[int, int]:
    """Return what a dry run tells: how many rows would be copied, and overwritten, each judged for itself."""
    targets = [target for row_id in source if (target := _wanted(source, destination, row_id, policy))]
    copied = sum(target not in destination for target in targets)
    return copied, len(targets) - copied


def _wrote(source: Store, left: Store, row_id: str, policy: str) -> bool:
    target = _wanted(source, left, row_id, policy)
    if target is not None:
        left[target] = source[row_id] | {"id": target}
    return target is not None


def _wanted(source: Store, left: Store, row_id: str, policy: str) -> str | None:
    target = _target(source, left, row_id)
    return target if target is not None and _is_wanted(source, left, row_id, target, policy) else None


def _target(source: Store, left: Store, row_id: str) -> str | None:
    """Return the id under which a row belongs in the destination; `None` if it has no place there."""
    row, there = source[row_id], left.get(row_id)
    if there is not None and (_same(row, there) or _is_same_user(row, there)):
        return row_id
    others = [other for other in _rows_of_owner(row, left) if other["id"] != row_id]
    foreign = [other for other in others if not _is_settled_by_id(source, other)]
    if foreign:
        same = [other for other in foreign if _same(row, other)]
        return str((same or [_best(row, foreign)])[0]["id"])
    return row_id if there is None else None


def _is_settled_by_id(source: Store, there: Fields) -> bool:
    return str(there["id"]) in source and _is_same_user(source[str(there["id"])], there)


def _is_same_user(one: Fields, other: Fields) -> bool:
    proved = any(name in one and one[name] == other.get(name) for name in _PROOFS)
    return proved and _agree(one, other, "user_name", "client_id")


def _is_wanted(source: Store, left: Store, row_id: str, target: str, policy: str) -> bool:
    row, there = source[row_id], left.get(target)
    if there is None:
        return True
    if _same(row, there) or policy in ("fail", "skip"):
        return False
    if policy == "newer" and not _is_later(row, there):
        return False
    return target == row_id or _best(there, _rows_of_owner(there, source))["id"] == row_id


def _is_later(row: Fields, there: Fields) -> bool:
    """Tell whether a row is known to be the later one."""
    name = "updated_at_ms"
    return name in row and name in there and int(row[name]) > int(there[name])


def _rows_of_owner(row: Fields, store: Store) -> list[Fields]:
    for key in _keys(row):
        found = [
            other
            for other in store.values()
            if other.get(key) == row[key] and _agree(row, other, *_OWNER) and not _is_foreign(row, other, key)
        ]
        if found:
            return found
    return [row]


def _keys(row: Fields) -> list[str]:
    keys = ["user_name"]
    if "client_id" in row and "client_secret" in row:
        keys += ["grant_token", "refresh_token"]
    return [key for key in (*keys, "access_token") if key in row]


def _is_foreign(row: Fields, other: Fields, key: str) -> bool:
    """Tell whether the row is an access token alone, and the other one a client's; or another login's.

    Only by the user's name is a row with another refresh token the same owner's.
    """
    if key != "user_name" and not _agree(row, other, "refresh_token"):
        return True
    others = ("refresh_token", "grant_token", "client_id")
    return "access_token" in row and "client_id" in other and not any(name in row for name in others)


def _best(row: Fields, rows: list[Fields]) -> Fields:
    """Return the row that a save would update: that of the closest owner, the latest one of several."""

    def rank(other: Fields) -> tuple[int, int, str]:
        close = sum(name in row and row[name] == other.get(name) for name in _OWNER)
        return close, int(other.get("updated_at_ms", 0)), str(other["id"])

    return max(rows, key=rank)


def _agree(one: Fields, other: Fields, *names: str) -> bool:
    """Tell whether two rows do not contradict each other in these columns."""
    return all(name not in one or name not in other or one[name] == other[name] for name in names)


def _same(one: Fields, other: Fields) -> bool:
    columns: Callable[[Fields], Fields] = lambda row: {  # noqa: E731
        name: value for name, value in row.items() if name not in _NOT_COMPARED
    }
    return columns(one) == columns(other)
