"""Support for the tests. Here: faults, and those of Python's own file operations; see `sqlite_faults`."""

from __future__ import annotations

import contextlib
import enum
import errno
import functools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until other threads or processes have done something; only a failing test waits so long."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it never came true"
        time.sleep(0.005)


class Fault(enum.Enum):
    ENOSPC = errno.ENOSPC
    EIO = errno.EIO
    EACCES = errno.EACCES
    SHORT_WRITE = -errno.ENOSPC  # half of a write is done, the rest is ENOSPC; elsewhere plain ENOSPC


class Faults:
    """Counts operations, and says which of them fails."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Disarm, count all files, from 0, and forget what fired."""
        self.count = 0  # operations (on files that match) since arm() or reset()
        self.fired: list[tuple[str, str]] = []  # operation, base name of the file ("": a temporary one)
        self._after: int | None = None
        self._fault, self._once, self._match = Fault.EIO, True, ""
        self._full = False  # the last os.write was cut short, the next one finds the disk full

    def arm(
        self, after: int = 1, fault: Fault = Fault.EIO, once: bool = True, match: str | None = None
    ) -> None:
        """The `after`-th operation from now (1: the next) fails, all later ones too unless `once`.

        With `match` only files whose base name contains it are counted, and fail.
        """
        if after < 1:
            raise ValueError(f"after={after}: operations count from 1")
        self.reset()
        self._after, self._fault, self._once, self._match = after, fault, once, match or ""

    def disarm(self) -> None:
        """Nothing fails any more; `count` goes on and `fired` stays."""
        self._after, self._full = None, False

    def strike(self, operation: str, name: str) -> Fault | None:
        """Count this operation; the fault with which it is to fail, if it is."""
        if self._match not in name:
            return None
        self.count += 1
        fault = self._due(operation)
        if fault is not None:
            self.fired.append((operation, name))
        return fault

    def _due(self, operation: str) -> Fault | None:
        if self._full and operation == "os.write":
            self._full = False
            return Fault.ENOSPC
        if self._after is None or self.count < self._after:
            return None
        if self._once:
            self._after = None
        self._full = self._fault is Fault.SHORT_WRITE and operation == "os.write"
        return self._fault


_OS_CALLS = {  # and their first parameters (3.13 has no inspect.signature of os.chmod)
    **dict.fromkeys(("open", "chmod", "unlink", "remove"), ("path",)),
    **dict.fromkeys(("fsync", "fchmod", "write"), ("fd",)),
    **dict.fromkeys(("link", "replace", "rename"), ("src", "dst")),
}
_OS_PATHS = (("dst", "dst_dir_fd"), ("path", "dir_fd"), ("fd", ""), ("src", "src_dir_fd"))


@contextlib.contextmanager
def os_faults(directory: Path, faults: Faults | None = None) -> Iterator[Faults]:
    """Faults for `_OS_CALLS` on files below `directory`; their operations are called "os.open" and so on."""
    faults, root = faults or Faults(), directory.resolve()
    with contextlib.ExitStack() as stack:
        for name in _OS_CALLS:
            if hasattr(os, name):
                stack.enter_context(mock.patch.object(os, name, _failing(name, root, faults)))
        yield faults


def _failing(function: str, root: Path, faults: Faults) -> Callable[..., Any]:
    native = getattr(os, function)

    @functools.wraps(native)
    def call(*args: Any, **kwargs: Any) -> Any:
        name = _name_below(root, dict(zip(_OS_CALLS[function], args, strict=False)) | kwargs)
        fault = faults.strike(f"os.{function}", name) if name is not None else None
        if fault is None:
            return native(*args, **kwargs)
        if fault is Fault.SHORT_WRITE and function == "write" and (half := memoryview(args[1]).nbytes // 2):
            return native(args[0], memoryview(args[1]).cast("B")[:half])
        number = abs(fault.value)
        raise OSError(number, os.strerror(number), name)

    return call


def _name_below(root: Path, arguments: dict[str, Any]) -> str | None:
    """The base name of the file that a call is about, if it lies below the directory."""
    for path_key, dir_key in _OS_PATHS:
        if path_key in arguments:
            path = _path(arguments[path_key], arguments.get(dir_key))
            if path is not None and path.is_relative_to(root):
                return path.name
    return None


def _path(target: Any, dir_fd: int | None) -> Path | None:
    if isinstance(target, int):
        return _path_of_fd(target)
    base = Path.cwd() if dir_fd is None else _path_of_fd(dir_fd)
    path = base and base / os.fsdecode(target)
    return path and path.parent.resolve() / path.name


def _path_of_fd(fd: int) -> Path | None:
    """As Linux tells it, whoever opened it; a file that is unlinked already lies nowhere."""
    with contextlib.suppress(OSError):
        path = Path(f"/proc/self/fd/{fd}").readlink()
        if os.path.samestat(path.lstat(), os.fstat(fd)):
            return path
    return None
