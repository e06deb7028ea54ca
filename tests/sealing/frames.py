"""What the local variables of our frames lead to, in the whole traceback of an error.

So error collectors send them along: local variables, with what is in containers. This goes further,
into the attributes of every object of ours that is a value: rows, records, keys, rings, exceptions.
It stops at services, which live as long as the application that holds them, and hold keys and
lately read tokens by their nature: stores, repositories, what those are made of, and storages. It
stops at functions, classes and modules too, and at what the caller himself passed.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType, MethodType, ModuleType
from typing import Any, Final

from zoho_tokenstore import Keyset, RepositoryStore, TokenRepository
from zoho_tokenstore._reading import Reader
from zoho_tokenstore._saving import Saver
from zoho_tokenstore.copying._endpoints import Endpoint
from zoho_tokenstore.sealing._cipher import AESGCMCipher, NullCipher

PACKAGE: Final = "zoho_tokenstore"
SERVICES: Final = (
    RepositoryStore,
    TokenRepository,
    Reader,
    Saver,
    AESGCMCipher,
    NullCipher,
    Keyset,
    Endpoint,
)
_MOST: Final = 100_000


def shown(error: BaseException, passed: Iterable[object] = ()) -> set[str]:
    """Return every text and representation of bytes that is reached from our frames.

    Arguments:
        error: its traceback is gone through, and those of all exceptions behind it.
        passed: what the caller passed, and so has in his own frames.
    """
    ours = list(_locals(error))
    assert ours, "no frame of ours"
    return set(_texts(ours, {id(given) for given in passed}))


def _locals(error: BaseException) -> Iterator[tuple[str, object]]:
    for each in _chain(error):
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if frame.f_globals.get("__name__", "").startswith(PACKAGE):
                yield "frame", frame.f_code.co_name
                yield from frame.f_locals.items()


def _chain(error: BaseException) -> Iterator[BaseException]:
    left, seen = [error], set[int]()
    while left:
        each = left.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            left += [other for other in (each.__cause__, each.__context__) if other is not None]


def _texts(things: list[Any], passed: set[int]) -> Iterator[str]:
    left, seen = list[Any](things), set(passed)
    while left:
        thing = left.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        assert len(seen) < _MOST
        if isinstance(thing, str):
            yield thing
        elif isinstance(thing, bytes | bytearray):
            yield repr(bytes(thing))
        else:
            left += _parts(thing)


def _parts(thing: Any) -> list[Any]:
    if isinstance(thing, (*SERVICES, type, ModuleType, FunctionType)) or _is_storage(thing):
        return []
    if isinstance(thing, MethodType):
        return [thing.__self__]
    if isinstance(thing, Mapping):
        return [*thing.keys(), *thing.values()]
    parts = list(thing) if isinstance(thing, list | tuple | set | frozenset) else []
    if isinstance(thing, BaseException):
        parts += thing.args
    if type(thing).__module__.startswith(PACKAGE) or isinstance(thing, BaseException):
        parts += getattr(thing, "__dict__", {}).values()
    return parts


def _is_storage(thing: object) -> bool:
    return ".backends." in type(thing).__module__ or hasattr(thing, "cleared_ms")
