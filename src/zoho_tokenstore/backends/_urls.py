"""What the backends share in reading their URLs."""

from typing import Final
from urllib.parse import SplitResult, parse_qsl

from zoho_tokenstore.errors import ConfigurationError

_LONGEST: Final = 1e9
"""In seconds; what waits takes no longer times (see `arguments`)."""

_DURATION_HINT: Final = "a number of seconds above zero"


def options_of(parts: SplitResult, *known: str) -> dict[str, str]:
    """Return the query options of a URL.

    Raises:
        ConfigurationError: an option is not one of `known`, or given twice.
    """
    if "@" in parts.query:  # the end of a password with a question mark in it, most likely
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
    """Return an option that is a duration in seconds.

    Raises:
        ConfigurationError: it is no number above zero.
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < _LONGEST:
        raise ConfigurationError(f"The URL option {name} must be {_DURATION_HINT}.")
    return value


def refuse_address(parts: SplitResult) -> None:
    """Raise a `ConfigurationError` if the URL of a store inside the process names a place."""
    if parts.netloc or parts.path.strip("/"):
        raise ConfigurationError(f"A {parts.scheme} store has no address: write {parts.scheme}://.")
    options_of(parts)
