"""Stores to examine: real ones, with sealed logins whose renewals are noted as a program notes them."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from zoho_tokenstore import Keyset, TokenRecord, open_repository
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.doctor import Report, examine
from zoho_tokenstore.renewal._lease_entry import LeaseEntry, Renewed
from zoho_tokenstore.renewal._task import names_of
from zoho_tokenstore.repository import TokenRepository

KEY: Final = Keyset.generate().to_text().strip()
HOUR_MS: Final = 3_600_000
SECRET: Final = "canary-of-the-doctor"
"""It is in every secret of a login here, and never in what an examination returns."""

LONGEST: Final = 2.3
"""Seconds that an examination with the default limit of 2 s may take, with what a busy machine adds."""


def login(name: str, **changes: Any) -> TokenRecord:
    """A login that is fresh for an hour."""
    record = TokenRecord(
        user_name=f"{name}@zylker.example",
        client_id="1000.CLIENT",
        client_secret=f"{SECRET}-client",
        refresh_token=f"{SECRET}-refresh-{name}",
        access_token=f"{SECRET}-access-{name}",
        expires_at_ms=now_ms() + HOUR_MS,
        api_domain="https://www.zohoapis.eu",
    )
    return replace(record, **changes)


def save(repository: TokenRepository, *records: TokenRecord) -> list[TokenRecord]:
    """Save logins, and note their renewal."""
    saved = [repository.save(record) for record in records]
    for each in saved:
        at = each.updated_at_ms or 0
        note(repository, each, LeaseEntry(renewed=Renewed(at, each.id or "", at, ("ZohoCRM.users.READ",))))
    return saved


def note(repository: TokenRepository, record: TokenRecord, entry: LeaseEntry) -> None:
    """Note something beside a login, as its renewals do."""
    (name, *_) = names_of(record)
    was = repository.leases.read(name).text
    assert repository.leases.replace(name, was, str(replace(entry, mark="m" + was[-8:])), entry.keep_ms())


def fill(url: str, *records: TokenRecord, keys: str | None = KEY) -> str:
    """Make a store with these logins, or with two; return its URL."""
    with open_repository(url, keys=keys) as repository:
        save(repository, *(records or (login("ann"), login("bob"))))
    return url


def examined(url: str, **options: Any) -> Report:
    """Examine a store with its keys, as by default: in time, and without telling a secret."""
    options = {"keys": KEY, **options}
    began = time.monotonic()
    report = examine(url, **options)
    if "timeout" not in options and not options.get("everything"):
        assert time.monotonic() - began < LONGEST + _LOADING
        assert report.seconds < LONGEST
    assert SECRET not in repr(report)
    assert KEY not in repr(report)
    return report


_LOADING: Final = 3.0
"""Seconds that loading a driver for the first time may take on a busy machine."""


def names(report: Report) -> list[str]:
    """The names of the checks that found something."""
    return [finding.check for finding in report.findings]


def sqlite(folder: Path) -> str:
    """The URL of a SQLite store in a folder."""
    return f"sqlite:///{folder / 'zohooauth.db'}"


def csv(folder: Path) -> str:
    """The URL of a CSV store in a folder."""
    return f"csv:///{folder / 'sdk_tokens.txt'}"


@contextlib.contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Mount something on a folder or file; where nobody may, the test is skipped."""
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, check=False, timeout=30)
    if done.returncode != 0:
        pytest.skip(f"this user may not mount: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=30)
