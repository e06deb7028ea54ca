"""Who else can access a file: its owner, its mode, and the folder that holds it."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from pathlib import Path
from typing import Final

from zoho_tokenstore._util.mounts import is_mount_point
from zoho_tokenstore.errors import BackendUnavailableError

_log: Final = logging.getLogger("zoho_tokenstore")
_GROUP: Final = stat.S_IRGRP | stat.S_IWGRP


def replaced(path: Path | str) -> BackendUnavailableError:
    """Return the error for a database whose file was replaced or deleted."""
    return BackendUnavailableError(
        f"The token database {path}, or its log, has been deleted or replaced since this store "
        "was opened. What was to be saved is not stored. Reopen the store, or restart the process."
    )


def check_mount(path: Path) -> None:
    """Refuse a file that is mounted by itself, as into a container.

    Its folder differs in each container, so that the files that belong next to it (a log, a
    lock) are not shared.
    """
    if is_mount_point(path):
        raise BackendUnavailableError(
            f"The file {path} is mounted by itself, so that the files next to it, which belong to it, are "
            f"not shared with others who mount it. Mount the folder that holds it instead."
        )


def check_names(path: Path) -> None:
    """Refuse a database with several names: SQLite keeps a log or journal beside each of them.

    Raises:
        BackendUnavailableError: it has hard links, with the command that finds them.
    """
    with contextlib.suppress(FileNotFoundError):
        found = path.stat()
        if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
            raise BackendUnavailableError(
                f"The token database {path} has {found.st_nlink} names (hard links). Programs that open it "
                "by different names do not see each other's log, and lose tokens. Remove the others; find "
                f"them with: find / -samefile '{path}'"
            )


def check_place(path: Path, *beside: Path) -> None:
    """Refuse a file that somebody else may have put there, or may replace.

    Who may write to a folder may replace every file in it. Another user's file or folder is accepted if it
    is shared on purpose, with a group that may read and write it, or is root's; but not where
    everybody may create files.

    None of the files needs to exist.
    """
    if os.name == "nt":  # the folder's access control list decides there
        return
    folder = path.parent.stat().st_mode
    if folder & stat.S_IWOTH and not folder & stat.S_ISVTX:
        raise BackendUnavailableError(
            f"Every user may write to the folder {path.parent}, so can replace {path.name} and read secrets "
            f"in it. Run: chmod o-w '{path.parent}'; or move the file to its own folder."
        )
    _check_owner(path.parent, path.parent.stat(), is_public=False)
    for file in (path, *beside):
        with contextlib.suppress(FileNotFoundError):
            _check_owner(file, file.lstat(), is_public=bool(folder & stat.S_IWOTH))


def close_to_others(*paths: Path) -> None:
    """Remove permission to read or write files from everybody but their owner, and log that.

    The published code creates them by the process's umask, world-readable as a rule. A group that may
    write one keeps its permissions: in a roll-out, several users may share it. If everybody could read
    it, a group's permission to only read is an accident.
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


def _close(path: Path) -> int | None:
    """Close a file to others; return its previous mode, if they could have read something."""
    try:
        known = path.stat()
        mode = stat.S_IMODE(known.st_mode)
        if not mode & stat.S_IRWXO:
            return None
        path.chmod(mode & (0o770 if mode & _GROUP == _GROUP else 0o700))
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise BackendUnavailableError(
            f"Every user can read {path}, and it belongs to another user. Ask its owner to run: "
            f"chmod o-rwx '{path}'"
        ) from error
    return mode if known.st_size else None  # an empty one is new


def _check_owner(file: Path, known: os.stat_result, *, is_public: bool) -> None:
    me = os.geteuid()
    if known.st_uid in {0, me} or (not is_public and (me == 0 or _is_shared(known))):
        return
    raise BackendUnavailableError(
        f"{file} belongs to another user (id {known.st_uid}), who can read and change what is in it. "
        f"If that is a mistake, run: chown {me} '{file}'; if you do not know the file, move it away. To "
        "share it, give it to a group that both are in, with mode 0660, where nobody else may write."
    )


def _is_shared(known: os.stat_result) -> bool:
    """Return whether a file is meant for a group of this process."""
    return known.st_mode & _GROUP == _GROUP and known.st_gid in {os.getegid(), *os.getgroups()}
