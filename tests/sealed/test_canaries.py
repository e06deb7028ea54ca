"""A run whose stores or tests leak is noticed, wherever they leak to."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sealed.canaries import canary_of, key_forms
from tests.sealed.plugin import LEAKED
from tests.sealed.search import FORMS, SPOKEN, search
from tests.support.processes import ROOT
from zoho_tokenstore.sealing import Keyset

pytestmark = pytest.mark.clear  # they plant clear secrets, which a search around them would find

HEAD = """
import logging, os, shutil, subprocess, sys, tempfile
from pathlib import Path
import pytest
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.records import Row, TokenRecord
from zoho_tokenstore.repository import TokenRepository

SECRET = "1000.a.secret.of.this.test"
CODE = "import sys; print('1000.a.secret' + '.of.this.test', file=sys.%s)"

class Leaky(SQLiteBackend):
    def write(self, row, *, expect):
        return super().write(row._replace(redirect_url=SECRET), expect=expect)

def log_in(backend):
    with TokenRepository(backend) as tokens:
        assert tokens.save(TokenRecord(user_name="alice", access_token=SECRET)).access_token == SECRET

@pytest.fixture(autouse=True)
def _sealed(tmp_path):
    log_in(SQLiteBackend(tmp_path / "tokens.db"))
"""

LEAKS = {
    "store": "log_in(Leaky(tmp_path / 'leaky.db'))",
    "file": "(tmp_path / 'note.json').write_text(SECRET)",
    "removed file": "(tmp_path / 'note').write_text(SECRET); (tmp_path / 'note').unlink()",
    "replaced file": (
        "(tmp_path / 'note').write_text(SECRET); (tmp_path / 'new').touch(); "
        "(tmp_path / 'new').replace(tmp_path / 'note')"
    ),
    "emptied file": "(tmp_path / 'note').write_text(SECRET); (tmp_path / 'note').write_text('')",
    "removed folder": (
        "(tmp_path / 'a').mkdir(); (tmp_path / 'a/note').write_text(SECRET); shutil.rmtree(tmp_path / 'a')"
    ),
    "temporary folder": (
        "with tempfile.TemporaryDirectory() as folder: (Path(folder) / 'note').write_text(SECRET)"
    ),
    "log of a database": (
        "b = SQLiteBackend(tmp_path / 'clear.db'); b.write(Row('1', access_token=SECRET), expect=None); "
        "b.remove('1'); b.close(); assert not (tmp_path / 'clear.db-wal').exists()"
    ),
    "output": "print(SECRET)",
    "output that a test reads": "print(SECRET); capsys.readouterr()",
    "record of a log": "logging.getLogger('anything').debug('%s', SECRET)",
    "output of a process": "subprocess.run([sys.executable, '-c', CODE % 'stdout'], capture_output=True)",
    "errors of a process": "subprocess.run([sys.executable, '-c', CODE % 'stderr'], capture_output=True)",
    "command line": "subprocess.run([sys.executable, '-c', 'pass', SECRET])",
    "key in a file": "(tmp_path / 'key').write_text(os.environ['ZOHO_TOKENSTORE_KEYS'])",
    "key on a command line": "subprocess.run([sys.executable, '-c', '', os.environ['ZOHO_TOKENSTORE_KEYS']])",
    "output of a fork": "pid = os.fork() or os._exit(os.write(1, SECRET.encode()) * 0); os.waitpid(pid, 0)",
}

FOUND = {
    "disk/pytest/test_store0/leaky.db",
    "disk/kept/pytest~test_store0~leaky.db-wal",
    "disk/pytest/test_file0/note.json",
    "disk/kept/pytest~test_removed_file0~note",
    "disk/kept/pytest~test_replaced_file0~note",
    "disk/kept/pytest~test_emptied_file0~note",
    "disk/kept/pytest~test_removed_folder0~a~note",
    "disk/kept/tmp~temporary~note",
    "disk/kept/pytest~test_log_of_a_database0~clear.db-wal",
    "disk/pytest/test_key_in_a_file0/key",
    "said/process.txt: access_token",  # read by a test, two of a process, and on a command line
    "said/process.txt: the key",
    "said/process.txt: a sealing key",
    "said/pytest.txt: access_token",  # printed, and by a fork
    "said/log-process.txt: access_token",
}


def run_sealed(folder: Path, tests: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_leak.py").write_text(f"{HEAD}\n{tests}")
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.sealed.plugin", *options),
            str(folder / "test_leak.py"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.long
@pytest.mark.parametrize("workers", ["0", "2"])
def test_every_leak_is_found(tmp_path: Path, workers: str) -> None:
    """In files that are there or were, in output and logs, on command lines; and it is not shown."""
    tests = "".join(
        f"def test_{name.replace(' ', '_')}(tmp_path{', capsys' * ('capsys' in leak)}):\n    {leak}\n"
        for name, leak in LEAKS.items()
    )
    done = run_sealed(tmp_path, tests, "-n", workers)
    assert done.returncode == LEAKED, done.stdout + done.stderr
    assert f"{len(LEAKS)} passed" in done.stdout
    assert found_in(done.stdout) == FOUND
    assert re.search(r"said/pytest.txt, .* \(2 times\)", done.stdout)
    assert "1000.a.secret.of" not in done.stdout + done.stderr
    assert "ztk1_" not in done.stdout + done.stderr


def found_in(output: str) -> set[str]:
    """Return the files that were named, without what varies, and what was found in output."""
    lines = re.findall(
        r"^  (\S+), byte [\d,]+: ((?:access_token|the key|a sealing key)?)", output, re.MULTILINE
    )
    varying = r"popen-gw\d[/~]|(?<=kept/)[\d.]+~"
    plain = ((re.sub(varying, "", file), what) for file, what in lines)
    plain = (
        (re.sub(r"\d+(?=\.txt)", "process", re.sub(r"~tmp\w+~", "~temporary~", file)), what)
        for file, what in plain
    )
    return {f"{file}: {what}" if file.startswith("said") else file for file, what in plain}


@pytest.mark.long
def test_a_run_without_a_leak_passes(tmp_path: Path) -> None:
    """It says how much was searched, and for how many canaries; too few of them are a failure."""
    for wanted, status in (("1", 0), ("2", LEAKED)):
        done = run_sealed(tmp_path, "def test_nothing(): pass\n", "--canaries", wanted)
        assert done.returncode == status, done.stdout + done.stderr
        assert re.search(
            r"^Searched \d+ files, [\d,]+ bytes, for 1 canaries in .* clear: 0$", done.stdout, re.M
        )
        assert ("Too few canaries: 2 were expected" in done.stdout) == bool(status)


@pytest.mark.long
def test_a_run_with_a_failing_test_fails(tmp_path: Path) -> None:
    """Though no secret is found; and the failure is shown."""
    done = run_sealed(tmp_path, "def test_wrong(): assert 1 == 2\n")
    assert done.returncode == 1
    assert "assert 1 == 2" in done.stdout
    assert "Found in clear: 0\n" in done.stdout


@pytest.mark.parametrize(
    ("secret", "canary"),
    [
        ("1000.access.1", "1000.access.1"),
        ("y1z2" * 100, "y1z2" * 16),
        ('1000.planted"é', "1000.planted"),
        ("short.1", None),
        ("1000.0000", None),
        ("' OR 'a'='a' -- oauthtoken", None),
    ],
)
def test_a_secret_is_looked_for_by_its_plain_part(secret: str, canary: str | None) -> None:
    """However it is escaped or cut off; not if it is too short, too simple, or mostly not plain."""
    assert canary_of(secret) == canary


FORMED = {
    "a token or code of the emulator": f"1000.{'a1' * 16}.{'b2' * 16}",
    "a client secret of the emulator": "c3" * 21,
    "a token of the tests' own processes": "1000.refresh.worker7",
    "an access token of the tests' own processes": "access-3-14",
    "a sealing key": Keyset.generate().to_text().strip(),
}


@pytest.mark.parametrize("what", FORMS | SPOKEN)
def test_secrets_that_nobody_registered_are_known_by_their_form(tmp_path: Path, what: str) -> None:
    """Those of other processes; what only resembles them is none."""
    for place, text in (
        ("said", f"({FORMED[what]})"),
        ("disk", f"{'d4' * 32} {'e5' * 20} 1000.{'A1' * 15} ztk1_… access-token"),
    ):
        (tmp_path / place).mkdir()
        (tmp_path / place / "file").write_text(text)
    searched = search(tmp_path, ["said", "disk"], {b"any": "any"})
    assert [re.sub(r", byte \d", "", line) for line in searched.found] == [f"said/file: {what}"]
    assert searched.files == 2


def test_the_key_is_found_without_its_mark_and_as_bytes(tmp_path: Path) -> None:
    """As its text without the beginning, in hexadecimal, and as the 32 bytes that it is."""
    forms: dict[bytes, str] = {}
    while len(forms) < 3:  # a line end among the bytes cannot be looked for
        key = Keyset.generate()
        forms = key_forms(key.to_text().strip())
    (tmp_path / "disk").mkdir()
    for number, content in enumerate(forms):
        (tmp_path / "disk" / f"{number}").write_bytes(b"\0" + content + b"\xff")
    assert search(tmp_path, ["disk"], forms).found == [
        f"disk/{number}, byte 1: the key of this run" for number in range(len(forms))
    ]
