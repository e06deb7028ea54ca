"""What Zoho's SDKs of other languages do with an expired token of a shared store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.languages import peers
from tests.languages.conftest import NODE_ALONE
from tests.languages.peers import Program
from zoho_tokenstore import SQLStore
from zoho_tokenstore.emulator import Emulator

pytestmark = pytest.mark.clear  # they read no sealed store

PROCESSES = 4


@pytest.fixture
def zoho() -> Iterator[Emulator]:
    """A local Zoho that takes so long that all requests are under way before one is answered."""
    with Emulator() as running:
        running.fault("token:refresh_token", "slow", seconds=4)
        yield running


@NODE_ALONE
def test_each_process_refreshes_by_itself(
    package: str, place: dict[str, str], url: str, zoho: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes that meet an expired token at one moment send a request each; we take what they saved."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    login = {
        "user_name": "ann",
        "client_id": zoho.default_client.client_id,
        "client_secret": zoho.default_client.client_secret,
        "refresh_token": zoho.mint_refresh_token(zoho.default_client, zoho.default_users[0]),
        "access_token": "1000.expired",
        "expires_in": str(int(time.time() * 1000) - 1),
        "api_domain": zoho.url,
    }
    with ExitStack() as stack:
        programs = [Program(peers.command(package)) for _ in range(PROCESSES)]
        for program in programs:
            stack.callback(program.stop)
        programs[0].at(place)(("save_token", login))
        for program in programs:
            program.at(place)(("get_tokens",))  # it has started
        asked = {"environment": zoho.environment_args(), "user_name": "ann"}
        with ThreadPoolExecutor(PROCESSES) as pool:
            answers = list(pool.map(lambda one: one.at(place)(("initialize", asked))[0], programs))
    minted = {answer[5] for answer in answers}
    assert len(minted) == len(zoho.journal("token:refresh_token")) == PROCESSES
    store = SQLStore(url)
    ours = peers.ours(store)(("find_token", {"user_name": "ann"}))
    store.close()
    assert ours[0][5] in minted
    assert len(zoho.journal("token:refresh_token")) == PROCESSES
