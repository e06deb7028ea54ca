"""What a failed comparison of tokens says: which fields differ, and nothing else."""

from __future__ import annotations

from typing import Any, Final

from zoho_tokenstore.testing._tokens import FIELDS

_MOST_FIELDS: Final = 4
_LONGEST_VALUE: Final = 45


def explain(op: str, left: Any, right: Any) -> str | None:
    """Return in what two tokens, or two lists of tokens, differ; `None` if they are something else."""
    if op not in ("==", "is") or not (_is_stored(left) and _is_stored(right)) or left == right:
        return None
    if left is None or right is None:
        return f"{_named(left)} instead of {_named(right)}"
    if isinstance(left, dict) and isinstance(right, dict):
        return _fields(left, right)
    if isinstance(left, list) and isinstance(right, list):
        return _lists(left, right)
    return None


def _is_stored(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_token(each) for each in value)
    return value is None or _is_token(value)


def _is_token(value: Any) -> bool:
    return isinstance(value, dict) and {*value} == {*FIELDS}


def _named(value: Any) -> str:
    if isinstance(value, dict):
        return f"the token with id {value['id']!r} of {value['user_name']!r}"
    return "nothing" if value is None else f"a list of length {len(value)}"


def _lists(left: list[Any], right: list[Any]) -> str:
    if len(left) != len(right):
        return f"{len(left)} tokens instead of {len(right)}"
    return next(_fields(one, other) for one, other in zip(left, right, strict=True) if one != other)


def _fields(left: dict[str, Any], right: dict[str, Any]) -> str:
    names = [name for name in FIELDS if left[name] != right[name]]
    shown = [f"{name} is {_cut(left[name])} instead of {_cut(right[name])}" for name in names[:_MOST_FIELDS]]
    more = len(names) - len(shown)
    return ", ".join([*shown, *([f"and {more} more fields"] if more else [])])


def _cut(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
