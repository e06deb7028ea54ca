"""Writes all logins of a store to a file, for its owner only."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from zoho_tokenstore._util import atomic_files
from zoho_tokenstore._util.os_errors import exists
from zoho_tokenstore.cli import _copying as copying
from zoho_tokenstore.cli._json import login_of
from zoho_tokenstore.cli._opening import opened
from zoho_tokenstore.cli._shared import Progress, say, store_url
from zoho_tokenstore.cli._showing import report_unreadable
from zoho_tokenstore.cli._texts import counted
from zoho_tokenstore.copying import OnConflict
from zoho_tokenstore.copying._opening import CLEAR
from zoho_tokenstore.errors import BackendUnavailableError, ConfigurationError, TokenStoreError
from zoho_tokenstore.records import SECRET_COLUMNS, TokenRecord

_STANDARD_OUTPUT: Final = Path("-")


def run(path: Path, store: str | None, keys: str | None, *, as_csv: bool, unsealed: bool) -> None:
    """Write the file."""
    if not unsealed:
        raise ConfigurationError(
            "An export has all secrets in plain text: who reads it can use the logins. If that is what you "
            "want, add --unsealed."
        )
    if path != _STANDARD_OUTPUT and exists(path):
        raise ConfigurationError(f"{path} exists, and was left as it is. Name another file.")
    if as_csv:
        _as_csv(path, store, keys)
        return
    with opened(store, keys) as found:
        scan = found.repository.scan()
        if path == _STANDARD_OUTPUT:
            for record in scan:
                say(_line(record))
        else:
            count = _write(path, scan)
            say(f"{counted(count, 'login')} in {path}, with their secrets in plain text")
        report_unreadable(scan.unreadable)


def _as_csv(path: Path, store: str | None, keys: str | None) -> None:
    if path == _STANDARD_OUTPUT:
        raise ConfigurationError("The token file of Zoho's SDKs cannot go to standard output. Name a file.")
    url = f"csv:///{quote(str(path.absolute()))}"
    try:
        copying.run(store_url(store), url, keys, CLEAR, OnConflict.FAIL, dry_run=False, goes_on=False)
    except (TokenStoreError, KeyboardInterrupt):
        path.unlink(missing_ok=True)  # what looks like all logins is not left, as no other file is
        raise


def _write(path: Path, records: Iterable[TokenRecord]) -> int:
    """Write a file that is there whole or not at all; return how many records are in it."""
    count = 0
    try:
        with Progress("logins") as progress, atomic_files.new_version(path, b"") as scratch:
            with scratch.open("ab") as file:
                for count, record in enumerate(records, 1):
                    file.write(f"{_line(record)}\n".encode("ascii"))
                    progress.tell(count, "written")
                file.flush()
                os.fsync(file.fileno())
            scratch.rename(path)
        atomic_files.sync(path.parent)
    except OSError as error:
        raise BackendUnavailableError(f"{path} cannot be written: {error.strerror}.") from error
    return count


def _line(record: TokenRecord) -> str:
    values: dict[str, Any] = login_of(record) | {name: getattr(record, name) for name in SECRET_COLUMNS}
    return json.dumps(values)
