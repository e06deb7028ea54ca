"""A portal of Zylker Academy, from the first login to a revocation, against the local Zoho.

`zoho-tokens demo` runs it. It needs the extras `sdk` and `emulator`.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from zoho_tokenstore._demo import steps
from zoho_tokenstore._demo.story import MovableClock, Story
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.sdk import SQLiteStore

OUTPUT = Path("demo-output")
_MADE = ("zohooauth.db", "published.db")


def run() -> int:
    """Run all steps, show the stored tokens, and say where they are; return 0 if every check passed."""
    started = time.monotonic()
    os.environ.update(NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")  # a proxy would not find the local Zoho
    console = _console()
    database = _fresh_folder() / "zohooauth.db"
    console.print(Text("A portal of Zylker Academy, against the local Zoho. Nothing leaves this machine.\n"))
    clock = MovableClock()
    with (
        tempfile.TemporaryDirectory() as scratch,
        clock.in_use(),
        Emulator() as zoho,
        SQLiteStore(database, clock=clock.milliseconds) as store,
    ):
        story = Story(zoho, store, database, scratch, clock)
        passed = steps.run(story.steps(), console)
        console.print(_table(store.repository.scan(), story))
    _say_where(console, database)
    console.print(Text("To log in yourself, in a browser: make portal, in a clone of this project."))
    console.print(Text(f"{time.monotonic() - started:.1f} s"))
    return 0 if passed else 1


def _console() -> Console:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without ✓ still gets the words
    plain = not sys.stdout.isatty()
    without_colours = bool(os.environ.get("NO_COLOR"))
    return Console(
        highlight=False, width=130 if plain else None, color_system=None if without_colours else "auto"
    )


def _fresh_folder() -> Path:
    OUTPUT.mkdir(exist_ok=True)
    for name in _MADE:
        for suffix in ("", "-wal", "-shm"):
            (OUTPUT / f"{name}{suffix}").unlink(missing_ok=True)
    return OUTPUT


def _table(records: Iterable[TokenRecord], story: Story) -> Table:
    table = Table(title="Stored tokens", title_justify="left", box=box.ASCII)
    for column in ("id", "user_name", "client_id", "refresh\ntoken", "access\ntoken", "expires", "at Zoho"):
        table.add_column(column, overflow="fold", no_wrap=column != "user_name")
    for record in records:
        table.add_row(
            record.id,
            record.user_name,
            f"{(record.client_id or '')[:9]}…",
            _masked(record.refresh_token),
            _masked(record.access_token),
            _expiry(record),
            "valid" if story.is_live(record) else "revoked",
        )
    return table


def _masked(secret: str | None) -> str:
    return "-" if secret is None else f"…{secret[-4:]}"


def _expiry(record: TokenRecord) -> str:
    if record.expires_at_ms is None:
        return "-"
    minutes = round((record.expires_at_ms / 1000 - time.time()) / 60)
    return f"in {minutes} min"


def _say_where(console: Console, database: Path) -> None:
    query = "SELECT id, user_name, client_id, expiry_time FROM oauthtoken"
    console.print(Text(f"\nThe database is {database.as_posix()}. Look into it with one of"))
    console.print(Text(f'  sqlite3 {database.as_posix()} "{query}"'), soft_wrap=True)
    line = f"import sqlite3; print(*sqlite3.connect('{database.as_posix()}').execute('{query}'), sep='\\n')"
    console.print(Text(f'  python3 -c "{line}"'), soft_wrap=True)
