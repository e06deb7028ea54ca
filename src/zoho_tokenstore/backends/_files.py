"""A file and its place: which file it is, whose it is, and who else can get at it."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import stat
from pathlib import Path
from typing import Final

from zoho_tokenstore.errors import BackendUnavailableError

Identity = tuple[int, int]

_log: Final = logging.getLogger("zoho_tokenstore")
_MOUNTS: Final = Path("/proc/self/mountinfo")
_ESCAPE: Final = re.compile(rb"\\([0-7]{3})")
_GROUP: Final = stat.S_IRGRP | stat.S_IWGRP


def identity(path: Path) -> Identity | None:
    """Return the device and inode of the file at a path, which tell it from any other; `None` for no file."""
    try:
        known = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return known.st_dev, known.st_ino


def replaced(path: Path | str) -> BackendUnavailableError:
    """Return the error for a database whose file is another one now, or none."""
    return BackendUnavailableError(
        f"The token database {path}, or its log beside it, has been deleted or replaced since this store "
        "was opened. What was to be saved is not stored. Open the store anew, or restart the process."
    )


def check_mount(path: Path) -> None:
    """Refuse a file that is mounted by itself, as into a container.

    Its folder is another one in each container, so that the files that belong beside it (a log, a
    lock) are not shared.

    Raises:
        BackendUnavailableError: it is a mount point.
    """
    if _is_mount_point(path):
        raise BackendUnavailableError(
            f"The file {path} is mounted by itself, so that the files beside it, which belong to it, are "
            f"not shared with others who mount it. Mount the folder that holds it instead."
        )


def check_place(path: Path, *beside: Path) -> None:
    """Refuse a file that somebody else may have put there, or may replace.

    Who may write a folder may replace every file in it. A file or folder of another user is accepted where it
    is shared on purpose: with a group that may read and write it; and by root. Neither holds where
    everybody may create files.

    Arguments:
        path: the file, which need not exist.
        beside: files that belong to it, and need not exist.

    Raises:
        BackendUnavailableError: with the command that mends it.
    """
    if os.name == "nt":  # the folder's access control list decides there
        return
    folder = path.parent.stat().st_mode
    if folder & stat.S_IWOTH and not folder & stat.S_ISVTX:
        raise BackendUnavailableError(
            f"Every user may write the folder {path.parent}, and so replace {path.name} and read the secrets "
            f"in it. Run: chmod o-w '{path.parent}'; or move the file to a folder of its own."
        )
    _check_owner(path.parent, path.parent.stat(), is_public=False)
    for file in (path, *beside):
        with contextlib.suppress(FileNotFoundError):
            _check_owner(file, file.lstat(), is_public=bool(folder & stat.S_IWOTH))


def close_to_others(*paths: Path) -> None:
    """Take the right to read or write files from everybody but their owner, and tell so in the log.

    The published code creates them by the process's umask, world-readable as a rule. A group that may
    write one keeps its rights: in a roll-out, several users may share it. Where everybody could read
    it, a group's right to read alone is an accident.

    Arguments:
        paths: the files, which need not exist; the log names the first that was open to others.

    Raises:
        BackendUnavailableError: others can read one, and only its owner can change that.
    """
    if os.name == "nt":
        return
    closed = [(path, mode) for path in paths if (mode := _close(path))]
    for path, mode in closed[:1]:
        _log.warning(
            "Every user could read %s (mode %04o). Only its owner can now, and a group that may write it; "
            "renew the secrets in it if others may have read them.",
            path,
            mode,
        )


def sync(path: Path) -> None:
    """See to it that a file, or the names in a folder, survive a loss of power."""
    if os.name == "nt":  # Windows has no fsync for folders, and journals what is made and renamed in them
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _close(path: Path) -> int | None:
    """Close a file to others; return the mode that it had, if that was needed."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if not mode & stat.S_IRWXO:
            return None
        path.chmod(mode & (0o770 if mode & _GROUP == _GROUP else 0o700))
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise BackendUnavailableError(
            f"Every user can read {path}, and it belongs to another user. Let its owner run: "
            f"chmod o-rwx '{path}'"
        ) from error
    return mode


def _check_owner(file: Path, known: os.stat_result, *, is_public: bool) -> None:
    me = os.geteuid()
    if known.st_uid in {0, me} or (not is_public and (me == 0 or _is_shared(known))):
        return
    raise BackendUnavailableError(
        f"{file} belongs to another user (id {known.st_uid}), who can read and change what is kept in it. "
        f"If that is a mistake, run: chown {me} '{file}'; if you do not know the file, move it away. To "
        "share it, give it to a group that both are in, with mode 0660, where nobody else may write."
    )


def _is_shared(known: os.stat_result) -> bool:
    """Tell whether a file is meant for a group of this process."""
    return known.st_mode & _GROUP == _GROUP and known.st_gid in {os.getegid(), *os.getgroups()}


def _is_mount_point(path: Path) -> bool:
    try:
        mounts = _MOUNTS.read_bytes().splitlines()
    except OSError:  # no Linux, or no /proc
        return path.stat().st_dev != path.parent.stat().st_dev
    wanted = os.fsencode(path)
    return any(_ESCAPE.sub(_unescaped, mount.split()[4]) == wanted for mount in mounts)


def _unescaped(escape: re.Match[bytes]) -> bytes:
    return bytes([int(escape[1], 8)])
