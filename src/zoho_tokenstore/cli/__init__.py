"""The command `zoho-tokens`.

Nothing heavy is imported before a command needs it: neither an SDK nor a driver nor a web framework.
"""

from __future__ import annotations

import sys

_OURS = ("typer", "rich", "click")


def main() -> None:
    """Run the command line and exit."""
    try:
        from zoho_tokenstore.cli.app import app
    except ModuleNotFoundError as missing:
        if missing.name not in _OURS:
            raise
        sys.exit(f'The command line needs {missing.name}. Run: pip install "zoho-tokenstore[cli]"')
    app()
