"""Checks the stores that Zoho publishes, and ours, and writes docs/reference/checked-stores.md.

Run it as ``python -m tests.check.published``, after ``make test-sdks`` has made the environments of the older
SDKs. A copy of Zoho's sample for SQLite can be named in ``ZOHO_CHECK_SAMPLE``, as ``module:Class`` found by
PYTHONPATH: nothing of it is shipped here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy.engine import make_url

from tests.check.subjects import MARIADB
from tests.support.processes import ROOT
from tests.support.servers import mariadb
from zoho_tokenstore.testing import ORDINARY, Severity, TokenStoreContract, catalogue

PAGE: Final = ROOT / "docs" / "reference" / "checked-stores.md"
BEGIN: Final = "<!-- results: python -m tests.check.published -->\n"
END: Final = "<!-- end of results -->\n"
SAMPLE: Final = "ZOHO_CHECK_SAMPLE"

_OURS: Final = {
    "SQLiteStore": "tests.check.stores:right",
    "InMemoryStore": "zoho_tokenstore:InMemoryStore",
}


_ON_A_SERVER: Final = "persistent,shared"


class Subject(NamedTuple):
    """A store, and the environment whose SDK it runs with."""

    name: str
    sdk: str
    factory: str
    python: Path
    abilities: str = ",".join(sorted(ORDINARY))


def subjects() -> Iterator[Subject]:
    here, older = Path(sys.executable), ROOT / ".venv-sdk-5.0" / "bin" / "python"
    for sdk, python in (("8.0", here), ("5.0", older)):
        yield Subject("`FileStore`", sdk, "tests.check.subjects:file_store", python)
        yield Subject("`DBStore` on MariaDB", sdk, "tests.check.subjects:db_store", python, _ON_A_SERVER)
    if SAMPLE in os.environ:
        yield Subject("the sample for SQLite", "8.0", os.environ[SAMPLE], here)
    for name, factory in _OURS.items():
        yield Subject(f"`{name}` of this package", "8.0", factory, here)


def results_of(subject: Subject) -> dict[str, dict[str, Any]]:
    """Return what became of each clause, by its number."""
    done = subprocess.run(
        [subject.python, "-m", "tests.check.run", subject.factory, subject.abilities],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"{subject.name}: {done.stderr}")
    return {result["number"]: result for result in map(json.loads, done.stdout.splitlines())}


def table(checked: list[tuple[Subject, dict[str, dict[str, Any]]]]) -> Iterator[str]:
    """Yield the lines of the page's tables."""
    yield "| store | SDK | clauses that hold | worst failure |"
    yield "| --- | --- | --- | --- |"
    for subject, results in checked:
        outcomes = [result["outcome"] for result in results.values()]
        failed = [result for result in results.values() if result["outcome"] == "failed"]
        worst = min((result["severity"] for result in failed), key=[*Severity].index, default="–")
        counted = outcomes.count("passed") + len(failed)
        yield f"| {subject.name} | {subject.sdk} | {outcomes.count('passed')} of {counted} | {worst} |"
    yield ""
    names = [f"{subject.name.partition(' ')[0]} {subject.sdk}" for subject, _ in checked]
    yield f"| | clause | {' | '.join(names)} | rests on |"
    yield f"| --- | --- | {' | '.join('---' for _ in names)} | --- |"
    for clause in catalogue(TokenStoreContract):
        marks = [_MARKS[results[clause.number]["outcome"]] for _, results in checked]
        if "✗" in marks:
            yield f"| {clause.number} | {clause.name} | {' | '.join(marks)} | {clause.basis} |"


_MARKS: Final = {"passed": "✓", "failed": "✗", "skipped": "–"}


def main() -> None:
    server = mariadb.start_local()
    try:
        url = make_url(server.url)
        server.admin(f"GRANT ALL PRIVILEGES ON *.* TO '{url.username}'@'{url.host}'")
        given = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
        os.environ[MARIADB] = json.dumps(given)
        checked = [(subject, results_of(subject)) for subject in subjects()]
    finally:
        server.stop()
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(before + BEGIN + "\n".join(table(checked)) + "\n" + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
