"""The contract over the stores of Zoho's SDKs for Node, TypeScript and PHP, through the drivers we ship."""

from __future__ import annotations

import json
from typing import Final

import pytest
from sqlalchemy.engine import make_url

from tests.check import other_languages
from tests.languages import peers
from tests.support import servers
from zoho_tokenstore.testing import CheckReport, check

HELD: Final = ("F1", "F2", "F5", "S1", "S22", "I1", "G1")


def checked(store: str, *only: str) -> CheckReport:
    return check(f"{other_languages.__name__}:{store}", only=only)


def failed(report: CheckReport) -> dict[str, str]:
    return {result.clause.number: result.reason for result in report.of("failed")}


def test_file_store(package: str) -> None:
    """It is found and filled in as in Python; users and clients are mixed up, and deleted ids come back."""
    peers.command(package)
    language = {peers.NODE: "node", peers.TYPESCRIPT: "typescript", peers.PHP: "php"}[package]
    wrong = ("F4", "F16", "S6", "D5")
    report = checked(f"{language}_file", *HELD, *wrong)
    assert {*failed(report)} == {*wrong}
    assert {result.clause.number for result in report.of("passed")} == {*HELD}


def test_db_store_of_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up by a missing id ends the process: that clause fails, and shows why; the others are run."""
    peers.command(peers.NODE)
    url = make_url(servers.server("mariadb").url)
    server = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
    monkeypatch.setenv("ZOHO_CHECK_MARIADB", json.dumps(server))
    reasons = failed(checked("node_db", *HELD, "I4", "S7", "G3"))
    assert {*reasons} == {"I4", "S7", "G3"}
    assert "The driver ended (exit status 1). It logged: " in reasons["I4"]
    assert "Given ID is invalid" in reasons["I4"]
    assert "Duplicate entry '10'" in reasons["S7"]
