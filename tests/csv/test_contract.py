"""The contracts of a backend and of a token store, over the CSV backend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.csv import support
from zoho_tokenstore import RepositoryStore, TokenRepository
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.testing import BackendContract, TokenStoreContract


class TestCSVBackend(BackendContract):
    """Every clause about backends."""

    def make_backend(self, folder: Path) -> Backend:
        return support.make(folder)

    def reopen(self, backend: Backend, folder: Path) -> Backend:
        return support.reopen(folder)


class TestCSVStore(TokenStoreContract):
    """Every clause about token stores."""

    def make_store(self, folder: Path) -> Any:
        return RepositoryStore(TokenRepository(support.make(folder)))

    def reopen(self, store: Any, folder: Path) -> Any:
        return RepositoryStore(TokenRepository(support.reopen(folder)))
