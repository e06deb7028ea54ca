"""The stores that the defects are tried on: ours, the SDK's file store, or one that the environment names."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

from zohocrmsdk.src.com.zoho.api.authenticator.store import FileStore

from zoho_tokenstore import InMemoryStore, ListStore, SQLiteStore

VARIABLE: Final = "ZOHO_TOKENSTORE_DEFECTS_STORE"


class Subject(NamedTuple):
    """A store, by the `module:factory` that makes one at a path; so a worker process finds it too."""

    name: str
    target: str

    def make(self, path: Path) -> Any:
        return make(self.target, path)


def make(target: str, path: Path) -> Any:
    module, _, factory = target.partition(":")
    return getattr(import_module(module), factory)(path)


def sqlite(path: Path) -> SQLiteStore:
    return SQLiteStore(path)


def memory(_: Path) -> InMemoryStore:
    return InMemoryStore()


def plain_list(_: Path) -> ListStore:
    return ListStore()


def file_store(path: Path) -> Any:
    return FileStore(str(path))


OURS: Final = {
    "SQLite": Subject("SQLite", f"{__name__}:sqlite"),
    "memory": Subject("memory", f"{__name__}:memory"),
    "list": Subject("list", f"{__name__}:plain_list"),
}

FILE_STORE: Final = Subject("FileStore", f"{__name__}:file_store")
"""The published store that is at hand wherever the SDK is installed."""

_target = os.environ.get(VARIABLE)
STRANGER: Final = Subject("stranger", _target) if _target else None
"""Somebody else's store, which then takes the place of all others."""
