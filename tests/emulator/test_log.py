"""What the emulator writes to the log of the process that it runs in."""

from __future__ import annotations

import logging

import pytest

from tests.emulator.support import Caller
from zoho_tokenstore.emulator import Emulator


def test_requests_are_not_logged(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    """Not even where the log of uvicorn's servers is wanted: an address may hold a client's secret."""
    log = logging.getLogger("uvicorn.access")
    log.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.DEBUG):
            caller.http.post(caller.zoho.accounts_url, params={"client_secret": "very-secret"})
    finally:
        log.removeHandler(caplog.handler)
    assert [record.name for record in caplog.records if record.name.startswith("uvicorn")] == []


def test_the_log_of_other_servers_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """A server of the same process, an application's, goes on logging its requests."""
    log = logging.getLogger("uvicorn.access")
    before = list(log.handlers), log.propagate
    with Emulator():
        assert (list(log.handlers), log.propagate) == before
