"""`zoho-tokens export`: all logins with their secrets, as JSON lines or as the SDKs' token file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from zoho_tokenstore.cli._shared import KeysPlace, StoreURL, told


class Format(StrEnum):
    """What a file of logins holds."""

    JSONL = "jsonl"
    CSV = "csv"


AsFormat = Annotated[Format, typer.Option("--format", help="JSON lines, or the token file of Zoho's SDKs.")]


def export(
    path: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="File to write; - is standard output.", show_default=False),
    ],
    store: StoreURL = None,
    keys: KeysPlace = None,
    as_format: AsFormat = Format.JSONL,
    unsealed: Annotated[
        bool, typer.Option("--unsealed", help="Confirm that all secrets are written in plain text.")
    ] = False,
) -> None:
    """Write all logins to a new file, with their secrets. Exits with 1 if rows cannot be read."""
    with told("Stopped. The export is not complete; run it again."):
        from zoho_tokenstore.cli import _exporting as exporting

        exporting.run(path, store, keys, as_csv=as_format is Format.CSV, unsealed=unsealed)
