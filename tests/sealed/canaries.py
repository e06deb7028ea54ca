"""Which secrets are canaries: those that were sealed, if they cannot be taken for anything else."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path
from typing import Any, Final

from hypothesis import currently_in_test_context

from zoho_tokenstore.records import COLUMNS, SECRET_COLUMNS, Row
from zoho_tokenstore.sealing._cipher import AESGCMCipher
from zoho_tokenstore.sealing._format import is_sealed
from zoho_tokenstore.sealing._keys import TEXT_PREFIX

_append = os.write  # tests replace it to let it fail
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~-]{8,}")
"""Characters that are the same in a file, in JSON, in a `repr` and in a URL: enough of them not to stand
there by chance."""

_MIN_DIFFERENT: Final = 4
_MAX_LENGTH: Final = 64  # a leak may be cut off


def register_secrets(notes: Path) -> None:
    """Note the values of every row that this process and its forks seal from now on.

    Hypothesis draws words of our own source, so what it draws is left out. The file is open from the
    start: a fork may become another user, who could not open it.
    """
    file = os.open(notes / f"values-{os.getpid()}", os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    known: set[tuple[str, str]] = set()
    seal = AESGCMCipher.seal

    def register(sealing: AESGCMCipher, row: Row, *others: Any, **named: Any) -> Row:
        stored = seal(sealing, row, *others, **named)
        is_boxed = is_sealed(stored.client_secret or "")
        for column in COLUMNS if not currently_in_test_context() else ():
            value = getattr(row, column)
            if value and (is_boxed or column not in SECRET_COLUMNS) and (column, value) not in known:
                known.add((column, value))
                test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
                _append(file, json.dumps([column, value, test]).encode() + b"\n")
        return stored

    AESGCMCipher.seal = register  # type: ignore[assignment, method-assign]


def read_canaries(notes: Path) -> dict[str, str]:
    """Return what was registered by all processes: where each canary was sealed first.

    No canary is what also stands in a row where it is no secret: a test of hostile texts puts one
    text into every column.
    """
    lines = [json.loads(line) for file in notes.glob("values-*") for line in file.read_text().splitlines()]
    public = "\n".join({value for column, value, _ in lines if column not in SECRET_COLUMNS})
    canaries: dict[str, str] = {}
    for column, value, test in lines:
        canary = canary_of(value)
        if column in SECRET_COLUMNS and canary and canary not in public:
            canaries.setdefault(canary, f"{column} of {test or 'no test'}")
    return canaries


def canary_of(secret: str) -> str | None:
    """Return the part of a secret that is looked for, if at least half of it is plain."""
    longest = max(_PLAIN.findall(secret), key=len, default="")
    is_one = len(set(longest)) >= _MIN_DIFFERENT and 2 * len(longest) >= len(secret)
    return longest[:_MAX_LENGTH] if is_one else None


def key_forms(key: str) -> dict[bytes, str]:
    """Return the forms that a sealing key can be written in, but for bytes that `grep` cannot look for."""
    encoded = key.removeprefix(TEXT_PREFIX)
    material = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    forms = encoded.encode(), material.hex().encode(), base64.b64encode(material).rstrip(b"="), material
    return dict.fromkeys((form for form in forms if not {0, 10} & {*form}), "the key of this run")
