"""The command `zoho-tokens`.

Nothing heavy is imported before a command needs it: neither an SDK nor a driver nor a web framework.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

__all__ = ["main"]

_OURS = ("typer", "rich", "click")
_NAME = "zoho-tokens"
_INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit."""
    _open_closed_streams()
    _end_in_order()
    try:
        from zoho_tokenstore.cli._app import app
    except ModuleNotFoundError as missing:
        if missing.name not in _OURS:
            raise
        sys.exit(f'The command line needs {missing.name}. Run: pip install "zoho-tokenstore[cli]"')
    except KeyboardInterrupt:  # nothing has begun
        sys.exit(_INTERRUPTED)
    app(prog_name=_NAME)


def _end_in_order() -> None:
    """Let a closed terminal, `kill` and systemd stop a command as Ctrl+C does, with nothing half written."""
    for number in filter(None, (signal.SIGTERM, getattr(signal, "SIGHUP", None))):
        if signal.getsignal(number) is signal.SIG_DFL:  # `nohup` ignores one
            signal.signal(number, signal.default_int_handler)


def _open_closed_streams() -> None:
    """Replace streams that a daemon or `<&-` has closed: there is nobody to ask, or nobody to read."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  # until the end
