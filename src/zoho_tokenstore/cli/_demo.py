"""`zoho-tokens demo`: a portal from the first login to a revocation, against the local Zoho."""

from __future__ import annotations

import typer

from zoho_tokenstore.cli._shared import FAILED, say, told


def demo() -> None:
    """Run a portal against a local Zoho, and check it. From the first login to a revocation."""
    with told():
        try:
            from zoho_tokenstore._demo import run
        except ModuleNotFoundError as missing:
            if (missing.name or "").startswith("zoho_tokenstore"):
                raise
            say(f'The demo needs {missing.name}. Run: pip install "zoho-tokenstore[sdk,emulator]"', err=True)
            raise typer.Exit(FAILED) from missing
        raise typer.Exit(run())
