"""Run the suite sealed, and search what it leaves: `python -m tests.sealed [OPTIONS] [pytest's arguments]`.

The exit status is 0 if every test passed and no secret was found in clear. Options: with `--whole` it
is a failure, too, to find less to search than the whole suite leaves; with `--keep` the files stay.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.sealed.places import VARIABLE, Places
from tests.sealed.scan import Findings, Hit, search
from tests.sealed.wanted import Notes, Wanted, read_notes
from zoho_tokenstore.crypto.keyring import KeyRing
from zoho_tokenstore.crypto.sources import VARIABLE as KEYS

ROOT: Final = Path(__file__).resolve().parents[2]
LEAST: Final = {
    "secrets": 4_000,
    "files": 10_000,
    "-wal": 1_500,
    "-shm": 1_500,
    "bytes": 200_000_000,
    "bytes of output": 1_000_000,
}
"""What the whole suite leaves at least: a search that looks at less has not worked."""

_MEMORY: Final = Path("/dev/shm")
_ROOM: Final = 4 << 30
_LONGEST_RUN: Final = 3600.0  # seconds; only tests that hang take so long
_MOST_SHOWN: Final = 50
_HEADING: Final = re.compile(rb"=+ (.+?) =+\n")


def main(arguments: list[str]) -> int:
    """Run the tests, and the search."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends the tests, and removes what they left
    options = {argument for argument in arguments if argument in ("--keep", "--whole")}
    chosen = [argument for argument in arguments if argument not in options]
    places = Places(Path(tempfile.mkdtemp(prefix="sealed-", dir=_quick_place())))
    try:
        places.make()
        return _run_and_search(places, chosen, LEAST if "--whole" in options else {})
    finally:
        if "--keep" in options:
            print(f"What the run left is in {places.root}")
        else:
            shutil.rmtree(places.root)


def _run_and_search(places: Places, chosen: list[str], least: dict[str, int]) -> int:
    key = KeyRing.generate().to_text().strip()
    before = set(ROOT.iterdir())
    status = _run(places, key, chosen)
    began = time.monotonic()
    dropped = [path for path in set(ROOT.iterdir()) - before if not path.name.endswith("_cache")]
    notes = read_notes(places.notes)
    findings = search(places.root, [places.disk, places.said, *dropped], Wanted(notes.secrets, [key]))
    _tell(notes, findings, time.monotonic() - began)
    wrong = [*_told(findings.hits)[:_MOST_SHOWN], *_not_kept(places), *_too_little(notes, findings, least)]
    for what in wrong:
        print(f"  {what}")
    return status or bool(wrong)


def _run(places: Places, key: str, chosen: list[str]) -> int:
    command = [
        *(sys.executable, "-m", "pytest", "-p", "tests.sealed.recorder", "-p", "no:cacheprovider"),
        *("-m", "not clear", "-n", "2", "--dist", "worksteal", "--basetemp", str(places.disk / "pytest")),
        *("-rfEsxXP", "--log-level", "WARNING", "--log-file-level", "WARNING", *chosen),
    ]
    environment = {
        **os.environ,
        KEYS: key,
        VARIABLE: str(places.root),
        "TMPDIR": str(places.scratch),
        # Not searched: it holds constants from the source of the tests.
        "HYPOTHESIS_STORAGE_DIRECTORY": str(places.root / "hypothesis"),
    }
    with (
        (places.said / "pytest.txt").open("wb") as said,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
        _ended_in_time(process),
    ):
        assert process.stdout
        section = b""
        for line in process.stdout:
            said.write(line)
            heading = _HEADING.fullmatch(line)
            section = heading[1] if heading else section
            if section != b"PASSES":
                sys.stdout.buffer.write(line)
                sys.stdout.buffer.flush()
    if process.returncode < 0:
        print(f"pytest was ended by signal {-process.returncode}")
    return process.returncode


@contextlib.contextmanager
def _ended_in_time(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End the tests with all their processes when they take too long, or this process is stopped."""
    end = functools.partial(os.killpg, process.pid, signal.SIGKILL)
    timer = threading.Timer(_LONGEST_RUN, end)
    timer.start()
    try:
        yield
    except BaseException:
        end()
        raise
    finally:
        timer.cancel()


def _quick_place() -> Path | None:
    """Return a folder in memory that has room for all of it, if there is one."""
    if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM:
        return _MEMORY
    return None


def _tell(notes: Notes, findings: Findings, seconds: float) -> None:
    files = findings.kinds.total()
    kinds = ", ".join(f"{findings.kinds[kind]:,} {kind}" for kind in sorted(findings.kinds))
    print(
        f"\nSearched {files:,} files ({kinds}), {findings.size:,} bytes, "
        f"{findings.said:,} of them output, in {seconds:.1f} s"
    )
    print(
        f"for {len(notes.secrets):,} sealed secrets, secrets known by their form, and the key. "
        f"Not looked for: {notes.common:,} that are too short, simple or in our source, "
        f"{notes.shared:,} that are no secret elsewhere."
    )
    for why, count in findings.exempted.items():
        print(f"Left out {count:,} times: {why}.")
    print(f"Found in clear: {len(findings.hits):,}")


def _told(hits: list[Hit]) -> list[str]:
    """Return a line for each file and kind of secret in it, with its first place."""
    counts = Counter((hit.place, hit.what) for hit in hits)
    first = {(hit.place, hit.what): hit for hit in reversed(hits)}
    return [f"{first[kind]}" + f" ({count} times)" * (count > 1) for kind, count in counts.items()]


def _not_kept(places: Places) -> list[str]:
    lines = [line for file in places.notes.glob("lost-*") for line in file.read_text().splitlines()]
    return [f"removed before it could be searched: {line}" for line in lines]


def _too_little(notes: Notes, findings: Findings, least: dict[str, int]) -> list[str]:
    found = {
        **findings.kinds,
        "secrets": len(notes.secrets),
        "files": findings.kinds.total(),
        "bytes": findings.size,
        "bytes of output": findings.said,
    }
    return [
        f"too few {name}: {found.get(name, 0):,}, expected {number:,} at least"
        for name, number in least.items()
        if found.get(name, 0) < number
    ]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
