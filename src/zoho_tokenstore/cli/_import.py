"""`zoho-tokens import`: logins from JSON lines, or from the SDKs' token file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoho_tokenstore.cli._copy import ConflictPolicy
from zoho_tokenstore.cli._export import AsFormat, Format
from zoho_tokenstore.cli._shared import KeysPlace, StoreURL, told
from zoho_tokenstore.copying import OnConflict


def import_(
    path: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="File to read; - is standard input.", show_default=False),
    ],
    store: StoreURL = None,
    keys: KeysPlace = None,
    as_format: AsFormat = Format.JSONL,
    on_conflict: ConflictPolicy = OnConflict.FAIL,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Import nothing; report what would be done.")
    ] = False,
) -> None:
    """Bring logins from a file into a store. Exits with 1 if lines are invalid, or any is then missing."""
    with told():
        from zoho_tokenstore.cli import _importing as importing

        importing.run(path, store, keys, on_conflict, as_csv=as_format is Format.CSV, dry_run=dry_run)
