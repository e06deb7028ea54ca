"""No command on a store reports success over rows that it could not read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from zoho_tokenstore import Keyset, TokenRecord, open_repository
from zoho_tokenstore.cli._app import app

pytestmark = pytest.mark.clear

STORE, OTHER = "sqlite:///tokens.db", "sqlite:///other.db"

DAMAGE = {
    "a BLOB as a name": "UPDATE oauthtoken SET user_name = x'ff00' WHERE id = ?",
    "a BLOB as a secret": "UPDATE oauthtoken SET refresh_token = x'76657279' WHERE id = ?",
    "a number as a domain": "UPDATE oauthtoken SET api_domain = x'00' WHERE id = ?",
    "no text as an id": "UPDATE oauthtoken SET id = CAST(id AS BLOB) WHERE id = ?",
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZOHO_TOKENSTORE_KEYS", raising=False)
    monkeypatch.delenv("ZOHO_TOKENSTORE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    path = Path("keys")
    path.write_text(Keyset.generate().to_text(), encoding="ascii")
    path.chmod(0o600)


@pytest.fixture(params=DAMAGE.values(), ids=list(DAMAGE))
def damaged(request: pytest.FixtureRequest) -> str:
    """Return how one damaged row among three is named: by its id, or as SQL writes a BLOB."""
    with open_repository(STORE) as tokens:
        ids = [
            tokens.save(
                TokenRecord(user_name=name, client_id="c", client_secret="s", refresh_token=f"1000.{name}")
            ).id
            for name in ("alice", "bob", "carol")
        ]
    with closing(sqlite3.connect("tokens.db")) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(request.param, (ids[1],))
    is_blob = "CAST(id" in request.param
    return f"X'{str(ids[1]).encode().hex().upper()}'" if is_blob else str(ids[1])


def run(*arguments: str, status: int) -> str:
    done = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "400", "TERM": "dumb"})
    assert done.exit_code == status, done.output
    return done.output


@pytest.mark.parametrize("options", [[], ["--keys", "file:keys", "--verify"]], ids=["counting", "verifying"])
def test_status_tells_what_is_no_row(damaged: str, options: list[str]) -> None:
    """The row is counted, listed as unreadable under no key, and the command ends with 1."""
    told = run("keys", "status", "--store", STORE, *options, status=1)
    assert "3 rows in" in told
    assert f"not readable rows, and were left as they are: {damaged}" in told


@pytest.mark.parametrize("command", ["seal", "rotate"])
def test_seal_and_rotate_go_on_and_end_with_1(damaged: str, command: str) -> None:
    """The others are sealed; the damaged one is told, and the exit status says that not all are."""
    if command == "rotate":
        run("keys", "seal", "--store", STORE, "--keys", "file:keys", status=1)
    told = run("keys", command, "--store", STORE, "--keys", "file:keys", status=1)
    assert f"3 rows, {2 if command == 'seal' else 0} resealed" in told
    assert f"not readable rows, and were left as they are: {damaged}" in told


def test_copy_goes_on_and_ends_with_1(damaged: str) -> None:
    """The others are copied; the damaged one is told by its id and why."""
    told = run("copy", STORE, OTHER, status=1)
    assert "3 rows in" in told
    assert "2 copied" in told
    assert "2 of 3 are equal there" in told
    assert f"cannot be read, or do not open with the source's keys: {damaged} (its " in told


def test_a_damaged_row_in_the_destination_is_told(damaged: str) -> None:
    """Whose row it is cannot be known, so the copy is not called complete."""
    with open_repository(OTHER) as tokens:
        tokens.save(
            TokenRecord(user_name="dave", client_id="c", client_secret="s", refresh_token="1000.dave")
        )
    told = run("copy", OTHER, STORE, status=1)
    assert "All 1 are equal there" in told
    assert f"rows that cannot be read: {damaged} (its " in told
