"""How to make a CSV backend, and what the tests of the CSV store share."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from zoho_tokenstore.backends.csv import CSVBackend
from zoho_tokenstore.records import Row, TokenRecord
from zoho_tokenstore.repository import TokenRepository

ROOT = Path(__file__).resolve().parents[2]
FIXTURE = ROOT / "tests" / "fixtures" / "legacy" / "sdk_tokens.txt"
NAME = "sdk_tokens.txt"
PATIENCE = 100.0  # seconds for any other process; only a failing test waits so long

SDK_NAMES = (
    "id,user_name,client_id,client_secret,refresh_token,access_token,grant_token,expiry_time,"
    "redirect_uri,api_domain"
)
OWN_NAMES = (
    "created_at_ms,updated_at_ms,last_used_at_ms,identified_at_ms,refresh_token_digest,access_token_digest,"
    "grant_token_digest,mark"
)


def make(folder: Path) -> CSVBackend:
    """A backend without rows."""
    return CSVBackend(folder / NAME)


def reopen(folder: Path) -> CSVBackend:
    """A second handle on the same rows, as another process would open it."""
    return CSVBackend(folder / NAME)


def open_tokens(path: Path, *, timeout: float = 10.0) -> TokenRepository:
    return TokenRepository(CSVBackend(path, timeout=timeout))


def token(user_name: str, access_token: str = "access-1") -> TokenRecord:
    return TokenRecord(
        user_name=user_name,
        client_id="1000.C",
        client_secret="secret",
        refresh_token=f"refresh-{user_name}",
        access_token=access_token,
        expires_at_ms=4102444800000,
        api_domain="https://www.zohoapis.com",
    )


def rows_of(backend: CSVBackend) -> list[Row]:
    """The rows that can be read, in the order of their ids."""
    return [found for found in backend.scan() if isinstance(found, Row)]


def write_in_place(path: Path, text: str) -> None:
    """Write as the SDK's FileStore does: the same file, emptied and filled again."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(text)


def edit(path: Path, old: str, new: str) -> None:
    """Change a text in the file, in place, as a person with an editor does."""
    text = path.read_bytes().decode()
    assert old in text
    write_in_place(path, text.replace(old, new))


def lines_of(path: Path) -> list[list[str]]:
    """The file as anybody's csv module reads it."""
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


def beside(path: Path) -> set[str]:
    """What else is in the folder; the two lock files and the leases always are, once they were used."""
    return {file.name.replace(path.name, "*") for file in path.parent.iterdir()} - {"*"}


def run(module: str, *arguments: object) -> Any:
    """Run a script of this package in a process of its own, and return the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.csv.{module}", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
