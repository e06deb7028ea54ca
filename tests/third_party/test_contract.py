"""A backend in a package of its own passes both contracts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zoho_tokenstore import open_store
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.registry import open_backend
from zoho_tokenstore.testing import BackendContract, TokenStoreContract


@pytest.mark.clear  # a backend cannot tell what is sealed
@pytest.mark.usefixtures("json_folder")
class TestBackend(BackendContract):
    def make_backend(self, folder: Path) -> Backend:
        return open_backend(f"json-folder:///{folder}/tokens")

    def reopen(self, backend: Backend, folder: Path) -> Backend:
        return self.make_backend(folder)


@pytest.mark.usefixtures("json_folder")
class TestStore(TokenStoreContract):
    def make_store(self, folder: Path) -> Any:
        return open_store(f"json-folder:///{folder}/tokens")

    def reopen(self, store: Any, folder: Path) -> Any:
        return self.make_store(folder)
