"""Reading a store's URL, which may contain a password."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, unquote_plus, urlsplit

from zoho_tokenstore._util.os_errors import exists
from zoho_tokenstore.errors import ConfigurationError

URL_VARIABLE: Final = "ZOHO_TOKENSTORE_URL"
"""The environment variable with the URL of the store, where none is passed."""

SAME: Final = {
    "postgres": "postgresql",
    "valkey": "redis",
    "valkeys": "rediss",
    "valkey+cluster": "redis+cluster",
    "valkeys+cluster": "rediss+cluster",
    "valkey+sentinel": "redis+sentinel",
    "valkeys+sentinel": "rediss+sentinel",
}
"""Other names of a scheme, and its name here."""

_SEVERAL_HOSTS: Final = re.compile(r"([^:/?#]+://)([^/?#]*,[^/?#]*)(.*)", re.DOTALL)

_IN_FILES: Final = ("csv", "sqlite", "sql+sqlite")

_LONGEST: Final = 1e9
"""In seconds; waiting calls accept no longer times (see `arguments`)."""

_DURATION_HINT: Final = "a number of seconds above zero"


def parts_of(url: str) -> SplitResult | None:
    """Return the parts of a URL, or `None` if it is none: the exception would show it, password and all."""
    several = _SEVERAL_HOSTS.fullmatch(url)
    try:
        if several is None:
            return urlsplit(url)
        scheme, hosts, rest = several.groups()  # newer releases of Python refuse brackets amid a list
        each = [urlsplit(f"//{host}").netloc for host in hosts.split(",")]
        return urlsplit(scheme + rest)._replace(netloc=",".join(each))
    except ValueError:
        return None


def file_of(url: str) -> Path | None:
    """Return a file store's file, to be looked for before it is opened, which would create it."""
    parts = parts_of(url)
    if parts is None or parts.scheme not in _IN_FILES or not parts.path[1:]:
        return None  # opening it says what is wrong with it
    return Path(unquote(parts.path[1:]))


def check_there(url: str) -> None:
    """Refuse a file store without its file: opening it would create an empty one, which would mislead.

    Raises:
        ConfigurationError: there is none.
    """
    path = file_of(url)
    if path is not None and not exists(path):
        raise ConfigurationError(f"There is no store: {path} does not exist. It was not created.")


def canonical(url: str) -> str:
    """Return a URL under the scheme that its backend knows."""
    scheme, separator, rest = url.partition("://")
    return SAME.get(scheme.lower(), scheme) + separator + rest


def taken_out(url: str, option: str) -> tuple[str, list[str]]:
    """Return a URL without an option, and the values it had there.

    It is not parsed and rebuilt: what is not a URL stays as it is, to be refused later.
    """
    front, question, rest = url.partition("?")
    query, hash_sign, fragment = rest.partition("#")
    pairs = query.split("&")
    found = [pair for pair in pairs if pair.partition("=")[0] == option]
    if not found or "#" in front:
        return url, []
    left = "&".join(pair for pair in pairs if pair not in found)
    values = [unquote_plus(pair.partition("=")[2]) for pair in found]
    return front + (question + left if left else "") + hash_sign + fragment, values


def options_of(parts: SplitResult, *known: str) -> dict[str, str]:
    """Return the query options of a URL.

    Raises:
        ConfigurationError: an option is not one of `known`, or given twice; or there is a fragment, which
            would be ignored: it belongs to a path or a password.
    """
    if parts.fragment:
        raise ConfigurationError(f"A {parts.scheme} URL has no #. In a name or a password, write it as %23.")
    if "@" in parts.query:  # most likely the end of a password with a question mark
        raise ConfigurationError(
            f"The options of a {parts.scheme} URL have no @. In a password, write %3F for ? and %40 for @; "
            "in an option, %40."
        )
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    options = dict(pairs)
    unknown = sorted(set(options) - set(known))
    if unknown or len(options) != len(pairs):
        raise ConfigurationError(
            f"The options of a {parts.scheme} URL are {', '.join(known) or 'none'}, each once; "
            f"not {', '.join(unknown) or 'twice the same'}."
        )
    return options


def seconds(name: str, text: str) -> float:
    """Return an option that is a duration in seconds."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < _LONGEST:
        raise ConfigurationError(f"The URL option {name} must be {_DURATION_HINT}.")
    return value


def refuse_address(parts: SplitResult) -> None:
    """Raise a `ConfigurationError` if the URL of an in-process store names a place."""
    if parts.netloc or parts.path.strip("/"):
        raise ConfigurationError(f"A {parts.scheme} store has no address: write {parts.scheme}://.")
    options_of(parts)


def file_and_timeout(parts: SplitResult, name: str, default: float) -> tuple[str, float]:
    """Return the path in the URL of a file store, and how long it waits for locks, in seconds."""
    options = options_of(parts, "timeout")
    path = unquote(parts.path[1:])
    if parts.netloc or not path:
        raise ConfigurationError(
            f"A {parts.scheme} URL has three slashes before a relative path, four before an absolute one: "
            f"{parts.scheme}:///{name}, {parts.scheme}:////var/lib/portal/{name}."
        )
    return path, seconds("timeout", options["timeout"]) if "timeout" in options else default
