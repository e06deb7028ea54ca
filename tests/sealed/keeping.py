"""Files that tests and stores remove, replace or empty are kept for the search.

An audit hook sees that in Python code, a moment before. SQLite removes its logs by itself, so they get
a second name as soon as there is something in them.
"""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from zoho_tokenstore.backends.sqlite import SQLiteBackend

LOGS: Final = ("-wal", "-shm", "-journal")
_link, _lstat, _append = os.link, os.lstat, os.write  # tests replace some to let them fail


class Keeper:
    """Keeps files below a folder in its subfolder `kept`."""

    def __init__(self, disk: Path) -> None:
        self._disk, self._kept = f"{disk}/", f"{disk}/kept"
        self._numbers = itertools.count()
        lost = disk.parent / "notes" / f"lost-{os.getpid()}"
        self._lost = os.open(lost, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self._watch()

    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """Keep the logs and scratch files of a test before anything is closed."""
        for folder in getattr(item, "funcargs", {}).values():
            if isinstance(folder, Path) and folder.is_dir():
                for file in folder.rglob("*"):
                    if file.name.endswith(LOGS) or file.name.startswith("."):
                        self.keep(file, link=file.name.endswith(LOGS))

    def keep(self, path: Any, *, link: bool = False) -> None:
        """Keep a file as it is now, or with all that is still written into it (`link`)."""
        place = os.path.abspath(os.fsdecode(path))  # noqa: PTH100  # a link itself, not what it leads to
        if not place.startswith(self._disk) or place.startswith(self._kept):
            return
        try:
            found = _lstat(place)
            if stat.S_ISREG(found.st_mode):
                number = found.st_ino if link else f"{os.getpid()}.{next(self._numbers)}"
                target = f"{self._kept}/{number}~{place[len(self._disk) :].replace('/', '~')[-150:]}"
                (_link if link else shutil.copyfile)(place, target)
        except (FileNotFoundError, FileExistsError):
            pass
        except OSError as error:
            _append(self._lost, f"{place}: {error.strerror}\n".encode())

    def _keep_tree(self, path: Any) -> None:
        for folder, _, names in os.walk(os.fsdecode(path)):
            for name in names:
                self.keep(f"{folder}/{name}")

    def _keep_logs(self, backend: Any) -> None:
        for suffix in LOGS:
            self.keep(f"{backend._path}{suffix}", link=True)

    def _watch(self) -> None:
        seen: dict[str, Callable[..., None]] = {
            "os.remove": lambda path, folder: self.keep(path) if folder == -1 else None,
            "os.rename": lambda _source, target, *_folders: self.keep(target),
            "os.truncate": lambda path, _length: None if isinstance(path, int) else self.keep(path),
            "open": lambda path, _mode, flags: (
                self.keep(path) if flags & os.O_TRUNC and not isinstance(path, int) else None
            ),
            "shutil.rmtree": lambda path, *_folder: self._keep_tree(path),
        }
        sys.addaudithook(lambda event, arguments: seen[event](*arguments) if event in seen else None)
        for name in ("write", "close"):
            setattr(SQLiteBackend, name, self._around(getattr(SQLiteBackend, name)))

    def _around(self, native: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(native)
        def call(backend: Any, *arguments: Any, **options: Any) -> Any:
            self._keep_logs(backend)
            try:
                return native(backend, *arguments, **options)
            finally:
                self._keep_logs(backend)

        return call
