"""Access tokens for any program, against the local Zoho."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import pytest

from tests.unit.renewal.support import Running
from tests.unit.tokens.support import let_expire, login
from zoho_tokenstore import (
    Client,
    ConfigurationError,
    RefreshPolicy,
    RefreshToken,
    TokenNotFoundError,
    TokenRecord,
)
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.errors import AccountsUnavailableError, BackendError, InvalidGrantError
from zoho_tokenstore.lifecycle._lifecycle import Lifecycle
from zoho_tokenstore.registry import open_repository, open_tokens
from zoho_tokenstore.renewal._renewer import Renewer
from zoho_tokenstore.tokens import Tokens


def test_a_good_token_is_handed_out(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """As it is stored, without a request."""
    record = login(tokens, zoho, client)
    before = zoho.counters().count("token")
    assert tokens.access_token(record.id or "") == record.access_token
    assert tokens.get(record.id or "") == record
    assert tokens.find(TokenRecord(user_name="patricia")) == record
    assert zoho.counters().count("token") == before


def test_an_expired_one_is_renewed(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """By whichever look-up comes first, once for all threads."""
    record = login(tokens, zoho, client)
    for _ in range(2):
        expired = let_expire(tokens, zoho, record)
        zoho.fault("token", "slow", times=1, seconds=0.2)
        threads = [Running(lambda: tokens.access_token(record.id or "")) for _ in range(8)]
        renewed = {thread.result() for thread in threads}
        assert renewed == {tokens.get(record.id or "").access_token} != {expired.access_token}
        assert zoho.is_live(renewed.pop())
    found = tokens.find(TokenRecord(user_name="patricia"))
    assert found == tokens.get(record.id or "")
    assert zoho.counters().refreshes == 3


def test_nobody_by_this_id_or_name(tokens: Tokens) -> None:
    """What must be there is an error; what is looked for is `None`."""
    for method in (
        tokens.access_token,
        tokens.get,
        tokens.refresh,
        tokens.invalidate,
        tokens.revoke,
        tokens.status,
    ):
        with pytest.raises(TokenNotFoundError, match="'17'"):
            method("17")
    assert tokens.find(TokenRecord(user_name="nobody")) is None


def test_who_finds_logs_nobody_in(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """A code in a query only finds."""
    query = TokenRecord(client_id=client.id, client_secret=client.secret, grant_token=zoho.mint_code())
    assert tokens.find(query) is None
    assert zoho.counters().count("token") == 0


def test_refresh_renews_now(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """Also what is still good; the old access token goes on until its end."""
    record = login(tokens, zoho, client)
    renewed = tokens.refresh(record.id or "")
    assert renewed.access_token != record.access_token
    assert tokens.access_token(record.id or "") == renewed.access_token
    assert zoho.is_live(record.access_token or "")


def test_an_answer_with_the_same_token_is_an_answer(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """Zoho is asked once, not until its limit is reached."""
    record = login(tokens, zoho, client)
    before = zoho.counters().count("token")
    zoho.fault("token", "body", body=json.dumps({"access_token": record.access_token}))
    assert tokens.refresh(record.id or "").access_token == record.access_token
    assert zoho.counters().count("token") == before + 1


def test_invalidate_lets_the_next_look_up_renew(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """After a 401: for a token that looks good, and that Zoho has killed."""
    record = login(tokens, zoho, client)
    zoho.expire_access_tokens()
    assert tokens.invalidate(record.id or "", record.access_token)
    renewed = tokens.access_token(record.id or "")
    assert zoho.is_live(renewed)
    assert not tokens.invalidate(record.id or "", record.access_token)
    assert tokens.access_token(record.id or "") == renewed


def test_revoke_ends_a_login(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """At Zoho, and here; others stay."""
    record = login(tokens, zoho, client)
    other = tokens.log_in(client, _refresh_token(zoho), user_name="rajesh")
    tokens.revoke(record.id or "")
    assert not zoho.is_live(record.refresh_token or "")
    assert not zoho.is_live(record.access_token or "")
    with pytest.raises(TokenNotFoundError):
        tokens.get(record.id or "")
    assert list(tokens.scan()) == [other]
    assert zoho.is_live(other.access_token or "")


def _refresh_token(zoho: Emulator) -> RefreshToken:
    return RefreshToken(zoho.mint_refresh_token(user=zoho.default_users[1]))


def test_revoke_of_what_has_ended_at_zoho(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """The user took the access away at Zoho: what is left here is removed."""
    record = login(tokens, zoho, client)
    zoho.reset()
    with pytest.raises(InvalidGrantError):
        tokens.refresh(record.id or "")
    tokens.revoke(record.id or "")
    assert list(tokens.scan()) == []


def test_revoke_that_cannot_reach_zoho(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """Then the login is still there, to be revoked later: nobody shall believe that it has ended."""
    record = login(tokens, zoho, client)
    zoho.fault("revoke", "status", times=1, status=503)
    with pytest.raises(AccountsUnavailableError):
        tokens.revoke(record.id or "")
    assert tokens.get(record.id or "") == record
    tokens.revoke(record.id or "")
    assert list(tokens.scan()) == []


def test_scan_is_all_logins_as_they_stand(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """In the order of their ids; what has expired is not renewed for it."""
    record = let_expire(tokens, zoho, login(tokens, zoho, client))
    other = tokens.log_in(client, _refresh_token(zoho), user_name="rajesh")
    assert list(tokens.scan()) == sorted([record, other], key=lambda each: each.id or "")


def test_a_token_of_nowhere(zoho: Emulator, tmp_path: Path, client: Client) -> None:
    """Without `accounts_url`, a token whose API domain is none of Zoho's is an error that asks for it."""
    url = f"sqlite:///{tmp_path}/tokens.db"
    with open_tokens(url, accounts_url=zoho.accounts_url) as tokens:
        record = let_expire(tokens, zoho, login(tokens, zoho, client))
    with open_tokens(url) as tokens, pytest.raises(ConfigurationError, match="Pass accounts_url="):
        tokens.access_token(record.id or "")


def test_it_shows_and_hands_on_no_secret(tokens: Tokens, tmp_path: Path) -> None:
    """Its text names the store; it cannot be pickled or copied."""
    assert repr(tokens) == f"Tokens('{tmp_path}/tokens.db')"
    for copied in (pickle.dumps, copy.copy):
        with pytest.raises(ConfigurationError, match="each process"):
            copied(tokens)


def test_close_closes_what_was_opened(zoho: Emulator, tmp_path: Path) -> None:
    """The store that `open_tokens` has opened; not one that somebody else has."""
    url = f"sqlite:///{tmp_path}/tokens.db"
    with open_tokens(url) as tokens:
        assert list(tokens.scan()) == []
    with pytest.raises(BackendError):
        list(tokens.scan())
    with open_repository(url) as repository:
        with Tokens(Lifecycle(Renewer(repository, RefreshPolicy()))):
            pass
        assert list(repository.scan()) == []
