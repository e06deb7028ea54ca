"""`zoho-tokens doctor`: for people, for programs, and as a probe."""

from __future__ import annotations

import json
import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.doctor.support import KEY, SECRET, fill, sqlite
from zoho_tokenstore.cli._app import app
from zoho_tokenstore.doctor import check_names


def run(*arguments: str, **environment: str) -> Result:
    done = CliRunner().invoke(app, ["doctor", *arguments], env={"ZOHO_TOKENSTORE_KEYS": KEY, **environment})
    assert SECRET not in done.output
    return done


def test_nothing_is_wrong(folder: Path) -> None:
    """One line says where, how many rows and how long; another that all checks were made."""
    done = run("--store", fill(sqlite(folder)))
    assert done.exit_code == 0
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{folder / 'zohooauth.db'}: 2 rows read in 0.")
    assert second == f"All {len(check_names())} checks found nothing."


def test_verbose_lists_what_is_healthy(folder: Path) -> None:
    """A line each."""
    done = run("-v", "-s", fill(sqlite(folder)))
    listed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("healthy ")}
    assert listed == set(check_names())


def test_what_is_wrong(folder: Path) -> None:
    """The severity, the name, the summary, the rows, the command and the page; status 1."""
    url = fill(sqlite(folder))
    (folder / "zohooauth.db").chmod(0o644)
    done = run(ZOHO_TOKENSTORE_URL=url)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[1:] == [
        (
            "error        file-permissions: Every user of this host can access "
            f"{folder}/zohooauth.db (0644). Renew the "
            "secrets if others may have read them."
        ),
        f"               To mend it: chmod o-rwx {folder}/zohooauth.db",
        "               docs/reference/doctor.md#file-permissions",
    ]


def test_a_warning_is_no_failure(folder: Path) -> None:
    """A cron job is not woken by a single dead login."""
    url = fill(sqlite(folder))
    other = f"{KEY} clear"
    done = run("--store", "env:STORE", STORE=url, ZOHO_TOKENSTORE_KEYS=other)
    assert done.exit_code == 0
    assert "warning      keys-accept-clear:" in done.stdout


def test_what_could_not_be_checked(folder: Path) -> None:
    """It is listed with the reason, and is a failure."""
    done = run("--store", sqlite(folder))
    assert done.exit_code == 1
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("not checked"))
    assert "rows-do-not-open" in line
    assert line.endswith(": the store could not be asked")


def test_json_for_programs(folder: Path) -> None:
    """One object, with everything in it."""
    done = run("--store", fill(sqlite(folder)), "--json", ZOHO_TOKENSTORE_KEYS=f"{KEY} clear")
    told = json.loads(done.stdout)
    assert told["is_healthy"] is True
    assert (told["rows"], told["is_sample"]) == (2, False)
    (found,) = told["findings"]
    assert set(found) == {"check", "severity", "summary", "remedy", "count", "rows", "page"}
    assert (found["check"], found["severity"]) == ("keys-accept-clear", "warning")
    assert found["page"] == "docs/reference/doctor.md#keys-accept-clear"
    assert set(told["healthy"]) == set(check_names()) - {"keys-accept-clear"}


HOSTILE = "\x1b]0;owned\x07\n\u202eevil"


def test_hostile_ids_reach_no_terminal(folder: Path) -> None:
    """Nor does anything else that is stored."""
    url = fill(sqlite(folder))
    with closing(sqlite3.connect(folder / "zohooauth.db")) as connection:
        connection.execute(
            "UPDATE oauthtoken SET id = ?, user_name = ? WHERE user_name LIKE 'ann%'", (HOSTILE, HOSTILE)
        )
        connection.commit()
    done = run("--store", url)
    assert done.exit_code == 1
    assert "rows-do-not-open" in done.stdout
    assert not {"\x1b", "\x07", "\u202e"} & set(done.stdout)
    as_json = run("--store", url, "--json").stdout
    assert not {"\x1b", "\x07", "\u202e"} & set(as_json)
    assert json.loads(as_json)["findings"][0]["rows"][0]["id"] == HOSTILE


def test_keys_of_a_place(folder: Path) -> None:
    """As for the other commands."""
    path = folder / "keys"
    path.write_text(KEY)
    path.chmod(0o600)
    done = CliRunner().invoke(app, ["doctor", "--store", fill(sqlite(folder)), "--keys", f"file:{path}"])
    assert done.exit_code == 0


@pytest.mark.parametrize("duration", ["1s", "0.5s"])
def test_a_limit(folder: Path, duration: str) -> None:
    """In the words of the other commands."""
    assert run("--store", fill(sqlite(folder)), "--timeout", duration).exit_code == 0


@pytest.mark.parametrize("duration", ["0s", "0", "soon"])
def test_no_limit(folder: Path, duration: str) -> None:
    """Zero is no limit, and not the default either."""
    assert run("--store", fill(sqlite(folder)), "--timeout", duration).exit_code == 2


def test_all(folder: Path) -> None:
    """Every row, and every page of the file."""
    done = run("--store", fill(sqlite(folder)), "--all")
    assert (done.exit_code, "2 rows read" in done.stdout) == (0, True)


def test_quick_is_a_probe(folder: Path) -> None:
    """Four parts, a line each."""
    done = run("--quick", "--store", fill(sqlite(folder)))
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["open", "read", "lease", "clock"]
    assert all(line.endswith("healthy") for line in done.stdout.splitlines())
    told = json.loads(run("--quick", "--json", "--store", sqlite(folder)).stdout)
    assert (told["is_healthy"], told["is_ready"]) == (True, True)
    assert [part["name"] for part in told["parts"]] == ["open", "read", "lease", "clock"]


def test_quick_with_other_keys(folder: Path) -> None:
    """Its rows do not open."""
    from zoho_tokenstore import Keyset

    done = run("--quick", "--store", fill(sqlite(folder)), ZOHO_TOKENSTORE_KEYS=Keyset.generate().to_text())
    assert done.exit_code == 1
    assert "NOT healthy: None of the first 2 rows can be read" in done.stdout


def test_quick_creates_no_store(folder: Path) -> None:
    """It fails where there is none."""
    assert run("--quick", "--store", sqlite(folder)).exit_code == 1
    assert run("--quick", ZOHO_TOKENSTORE_URL=sqlite(folder)).exit_code == 1
    assert list(folder.iterdir()) == []


def test_quick_asks_no_store_of_its_own_process() -> None:
    """It would be healthy, and nobody else's."""
    done = run("--quick", "--store", "memory://")
    assert (done.exit_code, "exists only in its own process" in done.stderr) == (1, True)


def test_quick_is_limited_from_the_beginning() -> None:
    """A server that is silent when the store is opened is one that does not work."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        run("--quick", "--store", "redis://127.0.0.1:1")  # loads the driver
        began = time.monotonic()
        done = run("--quick", "--timeout", "0.5s", "--store", f"redis://127.0.0.1:{silent.getsockname()[1]}")
        assert 0.5 <= time.monotonic() - began < 3
    assert (done.exit_code, done.stdout) == (1, "")
    assert "could not be opened in time" in done.stderr
