"""Secrets sealed at rest: the keys, where they come from, and what they are used for.

docs/explanation/sealing.md states the promise, the threat model and the construction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from zoho_tokenstore._util.packages import is_installed

if TYPE_CHECKING:
    from zoho_tokenstore.sealing._keys import SealingKey
    from zoho_tokenstore.sealing._keyset import Keyset
    from zoho_tokenstore.sealing._resealing import KeyUsage, ResealReport, count_by_key, reseal

    KeysArg: TypeAlias = (
        Keyset | SealingKey | str | bytes | Iterable[SealingKey | str | bytes] | Callable[[], Any]
    )
    """What a store takes as `keys`: a keyset, a string of keys or of where they are, ``"required"``, keys,
    or a function that fetches them."""

__all__ = ["KeyUsage", "Keyset", "ResealReport", "SealingKey", "count_by_key", "reseal"]

if not TYPE_CHECKING and not is_installed("cryptography"):
    __all__ = []  # `import *` takes what is available

_WHEN_USED: Final = {
    "Keyset": "_keyset",
    "SealingKey": "_keys",
    "KeyUsage": "_resealing",
    "ResealReport": "_resealing",
    "count_by_key": "_resealing",
    "reseal": "_resealing",
}
"""They need `cryptography`, which a store without keys does not load."""


def __getattr__(name: str) -> Any:
    if name in _WHEN_USED:
        return getattr(import_module(f"{__name__}.{_WHEN_USED[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
