"""Without redis-py."""

from __future__ import annotations

import subprocess
import sys

WITHOUT = """
import sys
sys.modules["redis"] = None
import zoho_tokenstore
from zoho_tokenstore import registry
from zoho_tokenstore.errors import MissingDependencyError
try:
    import zoho_tokenstore.backends.redis
except MissingDependencyError as error:
    print(error)
"""


def test_a_missing_driver_names_the_extra() -> None:
    """Where redis-py is missing, the backend names the extra; the package imports all the same."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT], capture_output=True, text=True, timeout=60, check=True
    )
    assert 'pip install "zoho-tokenstore[redis]"' in done.stdout
