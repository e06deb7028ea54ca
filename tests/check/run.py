"""Prints what `zoho-tokens check --json` does: ``python -m tests.check.run MODULE:FACTORY ABILITIES``."""

from __future__ import annotations

import json
import sys

from zoho_tokenstore.testing import Ability, check

report = check(sys.argv[1], abilities=map(Ability, sys.argv[2].split(",")))
for result in report.results:
    values = {"outcome": result.outcome, "reason": result.reason, "seconds": result.seconds}
    print(json.dumps(result.clause._asdict() | values))
sys.exit(not report.is_passed)
