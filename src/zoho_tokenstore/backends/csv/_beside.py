"""The files next to a token file, and its lock, which is one of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from zoho_tokenstore._util import atomic_files
from zoho_tokenstore._util.file_locks import HostLock
from zoho_tokenstore.errors import BackendError, BackendTimeoutError

LEASES: Final = ".leases"
RETIRED: Final = ".retired"


def beside(tokens: Path) -> list[Path]:
    """Return what belongs to a token file; none of it need exist."""
    suffixes = (LEASES, RETIRED, ".lock", f"{LEASES}.lock")
    return [tokens.with_name(tokens.name + suffix) for suffix in suffixes]


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


class JSONFile:
    """A file of JSON next to a token file, with its permissions; `missing` is the content of none."""

    def __init__(self, tokens: Path, suffix: str, missing: object) -> None:
        self._tokens = tokens
        self.path = tokens.with_name(tokens.name + suffix)
        self._missing = missing
        self._closed = False

    def load(self) -> Any:
        """Return the content; raise a `ValueError` if it is not JSON."""
        if self._closed:
            raise BackendError(f"The store on {self._tokens} has been closed.")
        try:
            return json.loads(atomic_files.read(self.path)[0])
        except FileNotFoundError:
            return self._missing
        except RecursionError:
            raise ValueError("nested too deeply") from None

    def dump(self, content: object) -> None:
        """Replace the content; the caller holds the lock."""
        atomic_files.write_atomically(self.path, json.dumps(content).encode(), rights_of=self._tokens)

    def close(self) -> None:
        """Refuse everything from now on."""
        self._closed = True
