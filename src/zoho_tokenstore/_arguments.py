"""Checks the arguments of public functions first; the error quotes the name as written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar, get_args

from zoho_tokenstore._matching import SpentCodes
from zoho_tokenstore._policies import RefreshPolicy, SessionPolicy
from zoho_tokenstore._util.urls import taken_out
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.events import OBSERVER, is_observer

P = ParamSpec("P")
R = TypeVar("R")

_LONGEST: Final = 1e9
"""In seconds; waiting calls accept no longer times."""

_UNPACKED: Final = re.compile(r"Unpack\[(\w+)\]")

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Check the arguments of a public function or constructor by its parameters' names."""
    names = _parameters(function)

    @wraps(function)
    def checking(*args: P.args, **kwargs: P.kwargs) -> R:
        unknown = [name for name in kwargs if name not in names]
        if unknown:
            raise _unknown(_owner(function, args), unknown[0], [name for name in names if name != "self"])
        for name, value in (*zip(names, args, strict=False), *kwargs.items()):
            if name in _CHECKS:
                _check(_owner(function, args), name, value)
        return function(*args, **kwargs)

    return checking


def _owner(function: Any, args: tuple[Any, ...]) -> str:
    """Return the name of a function, or of the class that is being made."""
    name: str = function.__qualname__
    return type(args[0]).__name__ if name.endswith(".__init__") else name


def _parameters(function: Any) -> tuple[str, ...]:
    code = function.__code__  # `inspect` would take longer to import than all of this package
    names: tuple[str, ...] = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    options = _UNPACKED.fullmatch(function.__annotations__.get("options", ""))
    return (*names, *function.__globals__[options[1]].__annotations__) if options else names


def _unknown(owner: str, name: str, known: list[str]) -> ConfigurationError:
    return ConfigurationError(
        f"{owner} has no option {name!r}.{hint(name, known)} Its options are {', '.join(known)}."
    )


def hint(name: str, known: Iterable[str]) -> str:
    """Return the sentence that asks for the nearest of the known names, or an empty string."""
    from difflib import get_close_matches  # only once something is wrong

    near = get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]}?" if near else ""


def read_spent_codes(url: str, given: SpentCodes) -> tuple[str, SpentCodes]:
    """Return a URL without its option ``spent_codes``, and the value to use: the URL's, if it has one."""
    url, said = taken_out(url, "spent_codes")
    if not said:
        return url, given
    choice = next((choice for choice in get_args(SpentCodes) if said == [choice]), None)
    if choice is None:  # not shown: it may be part of a password
        raise ConfigurationError(
            f"The URL option spent_codes must be {_CHECKS['spent_codes'][1]}, and given once."
        )
    return url, choice


def _check(owner: str, name: str, value: object) -> None:
    is_good, wanted = _CHECKS[name]
    if not is_good(value):
        raise ConfigurationError(f"{owner}: {name} must be {wanted}, not {_shown(value)}.")


def _shown(value: object) -> str:
    """Return what was passed, by its kind: a string may be a secret."""
    if isinstance(value, bool | int | float) or value is None:
        return repr(value)[:20]
    if isinstance(value, str):
        return "an empty string" if value == "" else "this string"
    return type(value).__name__


def _is_path(value: object) -> bool:
    if not isinstance(value, str | os.PathLike):
        return False
    text = os.fspath(value)
    return isinstance(text, str) and text != "" and "\0" not in text and not _URL.match(text)


def _is_duration(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _LONGEST


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_clock(value: Any) -> bool:
    return callable(value) and isinstance(value(), int)  # time.time returns seconds, and fractions


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _or_none(is_good: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or is_good(value)


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


_TEXT: Final = (_is_text, "a non-empty string")
_TEXT_OR_NONE: Final = (_or_none(_is_text), "a non-empty string or None")
_SWITCH: Final = (_is_switch, "True or False")
_FILE: Final = (_or_none(_is_path), "the path of a file or None")

_CHECKS: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "path": (_is_path, "the path of a file (URLs are for open_store)"),
    "url": (
        _or_none(lambda value: isinstance(value, str)),
        "a string such as sqlite:///zohooauth.db (a path is for SQLiteStore or CSVStore)",
    ),
    "refresh": (
        _or_none(lambda value: isinstance(value, RefreshPolicy)),
        "a RefreshPolicy, or None to leave every refresh to the SDK",
    ),
    "sessions": (
        _or_none(lambda value: isinstance(value, SessionPolicy)),
        "a SessionPolicy, or None for logins without limits",
    ),
    "spool": (_or_none(_is_path), "the path of a folder or None"),
    "spent_codes": (lambda value: value in get_args(SpentCodes), "'self-client', 'find' or 'refuse'"),
    "on_event": (is_observer, OBSERVER),
    "audit": (_or_none(_is_switch), "True, False or None"),
    "clock": (_is_clock, "a function that returns whole milliseconds since the epoch"),
    "timeout": (_is_duration, "a number of seconds above zero"),
    "pool_size": (_is_size, "a whole number above zero"),
    "create": _SWITCH,
    "allow_eviction": _SWITCH,
    "table": _TEXT,
    "prefix": _TEXT,
    "region": _TEXT_OR_NONE,
    "endpoint_url": _TEXT_OR_NONE,
    "kms_key_id": _TEXT_OR_NONE,
    "ssl_ca_certs": _FILE,
    "ssl_ca_path": _FILE,
    "ssl_certfile": _FILE,
    "ssl_keyfile": _FILE,
    "ssl_password": _TEXT_OR_NONE,
    "ssl_check_hostname": (_or_none(_is_switch), "True or False"),
    "sentinel_username": _TEXT_OR_NONE,
    "sentinel_password": _TEXT_OR_NONE,
}
"""What each parameter of a public function must be: a name has the same meaning everywhere."""
