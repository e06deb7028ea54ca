"""Stores of other languages are proven through drivers; one that breaks the protocol is told what it did."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from tests.check.test_check import command
from tests.support.processes import ROOT
from zoho_tokenstore import ConfigurationError
from zoho_tokenstore.cli._app import app
from zoho_tokenstore.testing import DriverError, RemoteStore, RemoteStoreError, check, fields_of, make_token
from zoho_tokenstore.testing._driver import borrow, give_back
from zoho_tokenstore.testing._tokens import SDKException

RIGHT: Final = [sys.executable, "tests/check/drivers/right.py"]
BAD: Final = [sys.executable, "-S", "tests/check/drivers/bad.py"]
TIMEOUT_S: Final = 0.5
PROTOCOL: Final = ROOT / "docs" / "reference" / "driver-protocol.md"
DRIVERS: Final = ROOT / "src" / "zoho_tokenstore" / "testing" / "drivers"

Open = Callable[..., RemoteStore]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens a driver on the folder of the test."""
    monkeypatch.chdir(ROOT)
    stores: list[RemoteStore] = []

    def open_(*words: str, timeout: float = 20.0) -> RemoteStore:
        stores.append(RemoteStore(words, tmp_path, timeout=timeout))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


def test_a_right_store_passes() -> None:
    """Clauses of every kind hold over the wire; those that mean nothing there are left out with a reason."""
    held = ["F1", "F2", "F13", "S1", "S20", "S22", "I4", "D3", "D5", "G1", "G3", "H6", "T3", "P1", "P3"]
    report = check(driver=" ".join(RIGHT), only=[*held, "I2", "S23"])
    assert report.subject == "SQLiteStore of zohocrmsdk8-0 0"
    assert {result.clause.number for result in report.of("passed")} == {*held}, report.of("failed")
    assert {result.clause.number: result.reason for result in report.of("skipped")} == {
        "I2": "it's about objects inside one process, and a driver passes copies",
        "S23": "it's about Python alone",
    }


SUBCLASS: Final = f"""
from zoho_tokenstore.testing import RemoteStore, TokenStoreContract

class TestTheirs(TokenStoreContract):
    def make_store(self, folder):
        return RemoteStore({RIGHT}, folder)

    def reopen(self, store, folder):
        return RemoteStore({RIGHT}, folder)
"""


def test_a_subclass_leaves_out_the_same(tmp_path: Path) -> None:
    """Clauses that make their store themselves are left out too, whoever makes it."""
    (tmp_path / "test_theirs.py").write_text(SUBCLASS)
    which = "logs_show_no_secret or killed_saves_are_kept or find_fills_in_place"
    options = ["-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(tmp_path)]
    command = [sys.executable, "-m", "pytest", *options, "-k", which, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert "1 passed, 2 skipped" in done.stdout, done.stdout + done.stderr


def test_a_driver_that_dies_loses_one_clause() -> None:
    """The next clause gets another process."""
    only = [word for number in ("I4", "G3", "I2", "T1") for word in ("--only", number)]
    done = command("--driver", " ".join([*BAD, "die", "find_token_by_id"]), *only)
    told = " ".join(done.stdout.split())
    assert done.returncode == 1, done.stderr
    assert "The driver ended (exit status 7). It logged: no such table: oauthtoken" in told
    assert "Left out: I2 (it's about objects inside one process, and a driver passes copies)" in told
    assert "Left out: T1 (the driver answers one request at a time)" in told
    assert told.endswith("BadStore of none 1: 1 of 2 clauses hold.")


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("hang", "didn't answer get_tokens within 0.5 s"),
        ("hang_with_a_child", "didn't answer get_tokens within 0.5 s"),
        ("never_end_the_line", "didn't answer get_tokens within 0.5 s"),
        ("close_the_output", "closed its standard output"),
        ("die", r"ended \(exit status 7\)\. It logged: no such table: oauthtoken"),
        (
            "log",
            "printed what is no answer: 'INFO looking for the token'. Its standard output is for answers",
        ),
        ("print_no_utf8", "printed what is no answer"),
        ("answer_another_request", "printed what is no answer"),
        ("answer_neither", "printed what is no answer"),
        (
            "send_a_number",
            "sent what is no token: {'id': '1', 'expires_in': 3600}. A token is an object of strings",
        ),
        ("send_another_field", "sent what is no token"),
        ("send_one_for_many", "answered get_tokens with a result of the wrong type: {'id': '1'}"),
    ],
)
def test_a_driver_that_breaks_the_protocol(opened: Open, mode: str, message: str) -> None:
    """It is ended, with everything it has started, and never asked again; the error says what it did."""
    store = opened(*BAD, mode, timeout=TIMEOUT_S if "hang" in mode or "line" in mode else 5.0)
    began = time.monotonic()
    with pytest.raises(DriverError, match=message):
        store.get_tokens()
    with pytest.raises(DriverError, match=message):
        store.delete_tokens()
    assert time.monotonic() - began < 4
    assert not store._driver.is_usable  # nothing else shows it
    assert store._driver._process.returncode is not None


def test_a_driver_that_reads_nothing(opened: Open) -> None:
    """A request that fills the pipe has the same deadline."""
    store = opened(*BAD, "deaf", timeout=TIMEOUT_S)
    with pytest.raises(DriverError, match=r"didn't answer save_token within 0\.5 s"):
        store.save_token(make_token(access_token="x" * 1_000_000))


def test_an_error_without_an_id(opened: Open) -> None:
    """A driver that can't read a request can't name it: its error belongs to the only one."""
    with pytest.raises(RemoteStoreError, match="no JSON"):
        opened(*BAD, "fail_without_an_id").get_tokens()


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["./nowhere"], ConfigurationError, "can't be started: No such file"),
        ([*BAD, "of another version"], ConfigurationError, "doesn't speak version 1 of the protocol"),
        ([sys.executable, "-c", "raise SystemExit('no SDK')"], DriverError, "ended .* It logged: no SDK"),
    ],
)
def test_what_is_no_driver(opened: Open, words: list[str], error: type[Exception], message: str) -> None:
    """It is told when the store is opened."""
    with pytest.raises(error, match=message):
        opened(*words)


@pytest.mark.parametrize(
    ("driver", "message"), [("node 'driver.mjs", "can't be read"), (" ", "is empty"), ("", "Name either")]
)
def test_what_is_no_command(driver: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check(driver=driver)


def test_two_open_stores_have_a_process_each(opened: Open) -> None:
    """A closed one leaves its process to the next store, which starts without the former's tokens."""
    one, other = opened(*BAD, "log"), opened(*BAD, "log")
    first = one._driver  # nothing else shows it
    assert other._driver is not first
    one.close()
    assert opened(*BAD, "log")._driver is first


def test_errors_keep_their_kind(opened: Open) -> None:
    """An exception of Zoho's SDK is one here, with its message; any other is not."""
    store = opened(*RIGHT)
    stored = make_token(user_name="alice", client_id="1000.A", client_secret="s", refresh_token="1000.r")
    store.save_token(stored)
    with pytest.raises(SDKException, match="belongs to another"):
        store.save_token(make_token(user_name="bob", id=stored.get_id(), access_token="1000.a"))
    assert [fields_of(token) for token in store.get_tokens() or ()] == [fields_of(stored)]


def examples() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the requests and answers that the page of the protocol shows."""
    lines = re.findall(r"^([→←]) (\{.*\})$", PROTOCOL.read_text("utf-8"), re.MULTILINE)
    messages = [json.loads(text) for _, text in lines]
    assert [mark for mark, _ in lines] == ["→", "←"] * (len(lines) // 2)
    return list(zip(messages[::2], messages[1::2], strict=True))


def test_the_page_of_the_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A right driver answers its requests with what it shows, but for the ids, messages and versions."""
    monkeypatch.chdir(ROOT)
    driver, shown = borrow(tuple(RIGHT)), examples()
    known = {"/tmp/check/0": str(tmp_path)}
    for request, answer in shown:
        params = json.dumps(request["params"])
        for theirs, ours in known.items():
            params = params.replace(theirs, ours)
        told = driver.ask(request["method"], json.loads(params), 20.0)
        known |= dict(zip(_ids(answer), _ids(told), strict=True))
        assert _shape(told) == _shape(answer), request
    give_back(driver)
    assert {request["method"] for request, _ in shown} == {
        *(
            "open",
            "find_token",
            "find_token_by_id",
            "save_token",
            "delete_token",
            "get_tokens",
            "delete_tokens",
        )
    }


def _ids(answer: Any) -> list[str]:
    return list(dict.fromkeys(re.findall(r'"(9\d{8})"', json.dumps(answer))))


def _shape(value: Any) -> Any:
    """Return a message without what differs from store to store."""
    if isinstance(value, list):
        return [_shape(each) for each in value]
    if not isinstance(value, dict):
        return value
    free = {"id", "name", "version", "sdk", "message"}
    return {name: "…" if name in free else _shape(each) for name, each in value.items() if each is not None}


@pytest.mark.parametrize(("language", "file"), [("node", "driver.mjs"), ("php", "driver.php")])
def test_a_driver_is_printed(language: str, file: str) -> None:
    """To be saved and changed."""
    done = CliRunner().invoke(app, ["check", "--print-driver", language])
    assert done.stdout == DRIVERS.joinpath(file).read_text("utf-8")
