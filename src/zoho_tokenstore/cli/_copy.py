"""`zoho-tokens copy`: from any store to any other."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from zoho_tokenstore.cli._shared import parse_keys, told
from zoho_tokenstore.copying import OnConflict
from zoho_tokenstore.sealing._sources import VARIABLE

_CLEAR: Final = "clear"

ConflictPolicy = Annotated[
    OnConflict, typer.Option(help="Which version stays, if the destination has another one.")
]


def parse_side_keys(text: str) -> str:
    """Return where the keys of a store are, or `clear` if it has none."""
    return text if text == _CLEAR else parse_keys(text)


def _url(name: str, metavar: str) -> Any:
    return typer.Argument(
        metavar=metavar, help=f"URL of the {name}, or env:NAME for the one in a variable.", show_default=False
    )


def _keys(option: str, owner: str) -> Any:
    return typer.Option(
        option,
        parser=parse_side_keys,
        metavar="PLACE",
        help=f"Keys of the {owner}: file:PATH or keyring:SERVICE; clear if it has none. [{VARIABLE}]",
        show_default=False,
    )


def copy(
    src: Annotated[str, _url("source", "SRC")],
    dst: Annotated[str, _url("destination", "DST")],
    src_keys: Annotated[str | None, _keys("--src-keys", "source")] = None,
    dst_keys: Annotated[str | None, _keys("--dst-keys", "destination")] = None,
    on_conflict: ConflictPolicy = OnConflict.FAIL,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Copy nothing; report what would be done.")
    ] = False,
) -> None:
    """Copy all tokens to another store, while both are in use. Exits with 1 if any is then missing there."""
    with told():
        from zoho_tokenstore.cli import _copying as copying

        copying.run(src, dst, src_keys, dst_keys, on_conflict, dry_run=dry_run)
