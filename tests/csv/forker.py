"""Forks 50 times while its threads are busy with a CSV store: `tests.process.forker` over this backend."""

from __future__ import annotations

import sys

from tests.process import forker
from zoho_tokenstore import registry

if __name__ == "__main__":
    registry._BACKENDS.setdefault("csv", "zoho_tokenstore.backends.csv:CSVBackend")
    forker.main(*sys.argv[1:])
