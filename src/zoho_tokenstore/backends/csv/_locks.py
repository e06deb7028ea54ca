"""The locks of the token file and of the leases: a file next to each."""

from __future__ import annotations

from pathlib import Path

from zoho_tokenstore._util.file_locks import HostLock
from zoho_tokenstore.errors import BackendTimeoutError


def lock_of(path: Path, timeout: float) -> HostLock:
    """Return the lock of a file, a file next to it."""
    lock = path.parent / f"{path.name}.lock"
    return HostLock(
        lock,
        timeout,
        lambda: BackendTimeoutError(
            f"The token file {path} was locked by others for {timeout:g} s. Nothing was changed; try again, "
            f"or find who holds {lock}."
        ),
    )
