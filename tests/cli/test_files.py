"""`export` and `import`: all that is stored comes back, and nobody sees it who should not."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.cli.conftest import Site
from tests.copying.support import in_order, numbered, rows_of
from tests.support import wait_until
from tests.support.processes import public_folder, without_rights
from tests.support.terminal import COMMAND, Terminal, environment
from zoho_tokenstore import Keyset
from zoho_tokenstore.cli._app import app
from zoho_tokenstore.records import Row
from zoho_tokenstore.registry import open_backend

pytestmark = pytest.mark.clear

ROWS = in_order(map(numbered, range(60)))
SECRET = "1000.very-secret"


def rows(url: str) -> list[Row]:
    with contextlib.closing(open_backend(url)) as backend:
        return rows_of(backend)


def test_an_export_needs_consent(site: Site) -> None:
    """Without `--unsealed` nothing is written."""
    site.put(*ROWS)
    out, err, status = site.run("export", "logins.jsonl")
    assert (status, out) == (1, "")
    assert "add --unsealed" in err
    assert not (site.folder / "logins.jsonl").exists()


def test_all_comes_back(site: Site) -> None:
    """Every field of every row, its times included, in a file for its owner alone; twice changes nothing."""
    site.put(*ROWS)
    other = f"sqlite:///{site.folder}/other.db"
    assert site.run("export", "--unsealed", "logins.jsonl").out.startswith("60 logins in logins.jsonl")
    assert stat.S_IMODE((site.folder / "logins.jsonl").stat().st_mode) == 0o600
    for copied in (60, 0):
        done = site.run("import", "logins.jsonl", "-s", other)
        assert done.status == 0, done.err
        assert f"{copied} copied, 0 overwritten" in done.out
    assert rows(other) == ROWS


def test_through_pipes(site: Site) -> None:
    """From standard output to standard input, into a sealed store."""
    site.put(*ROWS)
    key = Keyset.generate()
    exported = site.run("export", "--unsealed", "-").out
    other = f"sqlite:///{site.folder}/other.db"
    done = site.run("import", "-", "-s", other, text=exported, ZOHO_TOKENSTORE_KEYS=key.to_text())
    assert done.status == 0, done.err
    assert "refresh.1" not in (site.folder / "other.db").read_bytes().decode("latin-1")
    again = site.run("export", "--unsealed", "-", "-s", other, ZOHO_TOKENSTORE_KEYS=key.to_text())
    assert again.out == exported


def test_the_token_file_of_the_sdks(site: Site) -> None:
    """`--format csv` writes and reads it."""
    site.put(*ROWS)
    other = f"sqlite:///{site.folder}/other.db"
    assert site.run("export", "--unsealed", "--format", "csv", "sdk_tokens.txt").status == 0
    header = (site.folder / "sdk_tokens.txt").read_text().splitlines()[0]
    assert header.startswith("id,user_name,client_id,client_secret,refresh_token")
    assert site.run("import", "--format", "csv", "sdk_tokens.txt", "-s", other).status == 0
    assert rows(other) == ROWS
    for arguments in (["export", "--unsealed", "-"], ["import", "-"]):
        assert site.run(*arguments, "--format", "csv").status == 1


def test_a_file_that_exists_is_left_alone(site: Site) -> None:
    """Whatever the format."""
    site.put(*ROWS)
    (site.folder / "there").write_text("mine")
    for kind in ("jsonl", "csv"):
        assert site.run("export", "--unsealed", "there", "--format", kind).status == 1
    assert (site.folder / "there").read_text() == "mine"
    assert site.run("export", "--unsealed", "no/folder/there").status == 1


@pytest.mark.parametrize(("kind", "begun"), [("jsonl", ".logins.*"), ("csv", "logins")])
def test_a_stopped_export_leaves_nothing(site: Site, kind: str, begun: str) -> None:
    """The file is there whole or not at all, and so another run isn't refused because of it."""
    site.put(*map(numbered, range(5000)))
    command = ["export", "--unsealed", "logins", "--format", kind]
    with Terminal(command, env=site.env, cwd=site.folder) as terminal:
        while not list(site.folder.glob(begun)):
            pass
        terminal.type("\x03")
        shown = terminal.end()
    assert shown.status == 130
    assert "The export is not complete; run it again." in shown.text
    assert not [path for path in site.folder.iterdir() if "logins" in path.name and path.stat().st_size]


@pytest.mark.skipif(os.name == "nt", reason="it knows no such limit")
def test_a_failed_export_leaves_nothing(site: Site) -> None:
    """A token file with some of the logins would be taken for all of them."""
    site.put(*map(numbered, range(500)))
    line = f"ulimit -f 40; trap '' XFSZ; {' '.join(COMMAND)} export --unsealed logins --format csv"
    done = subprocess.run(
        ["bash", "-c", line], env=site.env, cwd=site.folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "run it again to continue" not in done.stderr
    assert not (site.folder / "logins").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_stops_it_like_ctrl_c(number: signal.Signals, tmp_path: Path) -> None:
    """In order: what is half done is undone, such as a file of an export with secrets in it."""
    store = tmp_path / "tokens.db"
    process = subprocess.Popen(
        [*COMMAND, "import", "-", "--store", f"sqlite:///{store}"],
        env=environment(),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(store.exists)
        process.send_signal(number)
        assert process.stderr is not None
        assert process.stderr.read() == "Stopped. What was done stays done; run it again to continue.\n"
        assert process.wait(60) == 130
    finally:
        process.kill()
        process.communicate()


BAD = {
    "not JSON": "x" + SECRET,
    "a list": json.dumps([SECRET]),
    "deep": "[" * 100_000,
    "no token": json.dumps({"user_name": SECRET}),
    "unknown field": json.dumps({"refresh_token": "r", SECRET: 1}),
    "a number": json.dumps({"refresh_token": 17, "user_name": SECRET}),
    "NUL": json.dumps({"refresh_token": f"{SECRET}\0"}),
    "surrogate": '{"refresh_token": "' + SECRET + '\\ud800"}',
    "no time": json.dumps({"refresh_token": SECRET, "expires_at": SECRET}),
    "no time zone": json.dumps({"refresh_token": SECRET, "expires_at": "2026-11-30T06:00:00"}),
    "a long id": json.dumps({"refresh_token": SECRET, "id": "x" * 191}),
}


def test_bad_lines(site: Site) -> None:
    """Each is named by its number, without its content; the others are imported, and the exit code is 1."""
    good = [
        json.dumps({"user_name": name, "client_id": "c", "refresh_token": name}) for name in ("ann", "bob")
    ]
    lines = [good[0], *BAD.values(), "", good[1]]
    done = site.run("import", "-", text="\n".join(lines))
    assert done.status == 1
    for number, name in enumerate(BAD, 2):
        assert f"Line {number} was left out: " in done.err, name
    assert SECRET not in done.out + done.err
    assert "Traceback" not in done.err
    assert sorted(record.user_name or "" for record in site.records()) == ["ann", "bob"]


def test_a_line_that_is_too_long(site: Site) -> None:
    """It counts as one, and no part of it is a login, wherever it is cut."""
    hidden = json.dumps({"user_name": "hidden", "access_token": SECRET})
    long = " " * (1 << 20) + hidden + " " * (1 << 20) + hidden
    good = json.dumps({"user_name": "good", "access_token": SECRET})
    done = site.run("import", "-", text=f"{long}\n{good}\nnot JSON\n{long}")
    assert done.err.splitlines() == [
        "Line 1 was left out: It has 1,048,576 bytes or more.",
        "Line 3 was left out: It is not a JSON object.",
        "Line 4 was left out: It has 1,048,576 bytes or more.",
    ]
    assert [record.user_name for record in site.records()] == ["good"]


def test_a_line_that_just_fits(site: Site) -> None:
    """With its end it has as many bytes as are read at once; the one after it is not lost."""
    ann, bob = (
        json.dumps({"user_name": name, "client_id": "c", "refresh_token": name}) for name in ("ann", "bob")
    )
    text = f"{ann.ljust((1 << 20) - 1)}\n{bob}\nnot JSON\n"
    done = site.run("import", "-", text=text)
    assert done.err.splitlines() == ["Line 3 was left out: It is not a JSON object."]
    assert sorted(record.user_name or "" for record in site.records()) == ["ann", "bob"]


def test_bytes_that_are_no_text(site: Site) -> None:
    """Likewise."""
    (site.folder / "bad").write_bytes(b'{"refresh_token": "\xff"}\n\xef\xbb\xbf{"refresh_token": "r"}\n')
    done = site.run("import", "bad")
    assert (done.status, len(site.records())) == (1, 1)
    assert done.err.startswith("Line 1 was left out: It is not a JSON object.")


def test_a_line_without_an_id(site: Site) -> None:
    """Gets the id of its owner's row, or the one that a login would have got; again, nothing changes."""
    line = json.dumps({"user_name": "ann", "client_id": "c", "client_secret": "s", "refresh_token": "r"})
    for copied in (1, 0):
        done = site.run("import", "-", text=line)
        assert done.status == 0, done.err
        assert f"{copied} copied" in done.out
    (record,) = site.records()
    assert len(record.id or "") == 9


def test_a_line_of_an_owner_with_another_id(site: Site) -> None:
    """It is the same login: nothing is added, and nothing is in the way."""
    site.put(Row(id="7", user_name="ann", client_id="c", client_secret="s", refresh_token="r"))
    line = json.dumps({"user_name": "ann", "client_id": "c", "client_secret": "s", "refresh_token": "r"})
    done = site.run("import", "-", text=line)
    assert (done.status, [record.id for record in site.records()]) == (0, ["7"]), done.err


def test_one_id_twice(site: Site) -> None:
    """The first line counts; the second is named."""
    lines = [json.dumps({"id": "1", "user_name": name, "refresh_token": name}) for name in ("ann", "bob")]
    done = site.run("import", "-", text="\n".join(lines))
    assert done.status == 1
    assert "Line 2 was left out: Another line has the same id" in done.err
    assert [record.user_name for record in site.records()] == ["ann"]


def test_what_is_stored_meanwhile_stays(site: Site) -> None:
    """An old export overwrites no newer tokens, unless that is asked for."""
    site.put(*ROWS[:3])
    site.run("export", "--unsealed", "old.jsonl")
    with contextlib.closing(open_backend(site.url)) as backend:
        stored = backend.load(ROWS[0].id)
        assert stored is not None
        backend.write(stored._replace(access_token="1000.newer"), expect=stored.etag)
    assert site.run("import", "old.jsonl").status == 1
    assert "1000.newer" in [row.access_token for row in rows(site.url)]
    assert site.run("import", "old.jsonl", "--on-conflict", "overwrite").status == 0
    assert rows(site.url) == ROWS[:3]


def test_a_rehearsal(site: Site) -> None:
    """`--dry-run` writes nothing."""
    site.put(ROWS[0])
    line = json.dumps({"user_name": "ann", "refresh_token": "r"})
    done = site.run("import", "-", "--dry-run", text=line)
    assert (done.status, "1 would be copied" in done.out) == (0, True)
    assert rows(site.url) == ROWS[:1]


def test_a_rehearsal_for_a_store_that_is_not_there_yet(site: Site) -> None:
    """As with `copy`: it says what would be done, and creates nothing; in both formats."""
    line = json.dumps({"user_name": "ann", "refresh_token": "r"})
    done = site.run("import", "-", "--dry-run", text=line)
    assert (done.status, "1 would be copied, 0 would be overwritten" in done.out) == (0, True)
    assert "tokens.db (not there yet)" in done.out
    site.put(ROWS[0], url=f"csv:///{site.folder}/old.txt")
    done = site.run("import", "old.txt", "--format", "csv", "--dry-run")
    assert (done.status, "tokens.db (not there yet)" in done.out) == (0, True)
    assert not (site.folder / "tokens.db").exists()


def test_a_file_that_cannot_be_read(site: Site) -> None:
    """Is an error in a sentence."""
    done = site.run("import", "nowhere.jsonl")
    assert (done.status, done.err) == (1, "Error: nowhere.jsonl cannot be read: No such file or directory.\n")


NEEDS_ROOT = pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can become nobody")


@NEEDS_ROOT
@pytest.mark.parametrize(
    "command",
    [
        "list -s {url}",
        "copy {url} csv:///x.txt",
        "copy --dry-run csv:///{here}/x.txt {url}",
        "export {path} --unsealed",
    ],
)
def test_a_folder_that_this_user_may_not_enter(command: str) -> None:
    """Whether a file is there cannot be seen; the message names the file, and what is in the way."""
    with public_folder() as here:
        (here / "x.txt").touch()
        (here / "closed").mkdir(mode=0o700)
        path = here / "closed" / "tokens.db"
        words = command.format(url=f"sqlite:///{path}", path=path, here=here).split()

        def run() -> str:
            return CliRunner().invoke(app, words).output

        run()  # what it needs is imported, which nobody may
        assert without_rights(run).startswith(f"Error: The file {path} cannot be used: access is denied.")
