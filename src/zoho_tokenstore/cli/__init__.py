"""The command `zoho-tokens`.

Nothing heavy is imported before a command needs it: neither an SDK nor a driver nor a web framework.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["main"]

_OURS = ("typer", "rich", "click")
_NAME = "zoho-tokens"
_INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit."""
    _open_closed_streams()
    try:
        from zoho_tokenstore.cli._app import app
    except ModuleNotFoundError as missing:
        if missing.name not in _OURS:
            raise
        sys.exit(f'The command line needs {missing.name}. Run: pip install "zoho-tokenstore[cli]"')
    except KeyboardInterrupt:  # nothing has begun
        sys.exit(_INTERRUPTED)
    app(prog_name=_NAME)


def _open_closed_streams() -> None:
    """Replace streams that a daemon or `<&-` has closed: there is nobody to ask, or nobody to read."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  # until the end
