"""Processes that are killed before they could save a token, and those that come after them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import Worker, together
from zoho_tokenstore import TokenRecord, open_repository
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.registry import open_tokens


@pytest.fixture
def zoho() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")


def _expired(zoho: Emulator, url: str) -> str:
    """Store a login whose access token has expired, and return its id."""
    record = TokenRecord(
        user_name="patricia",
        client_id=zoho.default_client.client_id,
        client_secret=zoho.default_client.client_secret,
        refresh_token=zoho.mint_refresh_token(),
        access_token="1000.old",
        expires_at_ms=int(time.time() * 1000) - 1000,
        api_domain=zoho.url,
    )
    with open_repository(url) as repository:
        saved = repository.save(record)
    assert saved.id is not None
    return saved.id


def _killed(url: str, spool: Path, accounts_url: str, *login: str) -> tuple[str | None, str]:
    """Return the login that a process has had when it was killed (kill -9)."""
    with Worker("spooler", url, spool, accounts_url) as worker:
        worker.tell(json.dumps(login))
        token_id, access_token = json.loads(worker.hear())
    return token_id, access_token


def test_a_renewal_outlives_a_killed_process(zoho: Emulator, tmp_path: Path) -> None:
    """Zoho is asked once: the next process has the token that the killed one had got."""
    url, spool = f"sqlite:///{tmp_path}/tokens.db", tmp_path / "spool"
    token_id = _expired(zoho, url)
    killed = _killed(url, spool, zoho.accounts_url, token_id)
    with open_tokens(url, spool=spool, accounts_url=zoho.accounts_url) as tokens:
        assert (token_id, tokens.access_token(token_id)) == killed
    with open_repository(url) as repository:
        assert [(record.id, record.access_token) for record in repository.scan()] == [killed]
    assert list(spool.iterdir()) == []
    assert zoho.counters().refreshes == 1


def test_a_login_by_a_code_outlives_a_killed_process(zoho: Emulator, tmp_path: Path) -> None:
    """The code is spent, and the user's consent would be lost."""
    url, spool = f"sqlite:///{tmp_path}/tokens.db", tmp_path / "spool"
    client = zoho.default_client
    code = zoho.mint_code()
    _, access_token = _killed(url, spool, zoho.accounts_url, code, client.client_id, client.client_secret)
    with open_tokens(url, spool=spool, accounts_url=zoho.accounts_url) as tokens:
        found = tokens.find(TokenRecord(user_name="rajesh"))
        assert found is not None
        assert found.access_token == access_token
    with open_repository(url) as repository:
        (stored,) = repository.scan()
    assert (stored.user_name, stored.access_token) == ("rajesh", access_token)
    assert stored.refresh_token is not None
    assert (zoho.counters().exchanges, zoho.counters().refreshes) == (1, 0)


@pytest.mark.long
def test_many_that_come_at_once_do_no_harm(zoho: Emulator, tmp_path: Path) -> None:
    """Each login is stored once, whoever of four processes saves it, and no file is left.

    The second login of a user takes the place of the first, which is alive at Zoho and noted for its end.
    """
    url, spool = f"sqlite:///{tmp_path}/tokens.db", tmp_path / "spool"
    token_id = _expired(zoho, url)
    renewed = _killed(url, spool, zoho.accounts_url, token_id)
    client = zoho.default_client
    for _ in range(2):
        code = zoho.mint_code()
        login = _killed(url, spool, zoho.accounts_url, code, client.client_id, client.client_secret)
    assert len(list(spool.iterdir())) == 3
    told = together(4, "replayer", url, spool)
    with open_repository(url) as repository:
        stored = {record.user_name: (record.id, record.access_token) for record in repository.scan()}
        assert repository.count() == 2
        assert len(repository.replaced.of(stored["rajesh"][0] or "")) == 1
    assert stored["patricia"] == renewed
    assert stored["rajesh"][1] == login[1]
    assert list(spool.iterdir()) == []
    kinds = [kind for kinds in told for kind in kinds]
    assert kinds.count("created") == 1
    assert set(kinds) <= {"created", "updated", "saved_late", "logged_in"}
