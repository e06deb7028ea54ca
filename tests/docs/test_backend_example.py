"""The backend that docs/how-to/add-a-backend.md builds is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from tests.docs.pages import DOCS, Page
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.testing import BackendContract


def example() -> Any:
    """Return the class of the page's first block."""
    namespace: dict[str, Any] = {"__name__": "example"}
    exec(Page(DOCS / "how-to" / "add-a-backend.md").blocks("python")[0].source, namespace)
    return namespace["DictBackend"]


class TestExample(BackendContract):
    """The example of the page passes the contract that the package's own backends pass."""

    def make_backend(self, folder: Path) -> Backend:
        return cast(Backend, example()())

    def reopen(self, backend: Backend, folder: Path) -> Backend:
        return backend
