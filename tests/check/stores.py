"""Stores to be checked by name."""

from __future__ import annotations

import os
import threading
import time
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.contract.broken import CAUGHT_BY
from tests.contract.broken.base import Broken
from zoho_tokenstore import InMemoryStore, SQLiteStore


def right(folder: Path) -> SQLiteStore:
    return SQLiteStore(folder / "tokens.db")


def without_folder() -> InMemoryStore:
    return InMemoryStore()


def not_empty() -> Any:
    from zoho_tokenstore.testing import make_token

    store = InMemoryStore()
    store.save_token(make_token(user_name="somebody", access_token="1000.somebody's"))
    return store


def fails(folder: Path) -> None:
    raise ConnectionError("no such server")


def two_folders(one: Path, two: Path) -> None:
    """No factory."""


class Hangs(Broken):
    """Never answers to a look-up that finds nothing."""

    def find_token(self, token: Any) -> Any:
        found = super().find_token(token)
        while found is None:
            time.sleep(1)
        return found


class Dies(Broken):
    """Ends the process when all tokens are deleted, and can list none."""

    def delete_tokens(self) -> None:
        os._exit(7)

    def get_tokens(self) -> list[Any]:
        raise NotImplementedError


class Unwritable(Broken):
    """Fails at each save."""

    def save_token(self, token: Any) -> None:
        raise PermissionError("the disk is read-only")


class KeepsTheProcess(InMemoryStore):
    """A right store; a thread of it keeps its process from ending."""

    def __init__(self) -> None:
        super().__init__()
        threading.Thread(target=threading.Event().wait).start()


class ListsLazily(InMemoryStore):
    """Lists its tokens one after the other."""

    def get_tokens(self) -> Any:
        return iter(super().get_tokens())


class LeavesItselfOut(Broken):
    """Has every clause skipped that looks for a token."""

    def find_token(self, token: Any) -> Any:
        raise unittest.SkipTest("not today")


def begins(folder: Path) -> Iterator[SQLiteStore]:
    """A fixture of pytest, and no factory."""
    yield SQLiteStore(folder / "tokens.db")


BY_NAME = {store.__name__: store for store in (Broken, *CAUGHT_BY)}
"""The deliberately wrong stores, and the right one that they are made of."""


def __getattr__(name: str) -> Any:
    if name in BY_NAME:
        return BY_NAME[name]
    raise AttributeError(f"no store is called {name}")
