"""A one-time code that was exchanged is no way back in, unless a self client's script restarts with it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.contract.stores import SHARED
from tests.sdk import app
from tests.sdk.portal import Portal
from tests.sdk.stores import CASES
from zoho_tokenstore import ConfigurationError, open_repository, open_store
from zoho_tokenstore._matching import SpentCodes
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.sdk import RepositoryStore

CALLBACK = {"redirect_url": "https://portal.zylker.example/back"}
CHOICES: tuple[SpentCodes, ...] = ("self-client", "find", "refuse")
KEPT = {
    ("self-client", True): False,
    ("self-client", False): True,
    ("find", True): True,
    ("find", False): True,
    ("refuse", True): False,
    ("refuse", False): False,
}
"""Whether a spent code finds its token, by the option, and whether it came by a redirect URL."""


@pytest.fixture(params=CASES)
def open_with(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Return how a store is opened with an option, each time for the same tokens where it can be shared."""
    case = CASES[request.param]
    opened: list[RepositoryStore] = []

    def open_store(spent_codes: SpentCodes) -> RepositoryStore:
        options: dict[str, Any] = {"spent_codes": spent_codes}
        store = (
            case.reopen_store(opened[-1], tmp_path, **options)
            if opened
            else case.make_store(tmp_path, **options)
        )
        opened.append(store)
        return store

    yield open_store
    for store in opened:
        store.close()


@pytest.mark.parametrize("by_browser", [True, False], ids=["redirect URL", "self client"])
@pytest.mark.parametrize("choice", CHOICES)
def test_a_spent_code_finds_its_token_where_it_may(
    zoho: Emulator,
    tmp_path: Path,
    open_with: Callable[..., RepositoryStore],
    choice: SpentCodes,
    by_browser: bool,
) -> None:
    """After the exchange, another process that has the code gets the token or none, as the option says."""
    portal = Portal(zoho, tmp_path, lambda: open_with(choice))
    grant = portal.grant() | (CALLBACK if by_browser else {})
    token = portal.start(app.token_of("alice", **grant))
    portal.restart()
    found = portal.store.find_token(app.token_of(**grant))
    assert (found is not None) == KEPT[choice, by_browser]
    assert found is None or found.get_access_token() == token.get_access_token()
    stored = portal.record(token).grant_token
    assert stored == (grant["grant_token"] if KEPT[choice, by_browser] else None)


def test_the_code_of_an_adopted_row_finds_it_until_a_save(open_with: Callable[..., RepositoryStore]) -> None:
    """A row of Zoho's own code is found by the code in it until our first save; with "refuse" never."""
    writer, reader, refuser = open_with("find"), open_with("self-client"), open_with("refuse")
    fields = {"client_id": "c", "client_secret": "s", "grant_token": "1000.code", "refresh_token": "1000.r"}
    token = app.token_of("alice", **fields, **CALLBACK, access_token="1000.a")
    token.set_expires_in(str(now_ms() + 3_600_000))
    writer.save_token(token)
    query = {name: fields[name] for name in ("client_id", "client_secret", "grant_token")}
    assert refuser.find_token(app.token_of(**query)) is None
    found = reader.find_token(app.token_of(**query))
    assert found is not None
    found.set_access_token("1000.renewed")
    reader.save_token(found)
    assert writer.find_token(app.token_of(**query)) is None


@pytest.mark.parametrize("choice", CHOICES)
def test_four_callbacks_with_one_code_are_one_login(
    zoho: Emulator, tmp_path: Path, open_with: Callable[..., RepositoryStore], choice: SpentCodes
) -> None:
    """Callbacks that present one code at once make one exchange and one row, and all get its token."""
    store = open_with(choice)
    portal = Portal(zoho, tmp_path, lambda: store)
    zoho.fault("token:authorization_code", "slow", seconds=0.5)
    grant, gate = portal.grant() | CALLBACK, threading.Barrier(4, timeout=30)
    portal.log_in()  # an initializer for all threads
    before = zoho.counters().exchanges

    def callback(_: int) -> Any:
        token = app.token_of("alice", **grant)
        gate.wait()
        token.get_token()
        return token

    with ThreadPoolExecutor(4) as pool:
        tokens = list(pool.map(callback, range(4)))
    assert zoho.counters().exchanges == before + 1
    assert len({token.get_id() for token in tokens}) == 1
    assert len({token.get_access_token() for token in tokens} - {None}) == 1


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in SHARED if name in ("sqlite", "postgresql")])
def test_processes_with_one_code_are_one_login(zoho: Emulator, tmp_path: Path, name: str) -> None:
    """Four processes that get one code at once make one exchange, and all are served; later ones are not."""
    url = SHARED[name].url(tmp_path)
    url += ("&" if "?" in url else "?") + "spent_codes=refuse"
    portal = Portal(zoho, tmp_path, lambda: open_store(url))
    zoho.fault("token:authorization_code", "slow", times=1, seconds=8)
    token = {"user_name": "alice", **portal.grant(), **CALLBACK}
    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(lambda _: portal.process(url=url, token=token), range(4)))
    assert [process.returncode for process in ended] == [0] * 4, [process.stderr for process in ended]
    assert len({json.loads(process.stdout)["id"] for process in ended}) == 1
    assert (zoho.counters().exchanges, len(portal.records)) == (1, 1)
    assert portal.process(url=url, token=token).returncode != 0
    portal.store.close()


def test_the_option_stands_in_urls_too(tmp_path: Path) -> None:
    """`?spent_codes=` says the same in a URL; another word is refused by name."""
    url = f"sqlite:///{tmp_path}/tokens.db"
    with open_repository(f"{url}?spent_codes=refuse") as tokens:
        assert tokens.spent_codes == "refuse"
    with pytest.raises(ConfigurationError, match="spent_codes"):
        open_repository(f"{url}?spent_codes=maybe")
