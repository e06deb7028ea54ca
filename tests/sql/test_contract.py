"""The contract of a backend, over the SQL databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sql import support
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.testing import BackendContract


@pytest.mark.parametrize("kind", support.KINDS)
class TestSQL(BackendContract):
    @pytest.fixture(autouse=True)
    def _choose(self, kind: str) -> None:
        self.kind = kind

    def make_backend(self, folder: Path) -> Backend:
        return support.make(self.kind, folder)

    def reopen(self, backend: Backend, folder: Path) -> Backend:
        return support.reopen(self.kind, folder)
