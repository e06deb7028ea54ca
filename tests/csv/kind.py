"""The CSV store as one of the stores in a file; see `tests.support.durability`."""

from __future__ import annotations

from pathlib import Path

from tests.csv.support import NAME, beside, open_tokens
from tests.support import os_faults
from tests.support.durability import FileKind
from tests.support.tokens import holds_a_token
from zoho_tokenstore.backends.csv._content import is_whole

ALWAYS_BESIDE = {"*.lock", "*.leases.lock"}


def _check_failed(path: Path, operations: set[str]) -> None:
    """Whatever is left beside the file holds no token, even before the next opening.

    Unless neither the removal of the new version nor its renaming was possible.
    """
    if not {"os.unlink", "os.replace"} <= operations:
        assert not [left for left in set(path.parent.iterdir()) - {path} if holds_a_token(left)]


def _check_closed(path: Path) -> None:
    open_tokens(path).close()
    assert beside(path) - {"*.leases", "*.retired"} == ALWAYS_BESIDE
    assert is_whole(path.read_bytes())


CSV = FileKind(NAME, open_tokens, os_faults, _check_closed, _check_failed)
