"""A run of the suite that leaks is noticed, wherever it leaks to."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.sealed.__main__ import LEAST, _run, _too_little
from tests.sealed.places import Places
from tests.sealed.scan import Findings
from tests.sealed.wanted import Notes
from tests.support.processes import ROOT
from zoho_tokenstore.crypto.keyring import KeyRing

pytestmark = pytest.mark.clear  # it plants clear secrets, which a scan around it would find

HEAD = """
import logging, os, shutil, subprocess, sys, tempfile
from pathlib import Path
import pytest
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.records import Row, TokenRecord
from zoho_tokenstore.repository import TokenRepository

SECRET = "1000.a.secret.of.this.test"

@pytest.fixture(autouse=True)
def _sealed(tmp_path):
    with TokenRepository(SQLiteBackend(tmp_path / "tokens.db")) as tokens:
        saved = tokens.save(TokenRecord(user_name="alice", access_token=SECRET))
        assert tokens.get(saved.id) == saved
"""

LEAKS = {
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
        "with tempfile.TemporaryDirectory(dir=Path.home()) as folder: "
        "(Path(folder) / 'note').write_text(SECRET)"
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
CODE = "import sys; print('1000.a.secret' + '.of.this.test', file=sys.%s)"


FOUND = {
    "disk/pytest/test_file0/note.json",
    "disk/kept/pytest~test_removed_file0~note",
    "disk/kept/pytest~test_replaced_file0~note",
    "disk/kept/pytest~test_emptied_file0~note",
    "disk/kept/pytest~test_removed_folder0~a~note",
    "disk/kept/tmp~temporary~note",
    "disk/kept/pytest~test_log_of_a_database0~clear.db-wal",  # twice: in the table, and in its index
    "disk/pytest/test_key_in_a_file0/key",
    "said/process.txt",  # read by a test, two of a process, a command line, and twice the key on one
    "said/pytest.txt",  # printed, and by a fork
    "said/log-process.txt",
}


def sealed_run(folder: Path, tests: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_leak.py").write_text(f"{HEAD}\nCODE = {CODE!r}\n{tests}")
    return subprocess.run(
        [sys.executable, "-m", "tests.sealed", *options, str(folder / "test_leak.py")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_every_leak_is_found(tmp_path: Path) -> None:
    """In files that are there or were, in output and logs, on command lines; and it is not shown."""
    tests = "".join(
        f"def test_{name.replace(' ', '_')}(tmp_path{', capsys' * ('capsys' in leak)}):\n    {leak}\n"
        for name, leak in LEAKS.items()
    )
    done = sealed_run(tmp_path, tests)
    assert done.returncode == 1, done.stdout + done.stderr
    assert found_in(done.stdout) == FOUND
    assert "Found in clear: 18\n" in done.stdout
    assert f"{len(LEAKS)} passed" in done.stdout
    assert "1000.a.secret.of" not in done.stdout + done.stderr
    assert "ztk1_" not in done.stdout + done.stderr


def test_a_run_without_a_leak_passes(tmp_path: Path) -> None:
    """It tells how much was searched, and for how many secrets."""
    done = sealed_run(tmp_path, "def test_nothing(): pass\n", "-n", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(
        r"^Searched \d+ files \(1 -shm, 1 -wal, \d+ others\), [\d,]+ bytes", done.stdout, re.MULTILINE
    )
    assert "for 1 sealed secrets" in done.stdout
    assert "Found in clear: 0\n" in done.stdout


def test_a_run_with_a_failing_test_fails(tmp_path: Path) -> None:
    """Though no secret is found; and the failure is shown."""
    done = sealed_run(tmp_path, "def test_wrong(): assert 1 == 2\n", "-n", "0")
    assert done.returncode == 1
    assert "assert 1 == 2" in done.stdout
    assert "Found in clear: 0\n" in done.stdout


def test_a_run_that_never_ends_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """With all its processes, also one that nobody waits for any more."""
    places = Places(tmp_path)
    places.make()
    hanging = "import subprocess\ndef test_it(): subprocess.run(['sleep', '300'])\n"
    (tmp_path / "test_hanging.py").write_text(hanging)
    monkeypatch.setattr("tests.sealed.__main__._LONGEST_RUN", 5.0)
    began = time.monotonic()
    assert _run(places, KeyRing.generate().to_text(), ["-n", "1", str(tmp_path / "test_hanging.py")]) != 0
    assert time.monotonic() - began < 60


def test_too_little_is_not_enough() -> None:
    """A run of the whole suite that notes or leaves next to nothing has not worked."""
    little = _too_little(Notes({"secret": "somewhere"}, 0, 0), Findings(), LEAST)
    assert [line.partition(":")[0] for line in little] == [f"too few {name}" for name in LEAST]
    enough = Findings(kinds=Counter({"-wal": LEAST["-wal"], "-shm": LEAST["-shm"], "others": LEAST["files"]}))
    enough.size, enough.said = LEAST["bytes"], LEAST["bytes of output"]
    assert _too_little(Notes(dict.fromkeys(map(str, range(LEAST["secrets"])), ""), 0, 0), enough, LEAST) == []


def found_in(output: str) -> set[str]:
    """Return the files that the scan named, without what differs from run to run."""
    files = re.findall(r"^  (\S+), byte", output, re.MULTILINE)
    plain = (re.sub(r"popen-gw\d[/~]|~\d+-\d+$", "", file) for file in files)
    return {re.sub(r"tmp\w+~", "temporary~", re.sub(r"\d+\.txt$", "process.txt", file)) for file in plain}
