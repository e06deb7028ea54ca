"""Prints what `zoho-tokens check --json` does: ``tests.check.run MODULE:FACTORY ABILITIES [CLAUSE ...]``."""

from __future__ import annotations

import json
import sys
from typing import Final

from zoho_tokenstore.testing import check
from zoho_tokenstore.testing._abilities import parse_abilities

_TIMEOUT_S: Final = 300.0
"""Emulated servers are slow with hundreds of hostile strings."""

factory, abilities, *only = sys.argv[1:]
report = check(factory, abilities=parse_abilities(abilities), only=only, timeout=_TIMEOUT_S)
for result in report.results:
    values = {"outcome": result.outcome, "reason": result.reason, "seconds": result.seconds}
    print(json.dumps(result.clause._asdict() | values))
sys.exit(not report.is_passed)
