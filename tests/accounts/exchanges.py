"""Single exchanges with a short time limit, and the check that it holds."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.accounts.support import taking_at_most
from zoho_tokenstore.errors import AccountsUnavailableError
from zoho_tokenstore.renewal._transport import HTTPAnswer, Transport

LIMIT = 0.3
SLACK = 0.5  # 0.3 on a machine with nothing else to do
SECRET = "very-secret"
SHORT = Transport(timeout=timedelta(seconds=LIMIT), connect=timedelta(seconds=LIMIT))


def post(url: str, transport: Transport = SHORT) -> HTTPAnswer:
    with taking_at_most(transport.timeout.total_seconds() + SLACK):
        return transport.post(url, {"client_secret": SECRET})


def failure(url: str, transport: Transport = SHORT) -> AccountsUnavailableError:
    with pytest.raises(AccountsUnavailableError) as caught:
        post(url, transport)
    return caught.value
