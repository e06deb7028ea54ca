"""The contract of a backend, over Redis."""

from __future__ import annotations

from pathlib import Path

from tests.redis.support import make, reopen
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.testing import BackendContract


class TestRedis(BackendContract):
    def make_backend(self, folder: Path) -> Backend:
        return make(folder)

    def reopen(self, backend: Backend, folder: Path) -> Backend:
        return reopen(folder)
