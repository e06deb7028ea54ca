"""One bad row beside a hundred good ones: `zoho-tokens keys` seals, rotates and counts the hundred."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner

from tests.copying.support import make_backend, rows_of
from tests.copying.test_bad_rows import DAMAGE, GOOD, damaged, store_url
from zoho_tokenstore import Keyset
from zoho_tokenstore.cli._app import app
from zoho_tokenstore.cli._texts import shown_id
from zoho_tokenstore.records import UnreadableRow
from zoho_tokenstore.sealing import count_by_key

pytestmark = pytest.mark.clear

NOT_READ: Final = "1 row was not read: these are not readable rows, and were left as they are: "


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ZOHO_TOKENSTORE_KEYS", raising=False)
    monkeypatch.delenv("ZOHO_TOKENSTORE_URL", raising=False)
    monkeypatch.chdir(tmp_path)


def keys(*arguments: str, status: int) -> str:
    done = CliRunner().invoke(app, ["keys", *arguments], env={"COLUMNS": "200", "TERM": "dumb"})
    assert done.exit_code == status, done.output
    return done.output


@pytest.mark.parametrize("name", DAMAGE)
def test_a_hundred_rows_are_sealed_and_rotated_beside_a_bad_one(name: str, tmp_path: Path) -> None:
    """Each command names the bad row, ends with 1, and has done all others; it never says less."""
    kind, damage = DAMAGE[name]
    damaged(kind, tmp_path, damage)
    url = store_url(kind, tmp_path)
    with closing(make_backend(kind, tmp_path)) as backend:
        (bad,) = [found for found in backend.scan() if isinstance(found, UnreadableRow)]
    unread = f"{NOT_READ}{shown_id(bad.id)}"
    for command in ("seal", "rotate"):
        keys("generate", "--keys", "file:the.keys", status=0)
        told = keys(command, "--store", url, "--keys", "file:the.keys", status=1)
        assert "101 rows, 100 resealed" in told
        assert unread in told
        ring = Keyset.from_file("the.keys")
        with closing(make_backend(kind, tmp_path)) as backend:
            stock = count_by_key(backend, ring)
            assert (dict(stock.by_key), stock.refused) == ({ring.ids[0]: 100}, [])
            assert rows_of(backend, ring) == GOOD
        assert unread in keys("status", "--store", url, "--keys", "file:the.keys", "--verify", status=1)
        again = keys(command, "--store", url, "--keys", "file:the.keys", status=1)
        assert "101 rows, 0 resealed" in again
        assert unread in again


def test_an_empty_store_is_pointed_out(tmp_path: Path) -> None:
    """It is no failure, but perhaps another store than the one that was meant."""
    with closing(make_backend("sqlite", tmp_path)):
        pass
    keys("generate", "--keys", "file:the.keys", status=0)
    for command in ("status", "seal", "rotate"):
        told = keys(command, "--store", store_url("sqlite", tmp_path), "--keys", "file:the.keys", status=0)
        assert "The store is empty" in told
