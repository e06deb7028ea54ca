"""No test reaches Zoho, or any other host, by mistake: tests/conftest.py sees to it."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from zoho_tokenstore.errors import AccountsUnavailableError
from zoho_tokenstore.renewal._accounts import Accounts


def test_a_request_to_a_real_host_fails_at_once() -> None:
    """Nothing is sent, and nobody waits for a time limit."""
    began = time.monotonic()
    with pytest.raises(AccountsUnavailableError, match="nothing was sent") as caught:
        Accounts("https://accounts.zoho.com").refresh("1000.C", "secret", "1000.r")
    assert caught.value.kind == "transient"
    assert time.monotonic() - began < 2


def test_a_process_of_a_test_reaches_none_either() -> None:
    """It inherits the proxy that nobody serves."""
    code = "import urllib.request; print(urllib.request.getproxies()['https'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "http://127.0.0.1:9"
