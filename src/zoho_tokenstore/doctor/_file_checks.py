"""Checks of the files that a store consists of. They look at them from outside, and open none."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from zoho_tokenstore._util import mounts
from zoho_tokenstore._util.file_rights import check_place
from zoho_tokenstore._util.os_errors import exists
from zoho_tokenstore.doctor._checks import Stage, check, error, warning
from zoho_tokenstore.doctor._findings import Finding
from zoho_tokenstore.doctor._subject import Subject
from zoho_tokenstore.errors import BackendUnavailableError

_NETWORK: Final = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs", "gpfs"),
        *("beegfs", "ocfs2", "gfs2", "davfs", "ncpfs", "vboxsf", "prl_fs", "virtiofs", "fakeowner", "drvfs"),
        "orangefs",
    }
)
"""File systems shared between hosts, or with a virtual machine's host, by the kernel's names."""

_LOCAL_FUSE: Final = frozenset(
    {"fuseblk", "fuse.fuse-overlayfs", "fuse.lxcfs", "fuse.mergerfs", "fuse.encfs"}
)
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_MIN_FREE: Final = 64 * 1024
_LOW: Final = 16 * 1024 * 1024
_TWICE: Final = 2


@check("store-missing", Stage.FILES)
def store_missing(subject: Subject) -> Iterator[Finding]:
    """The file is not there, so the store is empty for whoever opens it, and is then created."""
    path = subject.files[0]
    if not exists(path):
        yield error(
            f"There is no store: {path} does not exist. A program that opens it starts with an empty one.",
            "Correct the path. After a loss, restore the file from a backup.",
        )


@check("file-permissions", Stage.FILES)
def file_permissions(subject: Subject) -> Iterator[Finding]:
    """Other users can read, change or replace the files."""
    there = [path for path in subject.files if exists(path)]
    open_ones = [path for path in there if path.stat().st_mode & stat.S_IRWXO] if os.name != "nt" else []
    if open_ones:
        modes = ", ".join(f"{path} ({stat.S_IMODE(path.stat().st_mode):04o})" for path in open_ones)
        yield error(
            f"Every user of this host can access {modes}. Renew the secrets if others may have read them.",
            f"chmod o-rwx {shlex.join(map(str, open_ones))}",
        )
    try:
        check_place(subject.files[0], *subject.files[1:])
    except BackendUnavailableError as refused:
        said, _, command = str(refused).partition("Run: ")
        yield error(said.strip(), command.partition(";")[0])


@check("mounted-file", Stage.FILES)
def mounted_file(subject: Subject) -> Iterator[Finding]:
    """The file is mounted without its folder, so its log or locks are not shared."""
    path = subject.files[0]
    if exists(path) and mounts.is_mount_point(path):
        yield error(
            f"{path} is mounted by itself, as into a container. The files next to it, which belong to it, "
            "are not shared with others who mount it: saved tokens can get lost.",
            "Mount the folder instead, for example: docker run -v "
            f"{shlex.quote(str(path.parent))}:/var/lib/tokens",
        )


@check("network-file-system", Stage.FILES)
def network_file_system(subject: Subject) -> Iterator[Finding]:
    """The file is on a file system shared by hosts, where locks and logs in memory do not hold."""
    kind = _kind_of(subject.files[0])
    if kind is not None and _is_network(kind):
        yield error(
            f"{subject.files[0]} is on a network file system ({kind}). Locks there do not hold between "
            "hosts, and a write-ahead log does not work: the file can be damaged.",
            "Move it to a local disk; for several hosts, copy it to a server: zoho-tokens copy SRC DST",
        )


@check("disk-space", Stage.FILES)
def disk_space(subject: Subject) -> Iterator[Finding]:
    """There is too little room: a new version of the file, or its log, needs as much as the file."""
    path = subject.files[0]
    if not path.parent.is_dir():
        return
    free, size = shutil.disk_usage(path.parent).free, _size(path)
    if free < size + _MIN_FREE:
        yield error(
            f"The disk of {path} is full: {free:,} bytes are free. Tokens cannot be saved.",
            "Free some space.",
        )
    elif free < max(_TWICE * size, _LOW):
        yield warning(
            f"The disk of {path} is nearly full: {free:,} bytes are free, and the file has {size:,}.",
            "Free some space.",
        )


def read_only_files(subject: Subject) -> Iterator[Finding]:
    """The file or its folder cannot be written by this user, or not by anybody."""
    path = subject.files[0]
    effective = os.access in os.supports_effective_ids
    for place, right in ((path.parent, os.W_OK | os.X_OK), (path, os.W_OK)):
        if exists(place) and not os.access(place, right, effective_ids=effective):
            yield error(
                f"{place} is read-only for this user (id {os.geteuid() if os.name != 'nt' else '?'}), or its "
                "file system is. Tokens cannot be saved.",
                f"Run this as the user of the service; or: chmod u+w {shlex.quote(str(place))}",
            )
            return


def lost_at_a_restart(subject: Subject) -> Iterator[Finding]:
    """The file is in memory."""
    kind = _kind_of(subject.files[0])
    if kind in _IN_MEMORY:
        yield error(
            f"{subject.files[0]} is in memory ({kind}): all tokens are lost when the host restarts.",
            "Move it to a disk.",
        )


def _kind_of(path: Path) -> str | None:
    table = mounts.table()
    return None if table is None else mounts.kind_of(path, table)


def _is_network(kind: str) -> bool:
    return kind in _NETWORK or (kind.startswith("fuse") and kind not in _LOCAL_FUSE)


def _size(path: Path) -> int:
    return path.stat().st_size if exists(path) else 0
