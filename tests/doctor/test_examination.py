"""The examination itself: in time, harmless, complete, and honest about what it could not do."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import DOCS, Page
from tests.doctor.support import KEY, LONGEST, examined, fill, login, names, sqlite
from zoho_tokenstore.backends.sqlite._inspection import SQLiteInspection
from zoho_tokenstore.doctor import Finding, Severity, check_names, examine
from zoho_tokenstore.doctor._checks import CHECKS, Check, Stage, row_check
from zoho_tokenstore.doctor._subject import Login, Subject
from zoho_tokenstore.errors import BackendUnavailableError, ConfigurationError
from zoho_tokenstore.records import Found

HERE = Path(__file__).parent
PAGE = Page(DOCS / "reference" / "doctor.md")


def many(folder: Path, rows: int) -> str:
    """A store with so many rows, most of them written by a program with Zoho's code."""
    url = fill(sqlite(folder), keys=None)
    with closing(sqlite3.connect(folder / "zohooauth.db")) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.executemany(
            "INSERT INTO oauthtoken (id, user_name, client_id, client_secret, refresh_token, access_token, "
            "expiry_time, api_domain, etag, created_at_ms, updated_at_ms) "
            "VALUES (?, ?, 'c', 's', ?, 'a', '4102444800000', 'https://www.zohoapis.eu', 1, 1, 1)",
            ((str(900_000_000 + 83 * n), f"user-{n}", f"refresh-{n}") for n in range(rows)),
        )
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return url


@pytest.mark.parametrize("name", check_names())
def test_every_check_has_a_section_and_a_test(name: str) -> None:
    """The page says of each what causes it, what harm it does and what mends it; a test makes it find "
    "something."""
    section = re.search(rf"^## {name}\n((?:(?!## ).*\n)*)", PAGE.text, re.MULTILINE)
    assert section is not None
    for word in ("**Cause.**", "**Harm.**", "**Remedy.**"):
        assert word in section[1]
    assert any(f'"{name}"' in path.read_text() for path in HERE.glob("test_*.py") if path != Path(__file__))


def test_the_page_has_no_other_checks() -> None:
    """Names of checks are words that programs know."""
    assert set(re.findall(r"^## ([a-z]+(?:-[a-z]+)*)$", PAGE.text, re.MULTILINE)) == set(check_names())


def test_a_check_that_fails_is_not_healthy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named with its error; the others are made."""

    def fails(_: Subject) -> Iterable[Finding]:
        raise ZeroDivisionError("oops")

    monkeypatch.setitem(CHECKS, "failing", Check("failing", Stage.ANSWERED, run=fails))
    report = examined(fill(sqlite(folder)))
    assert report.not_checked == {"failing": "the check itself failed: ZeroDivisionError: oops"}
    assert not report.is_healthy
    assert set(report.healthy) == set(check_names()) - {"failing"}


def test_a_check_of_rows_that_fails_stops_no_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with the checks of the store as a whole."""

    def fails(login: Login, _: Subject) -> str | None:
        return str(1 // (login.found.id == "nobody"))

    monkeypatch.setitem(CHECKS, "failing", Check("failing", Stage.ROWS))  # it is taken away afterwards
    row_check("failing", Severity.ERROR, "{rows}", "")(fails)
    report = examined(fill(sqlite(folder)))
    why = "the check itself failed: ZeroDivisionError: integer division or modulo by zero"
    assert report.not_checked == {"failing": why}
    assert (report.rows, set(report.healthy)) == (2, set(check_names()) - {"failing"})


def test_a_large_store_is_sampled_in_time(folder: Path) -> None:
    """It says that there are more rows; what is read comes from all over the store."""
    url = many(folder, 150_000)
    report = examined(url, keys=None, timeout=timedelta(seconds=15))
    assert report.is_sample
    assert 2_000 < report.rows <= 21_000
    assert names(report) == ["unsealed-secrets"]
    found = report.findings[0]
    assert found.count == report.rows


def test_all_rows_are_read_if_wanted(folder: Path) -> None:
    """One bad row among many is found by reading them all."""
    url = many(folder, 30_000)
    with closing(sqlite3.connect(folder / "zohooauth.db")) as connection:
        connection.execute("UPDATE oauthtoken SET expiry_time = 'x' WHERE user_name = 'user-23456'")
        connection.commit()
    seen: list[int] = []
    report = examined(url, keys=None, everything=True, timeout=timedelta(seconds=0.5), on_rows=seen.append)
    assert (report.rows, report.is_sample) == (30_002, False)
    assert "rows-do-not-fit" in names(report)
    assert seen == sorted(seen)
    assert seen[-1] == 30_002


def test_a_store_of_a_few_thousand_rows_is_read_whole(folder: Path) -> None:
    """No sample is needed."""
    report = examined(many(folder, 1_500), keys=None)
    assert (report.rows, report.is_sample) == (1_502, False)


def test_a_database_that_others_hold(folder: Path) -> None:
    """Without a log, a writer keeps readers out; the limit holds."""
    url = fill(sqlite(folder))
    blocker = sqlite3.connect(folder / "zohooauth.db", isolation_level=None)
    blocker.execute("PRAGMA journal_mode = DELETE")
    blocker.execute("BEGIN EXCLUSIVE")
    blocker.execute("DELETE FROM oauthtoken")
    began = time.monotonic()
    report = examine(url, keys=KEY)
    assert time.monotonic() - began < LONGEST
    assert names(report) in (["store-unreachable"], ["store-unusable"])
    assert {"rows-unreadable", "schema-older", "durability"} <= set(report.not_checked)
    blocker.close()


@pytest.mark.parametrize("timeout", [0, 2, timedelta(0), timedelta(seconds=-1), None])
def test_a_limit_that_is_none(timeout: object) -> None:
    """What is passed is checked."""
    with pytest.raises(ConfigurationError, match="timedelta"):
        examine("sqlite:///x.db", timeout=timeout)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "teapot://x",
        "sqlite://host/x.db",
        "redis://user:hidden-word@[bad",
        "hidden-word",
        "hidden-word:x",
        "memory://",
        "list://",
        "",
    ],
)
def test_a_url_that_cannot_be_used(url: str) -> None:
    """It is reported like anything else, and not shown: it may be a password."""
    report = examined(url, keys=None)
    assert names(report) == ["store-unusable"]
    assert "hidden-word" not in repr(report)
    assert not report.is_healthy


def test_the_url_of_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is taken where none is given."""
    monkeypatch.setenv("ZOHO_TOKENSTORE_URL", fill(sqlite(folder)))
    assert examine(keys=KEY).rows == 2


def test_a_driver_that_is_missing() -> None:
    """It says what to install."""
    script = (
        "import sys; sys.modules['redis'] = None\n"
        "from zoho_tokenstore.doctor import examine\n"
        "(found,) = examine('redis://localhost').findings\n"
        "print(found.check, found.remedy)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith("store-unusable ")
    assert "zoho-tokenstore[redis]" in done.stdout


def test_findings_list_twenty_rows(folder: Path) -> None:
    """And count all of them."""
    url = fill(sqlite(folder), *(login(f"user-{n}") for n in range(30)))
    (found,) = examined(url, keys=None).findings
    assert (found.count, len(found.ids)) == (30, 20)


def test_importing_it_loads_no_driver() -> None:
    """Nor an SDK, nor an HTTP client."""
    script = (
        "import sys, zoho_tokenstore.doctor\n"
        "print({'sqlalchemy', 'redis', 'boto3', 'requests', 'zohocrmsdk', 'cryptography'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("rows", [0, 500])
def test_reading_that_stops(folder: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """What was found so far is reported; a check that found nothing in a part of the rows was not made."""
    inspected = SQLiteInspection.scan

    def scan(self: SQLiteInspection, **options: Any) -> Iterator[Found]:
        yield from islice(inspected(self, **options), rows)
        raise BackendUnavailableError("The disk is gone. Mount it.")

    monkeypatch.setattr(SQLiteInspection, "scan", scan)
    report = examined(many(folder, 1_000), keys=None, everything=True)
    assert names(report) == ["store-unreachable", "unsealed-secrets"][: 1 if not rows else 2]
    of_rows = {each.name for each in CHECKS.values() if each.judge is not None}
    assert set(report.not_checked) == of_rows - set(names(report))
    assert set(report.not_checked.values()) == {
        f"reading stopped after {rows} rows: The disk is gone. Mount it."
    }
    assert not {*report.healthy} & {*report.not_checked, *names(report)}
