"""`zoho-tokens audit`: what it shows, finds, follows and verifies, and how it ends."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.audit.support import ALICE, entries_of, execute, opened, trail_of
from tests.support.processes import ROOT
from zoho_tokenstore import Keyset, TokenRecord, on_behalf_of, open_repository
from zoho_tokenstore.cli._app import app
from zoho_tokenstore.cli._shared import user_name
from zoho_tokenstore.registry import URL_VARIABLE

pytestmark = pytest.mark.clear


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A store with a trail of four entries."""
    with opened("sqlite", tmp_path) as repository:
        with on_behalf_of("rajesh"):
            saved = repository.save(ALICE)
            repository.save(ALICE.changed(access_token="second"))
        with on_behalf_of("amelia"):
            repository.delete(saved.id or "")
    return f"sqlite:///{tmp_path}/tokens.db"


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, ["audit", *arguments], env={"COLUMNS": "200", **environment})


def shown(*arguments: str) -> list[dict[str, Any]]:
    done = run(*arguments, "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_line_for_each_entry(url: str) -> None:
    """Number, time, what, login, user, actor, process and host, and what else there is to say."""
    done = run("--store", url)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert re.fullmatch(
        r" +2  20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z  logged_in        9\d+ +alice  by rajesh  "
        r"\S+\[\d+\]@\S+  \(login [0-9a-f]{16}\)",
        lines[1],
    )
    assert lines[0].split()[2:6] == ["audit_started", "-", "-", "by"]


def test_programs_read_json_lines(url: str, tmp_path: Path) -> None:
    """Each entry is an object with its fields, the time as RFC 3339 has it."""
    found = shown("-s", url)
    with opened("sqlite", tmp_path) as repository:
        entries = entries_of(repository)
    assert [(one["number"], one["what"], one.get("actor"), one["hash"]) for one in found] == [
        (entry.number, entry.what, entry.actor, entry.hash) for entry in entries
    ]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found[0]["at"])
    assert not {"at_ms", "reason"} & found[1].keys()


def test_filters(url: str) -> None:
    """By login, user, actor, kind and time; several together."""
    with contextlib.closing(open_repository(url)) as repository:
        repository.save(TokenRecord(user_name="bob@zylker.example:1", access_token="a"))
    every = shown("-s", url)

    def numbers(*arguments: str) -> list[int]:
        return [one["number"] for one in shown("-s", url, *arguments)]

    login = str(every[1]["token_id"])
    assert numbers("--login", login) == numbers("--login", str(every[1]["login"])) == [2, 3, 4]
    assert numbers("--actor", "rajesh") == [2, 3]
    assert numbers("--user", "alice", "--what", "renewed", "--what", "deleted") == [3, 4]
    assert numbers("--user", "bob@zylker.example") == numbers("--user", "bob@zylker.example:1") == [5]
    assert numbers("--since", "1h") == [1, 2, 3, 4, 5]
    assert numbers("--until", "1h") == numbers("--since", "2100-01-01") == numbers("--login", "x") == []
    assert numbers("--since", every[2]["at"], "--until", "2100-01-01T00:00:00+02:00")[-3:] == [3, 4, 5]


@pytest.mark.parametrize(
    "arguments",
    [("--since", "yesterday"), ("--since", "7"), ("--what", "brewed"), ("--until", "9" * 9 + "w")],
)
def test_wrong_usage(url: str, arguments: tuple[str, ...]) -> None:
    """It ends with 2."""
    assert run("-s", url, *arguments).exit_code == 2


def test_verifying(url: str) -> None:
    """A whole trail ends with 0, and its head is printed, to be kept elsewhere."""
    done = run("verify", "--store", url)
    assert done.exit_code == 0
    counted, intact, head = done.stdout.splitlines()
    assert re.fullmatch(r"4 entries, 1 \(20.+Z\) to 4 \(20.+Z\)", counted)
    assert intact == "Intact: chained, and not signed"
    anchor = head.removeprefix("Head: ")
    assert run("--store", url, "verify", "--anchor", anchor).exit_code == 0
    assert json.loads(run("verify", "-s", url, "--json").stdout)["head"] == anchor


def test_a_broken_trail(url: str, tmp_path: Path) -> None:
    """It ends with 1 and names the first broken entry, on standard error; no head is offered as good."""
    execute("sqlite", tmp_path, "DELETE FROM zoho_tokenstore_audit WHERE number = 2")
    done = run("verify", "--store", url)
    assert (done.exit_code, done.stderr) == (1, "BROKEN at entry 2: it is missing: after 1 comes 3.\n")
    assert "Head" not in done.stdout
    facts = json.loads(run("verify", "-s", url, "--json").stdout)
    assert (facts["is_intact"], facts["broken_at"]) == (False, 2)


def test_an_anchor_that_is_gone(url: str, tmp_path: Path) -> None:
    """It ends with 1: the end was removed."""
    head = json.loads(run("verify", "-s", url, "--json").stdout)["head"]
    execute("sqlite", tmp_path, "DELETE FROM zoho_tokenstore_audit WHERE number = 4")
    done = run("verify", "--store", url, "--anchor", head)
    assert done.exit_code == 1
    assert f"The anchor {head} is not in the trail" in done.stderr
    assert run("verify", "--store", url, "--anchor", "head").exit_code == 1


def test_an_anchor_behind_a_break_is_not_called_gone(url: str, tmp_path: Path) -> None:
    """Nothing was looked for there."""
    head = json.loads(run("verify", "-s", url, "--json").stdout)["head"]
    execute("sqlite", tmp_path, "UPDATE zoho_tokenstore_audit SET hash = 'x' WHERE number = 2")
    done = run("verify", "--store", url, "--anchor", head)
    assert (done.exit_code, "BROKEN at entry 2" in done.stderr, "anchor" in done.stderr) == (1, True, False)


@pytest.mark.parametrize("option", [("--user", "alice"), ("--json",), ("--what", "renewed")])
def test_an_option_that_would_be_ignored(url: str, option: tuple[str, ...]) -> None:
    """Before the name of another command it is wrong usage."""
    done = run("--store", url, *option, "verify")
    assert (done.exit_code, "after verify" in done.stderr) == (2, True)


def test_with_keys(tmp_path: Path) -> None:
    """With the keys of the store it is signed; with others it ends with 1."""
    keys, others = tmp_path / "keys", tmp_path / "others"
    for path in (keys, others):
        path.write_text(Keyset.generate().to_text())
        path.chmod(0o600)
    url = f"sqlite:///{tmp_path}/tokens.db"
    with open_repository(url, keys=f"file:{keys}", audit=True) as repository:
        repository.save(ALICE)
    done = run("verify", "-s", url, "--keys", f"file:{keys}")
    assert (done.exit_code, done.stdout.splitlines()[1]) == (0, "Intact: signed by the keys given here")
    done = run("verify", "-s", url, "--keys", f"file:{others}")
    assert (done.exit_code, done.stderr) == (1, "The keys given here did not sign the last 2 entries.\n")


def test_missing_entries_are_told(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That some could not be written is no tampering, but somebody should know."""
    with opened("sqlite", tmp_path) as repository:
        trail_of(repository)._count(3)
        repository.clear()
    done = run("verify", "-s", url)
    assert (done.exit_code, done.stderr) == (0, "3 entries could not be written, as later ones say.\n")
    assert "(3 entries before it could not be written)" in run("-s", url).stdout


def test_beginning(tmp_path: Path) -> None:
    """A trail is begun once, by the user who does it; without one, that is said."""
    url = f"sqlite:///{tmp_path}/tokens.db"
    open_repository(url).close()
    for command in ((), ("verify",)):
        done = run(*command, "-s", url)
        assert done.exit_code == 1
        assert "keeps no audit trail. SQLite and SQL databases can" in done.stderr
    for _ in range(2):
        done = run("start", "-s", url)
        assert done.stdout == f"{tmp_path}/tokens.db keeps an audit trail. Entries so far: 1\n"
    assert [(one["what"], one.get("actor")) for one in shown("-s", url)] == [("audit_started", user_name())]


def test_a_store_that_keeps_none(tmp_path: Path) -> None:
    """It is said what to do instead."""
    done = run("start", "-s", f"csv:///{tmp_path}/tokens.csv")
    assert done.exit_code == 1  # it does not exist, and is not created
    assert not (tmp_path / "tokens.csv").exists()
    open_repository(f"csv:///{tmp_path}/tokens.csv").close()
    done = run("start", "-s", f"csv:///{tmp_path}/tokens.csv")
    assert done.exit_code == 1
    assert "cannot keep an audit trail" in done.stderr


def test_the_url_from_the_environment(url: str) -> None:
    """By its own variable, or by one that is named."""
    assert run(**{URL_VARIABLE: url}).stdout == run("-s", url).stdout
    assert run("verify", "-s", "env:OTHER", OTHER=url).exit_code == 0


def test_a_terminal_obeys_nothing(tmp_path: Path) -> None:
    """Whatever names and actors contain is shown, in text and in JSON."""
    url = f"sqlite:///{tmp_path}/tokens.db"
    bad = "\x1b]0;owned\x07\n\u202e"
    with opened("sqlite", tmp_path) as repository, on_behalf_of(bad):
        repository.save(ALICE.changed(user_name=bad, client_id=bad))
    for arguments in ((), ("--json",)):
        done = run("-s", url, *arguments)
        assert len(done.stdout.splitlines()) == 2
        assert all(one.isprintable() for line in done.stdout.splitlines() for one in line)


def test_following_until_a_time(url: str) -> None:
    """It ends when that has passed: nothing more can come."""
    done = run("-s", url, "--follow", "--until", "2026-01-01")
    assert (done.exit_code, done.output) == (0, "")


@pytest.fixture
def following(url: str) -> Iterator[subprocess.Popen[str]]:
    """A process that follows the trail."""
    code = "from zoho_tokenstore.cli import main; main()"
    command = [sys.executable, "-u", "-c", code, "audit", "-s", url, "--follow", "--json"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def test_following(following: subprocess.Popen[str], tmp_path: Path) -> None:
    """Only new entries are shown, as they come; Ctrl+C ends it without a word."""
    output, errors = following.stdout, following.stderr
    assert output
    assert errors
    with ThreadPoolExecutor(1) as reader, opened("sqlite", tmp_path) as repository:
        line = reader.submit(output.readline)
        for number in count():  # it does not say when it has begun
            repository.save(ALICE.changed(user_name=f"{number}", refresh_token=f"{number}"))
            if wait([line], 0.2).done:
                break
    assert json.loads(line.result())["number"] > 4
    following.send_signal(signal.SIGINT)
    assert following.wait(20) == 130
    assert errors.read() == ""
