"""The real SDK against the emulator, end to end."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from zoho_tokenstore.emulator import Emulator

SESSION = Path(__file__).with_name("sdk_session.py")

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("zohocrmsdk") is None, reason="needs a Zoho SDK: pip install zohocrmsdk8-0"
)


@pytest.mark.clear  # its store is the SDK's own
def test_sdk_logs_in_creates_and_reads(zoho: Emulator, tmp_path: Path) -> None:
    """SDK 8.0 is content with every answer: token, users, org, fields, create, records."""
    client, user = zoho.default_client, zoho.default_users[1]
    done = subprocess.run(
        [sys.executable, str(SESSION), *zoho.environment_args()],
        input=f"{client.client_id} {client.client_secret} {zoho.mint_code(user=user)}",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "user_name": user.user_name,
        "created": 201,
        "statuses": ["success"],
        "leads": [["Kumar", user.full_name]],
        "users": [one.email for one in zoho.default_users],
    }
    assert set(zoho.counters().requests) == {
        "token:authorization_code", "users", "org", "fields", "create", "records",
    }  # fmt: skip
