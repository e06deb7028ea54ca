"""The stores and backends that the contracts are run over. A new backend is added here, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from zoho_tokenstore import InMemoryStore, ListStore, RepositoryStore, SQLiteStore, TokenRepository
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.backends.memory import MemoryBackend
from zoho_tokenstore.backends.sqlite import SQLiteBackend


class Case(NamedTuple):
    """How to make a store and its backend, and how to open the same tokens a second time."""

    make_backend: Callable[[Path], Backend]
    make_store: Callable[[Path], Any]
    reopen_backend: Callable[[Backend, Path], Backend]
    reopen_store: Callable[[Any, Path], Any]


def _over_the_same_backend(store: Any, _: Path) -> Any:
    return RepositoryStore(TokenRepository(store.repository._backend))


CASES: Final = {
    "sqlite": Case(
        make_backend=lambda folder: SQLiteBackend(folder / "tokens.db"),
        make_store=lambda folder: SQLiteStore(folder / "tokens.db"),
        reopen_backend=lambda _, folder: SQLiteBackend(folder / "tokens.db"),
        reopen_store=lambda _, folder: SQLiteStore(folder / "tokens.db"),
    ),
    "memory": Case(
        make_backend=lambda _: MemoryBackend(),
        make_store=lambda _: InMemoryStore(),
        reopen_backend=lambda backend, _: backend,
        reopen_store=_over_the_same_backend,
    ),
    "list": Case(
        make_backend=lambda _: ListBackend(),
        make_store=lambda _: ListStore(),
        reopen_backend=lambda backend, _: backend,
        reopen_store=_over_the_same_backend,
    ),
}
