"""File systems: where each is mounted, and of what kind it is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

_TABLE: Final = Path("/proc/self/mountinfo")
_ESCAPE: Final = re.compile(rb"\\([0-7]{3})")


class Mount(NamedTuple):
    """One mount: where, and the kind of its file system, as the kernel names it."""

    point: bytes
    kind: str


def table() -> bytes | None:
    """Return the kernel's table of this process's mounts; `None` if there is none: it is not Linux."""
    try:
        return _TABLE.read_bytes()
    except OSError:
        return None


def mounts(text: bytes) -> Iterator[Mount]:
    """Yield the mounts in a table (proc(5), mountinfo), in the order in which they were made."""
    for line in text.splitlines():
        before, _, after = line.partition(b" - ")
        point = _ESCAPE.sub(lambda escape: bytes([int(escape[1], 8)]), before.split()[4])
        yield Mount(point, after.split()[0].decode(errors="replace"))


def is_mount_point(path: Path) -> bool:
    """Return whether something is mounted at exactly this path."""
    text = table()
    if text is None:
        return path.stat().st_dev != path.parent.stat().st_dev
    wanted = os.fsencode(path)
    return any(mount.point == wanted for mount in mounts(text))


def kind_of(path: Path, text: bytes) -> str | None:
    """Return the kind of the file system that a path without links is on, by a table of mounts."""
    wanted = os.fsencode(path)
    above = [mount for mount in mounts(text) if _is_below(wanted, mount.point)]
    # Of several at one point, the last one hides the others.
    nearest = max(reversed(above), key=lambda mount: len(mount.point), default=None)
    return None if nearest is None else nearest.kind


def _is_below(path: bytes, point: bytes) -> bool:
    return path == point or path.startswith(point.rstrip(b"/") + b"/")
