"""Files that tests and stores remove are kept for the scan, under a second name.

An audit hook sees every removal and replacement by Python code, a moment before. SQLite removes
its logs by itself, so they get their second name as soon as there is something in them.
"""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.sealed.places import Places
from tests.support.servers import _process
from zoho_tokenstore.backends.sqlite import SQLiteBackend

SUFFIXES: Final = ("-wal", "-shm", "-journal")

# Tests replace some of these to let them fail.
_link, _stat, _write = os.link, os.stat, os.write

_names_left: Final = itertools.count()
_LONGEST_NAME: Final = 150


class Keeper:
    """Gives files second names in the folder for kept ones."""

    def __init__(self, places: Places) -> None:
        self._root = f"{places.disk}/"
        self._kept = str(places.kept)
        self._device = _stat(places.kept).st_dev  # tests mount file systems of their own
        self._known: set[tuple[int, int]] = set()
        self._lost = os.open(places.notes / f"lost-{os.getpid()}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def keep(self, path: str | bytes | os.PathLike[Any], *, copy: bool = False) -> None:
        """Keep a file of the run as it is now (`copy`), or as it is when its last name goes."""
        place = os.path.abspath(os.fsdecode(path))  # noqa: PTH100  # a link itself, not what it leads to
        if not place.startswith(self._root) or place.startswith(self._kept):
            return
        try:
            self._keep(place, copy)
        except FileNotFoundError:
            pass
        except OSError as error:
            _write(self._lost, f"{place}: {error.strerror}\n".encode())

    def keep_tree(self, path: str | bytes | os.PathLike[Any]) -> None:
        """Keep all files below a folder."""
        for folder, _, names in os.walk(os.fsdecode(path)):
            for name in names:
                self.keep(f"{folder}/{name}")

    def keep_logs(self, database: str | os.PathLike[str]) -> None:
        """Keep what SQLite has beside a database."""
        for suffix in SUFFIXES:
            self.keep(f"{os.fspath(database)}{suffix}")

    def _keep(self, place: str, copy: bool) -> None:
        found = _stat(place, follow_symlinks=False)
        name = place[len(self._root) :].replace("/", "~")[-_LONGEST_NAME:]
        target = f"{self._kept}/{name}~{os.getpid()}-{next(_names_left)}"
        if copy or found.st_dev != self._device:
            shutil.copyfile(place, target, follow_symlinks=False)
        # One with another name is not gone: stores make a file under one name, link it to its own, and
        # refuse it if that is not the only one afterwards.
        elif found.st_nlink == 1 and (found.st_dev, found.st_ino) not in self._known:
            _link(place, target, follow_symlinks=False)
            self._known.add((found.st_dev, found.st_ino))

    def watch(self) -> None:
        """Begin to keep."""
        seen: dict[str, Callable[..., None]] = {
            "os.remove": lambda path, folder: self.keep(path) if folder == -1 else None,
            "os.rename": lambda _source, target, *_folders: self.keep(target),
            "os.truncate": lambda path, _length: self._keep_cut(path),
            "open": lambda path, _mode, flags: self._keep_cut(path) if flags & os.O_TRUNC else None,
            "shutil.rmtree": lambda path, *_folder: self.keep_tree(path),
        }

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            handle = seen.get(event)
            if handle is not None:
                handle(*arguments)

        sys.addaudithook(hook)
        _before_and_after(SQLiteBackend, "write", self)
        _before_and_after(SQLiteBackend, "close", self)

    def _keep_cut(self, path: object) -> None:
        if isinstance(path, str | bytes | os.PathLike):
            self.keep(path, copy=True)


def _before_and_after(kind: type, name: str, keeper: Keeper) -> None:
    native = getattr(kind, name)

    @functools.wraps(native)
    def call(backend: Any, *arguments: Any, **options: Any) -> Any:
        keeper.keep_logs(backend._path)
        try:
            return native(backend, *arguments, **options)
        finally:
            keeper.keep_logs(backend._path)

    setattr(kind, name, call)


def keep_servers() -> None:
    """Let the folders of servers stay after them: what a server removes, its logs still have."""
    removing = 'rm -rf "$folder"'
    assert removing in _process._GUARD
    _process._GUARD = _process._GUARD.replace(removing, ":")  # type: ignore[misc]


def temporary_folders_in(scratch: Path, root: Path) -> None:
    """Let folders for temporary files be made in `scratch` that would be made outside of `root`."""
    native = tempfile.mkdtemp

    def mkdtemp(suffix: Any = None, prefix: Any = None, dir: Any = None) -> Any:  # noqa: A002
        inside = dir is None or Path(os.fsdecode(dir)).resolve().is_relative_to(root)
        return native(suffix, prefix, dir if inside else str(scratch))

    tempfile.mkdtemp = mkdtemp
