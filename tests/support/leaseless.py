"""A storage that keeps tokens, and nothing that processes could agree by."""

from __future__ import annotations

from typing import Any

from zoho_tokenstore.backends.list import ListBackend


class LeaselessBackend:
    """A list of rows, without its leases."""

    def __init__(self) -> None:
        self._list = ListBackend()

    def __getattr__(self, name: str) -> Any:
        if name == "leases":
            raise AttributeError(name)
        return getattr(self._list, name)
