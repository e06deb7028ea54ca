"""Prints what `zoho-tokens check --json` does: ``python -m tests.check.run MODULE:FACTORY [CLAUSE ...]``."""

from __future__ import annotations

import json
import sys
from typing import Final

from zoho_tokenstore.testing import check

_TIMEOUT_S: Final = 300.0
"""Emulated servers are slow with hundreds of hostile strings."""

report = check(sys.argv[1], only=sys.argv[2:], timeout=_TIMEOUT_S)
for result in report.results:
    values = {"outcome": result.outcome, "reason": result.reason, "seconds": result.seconds}
    print(json.dumps(result.clause._asdict() | values))
sys.exit(not report.is_passed)
