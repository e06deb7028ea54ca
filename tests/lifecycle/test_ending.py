"""How a single login ends: at Zoho and here, whatever fails in between."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from tests.contract.stores import CASES, Case
from tests.lifecycle.support import Site
from tests.support import wait_until
from zoho_tokenstore import (
    AccountsUnavailableError,
    BackendError,
    Keyset,
    RefreshToken,
    Revoked,
    TokenNotFoundError,
    TokenRecord,
    Tokens,
    open_async_tokens,
)
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.lifecycle import clean_up
from zoho_tokenstore.records import row_from_record

EVERY_STORE = pytest.mark.parametrize("case", [pytest.param(c, id=name) for name, c in CASES.items()])


def owed(tokens: Tokens) -> list[TokenRecord]:
    """Return the logins whose revocation is owed."""
    remembered = tokens.lifecycle.renewer.repository.remembered
    return [remembered.open(entry) for entry in tokens.lifecycle.ending.debts()]


@EVERY_STORE
def test_log_out_while_zoho_is_down(case: Case, zoho: Emulator, tmp_path: Path) -> None:
    """On every store: the login is over here at once, and at Zoho once somebody pays."""
    with ExitStack() as opened:
        site = Site(zoho, case.url(tmp_path), opened)
        tokens = site.open()
        first = site.log_in(tokens)
        record = site.log_in(tokens)
        zoho.fault("revoke", "status", status=503)
        assert tokens.log_out(record.id or "") is Revoked.OWED
        with pytest.raises(TokenNotFoundError):
            tokens.get(record.id or "")
        assert {login.refresh_token for login in owed(tokens)} == {record.refresh_token, first.refresh_token}
        assert site.is_alive(record)
        assert site.is_alive(first)
        zoho.clear_faults()
        report = clean_up(tokens)
        assert (report.revoked, report.already_dead, report.owed) == (2, 0, 0)
        assert owed(tokens) == []
        assert not site.is_alive(record)
        assert not site.is_alive(first)
        assert clean_up(tokens).revoked == 0


def test_revoke_ends_it_at_zoho_and_here(site: Site) -> None:
    """And says whether it was alive."""
    tokens = site.open()
    record, dead = site.log_in(tokens), site.log_in(tokens, "someone")
    assert tokens.revoke(record.id or "") is Revoked.REVOKED
    assert not site.is_alive(record)
    tokens.lifecycle.renewer.accounts(site.zoho.accounts_url).revoke(dead.refresh_token or "")
    assert tokens.revoke(dead.id or "") is Revoked.ALREADY_DEAD
    assert site.stored(tokens) == {}
    with pytest.raises(TokenNotFoundError):
        tokens.revoke(record.id or "")
    with pytest.raises(TokenNotFoundError):
        tokens.log_out(record.id or "")


def test_revoke_keeps_what_zoho_could_not_be_asked_about(site: Site) -> None:
    """Nothing is owed: the caller decides what happens next."""
    tokens = site.open()
    record = site.log_in(tokens)
    site.zoho.fault("revoke", "status", status=503)
    with pytest.raises(AccountsUnavailableError):
        tokens.revoke(record.id or "")
    assert tokens.get(record.id or "").refresh_token == record.refresh_token
    assert owed(tokens) == []


@pytest.mark.parametrize("word", ["general_error", "invalid_request"])
def test_a_refusal_that_says_nothing_of_the_login(site: Site, word: str) -> None:
    """It is no sign that the login is dead: it stays, or its revocation is owed."""
    tokens = site.open()
    record = site.log_in(tokens)
    site.zoho.fault("revoke", "error", error=word)
    with pytest.raises(AccountsUnavailableError):
        tokens.revoke(record.id or "")
    assert tokens.log_out(record.id or "") is Revoked.OWED
    site.zoho.clear_faults()
    assert clean_up(tokens).revoked == 1
    assert not site.is_alive(record)


def test_what_a_login_has_replaced_ends_with_it(site: Site) -> None:
    """Zoho keeps the refresh tokens of earlier logins alive: each is remembered until it is revoked."""
    tokens = site.open()
    logins = [site.log_in(tokens) for _ in range(4)]
    assert len({login.id for login in logins}) == 1
    assert all(map(site.is_alive, logins))
    assert tokens.revoke(logins[-1].id or "") is Revoked.REVOKED
    assert not any(map(site.is_alive, logins))
    assert tokens.lifecycle.renewer.repository.replaced.of(logins[-1].id or "") == []


def test_a_renewal_replaces_no_login(site: Site) -> None:
    """Nor does saving the same one again."""
    tokens = site.open()
    secret = site.zoho.mint_refresh_token()
    for _ in range(2):
        record = tokens.log_in(site.client, RefreshToken(secret), user_name="patricia")
        tokens.refresh(record.id or "")
    assert tokens.lifecycle.renewer.repository.replaced.of(record.id or "") == []


def test_as_many_are_remembered_as_zoho_keeps_alive(site: Site) -> None:
    """The twenty newest."""
    tokens = site.open()
    logins = [site.log_in(tokens) for _ in range(24)]
    repository = tokens.lifecycle.renewer.repository
    remembered = [repository.remembered.open(entry) for entry in repository.replaced.of(logins[0].id or "")]
    assert [one.refresh_token for one in remembered] == [one.refresh_token for one in logins[3:23]]


def test_a_login_whose_save_fails_replaces_none(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is tried: nothing is forgotten, and the stored login is known to be alive."""
    tokens = site.open()
    logins = [site.log_in(tokens) for _ in range(3)]
    repository = tokens.lifecycle.renewer.repository
    other = logins[-1].changed(refresh_token="1000.other", access_token="1000.others")
    with monkeypatch.context() as patch:
        patch.setattr(repository._backend, "write", Mock(side_effect=BackendError("no space")))
        for _ in range(20):
            with pytest.raises(BackendError, match="no space"):
                repository.save(other)
    remembered = [repository.remembered.open(entry) for entry in repository.replaced.of(other.id or "")]
    assert [one.refresh_token for one in remembered] == [one.refresh_token for one in logins]
    assert tokens.revoke(other.id or "") is Revoked.REVOKED
    assert not any(map(site.is_alive, logins))


def test_both_are_sealed_with_the_store(site: Site, tmp_path: Path) -> None:
    """Neither a remembered nor an owed token is in the file, and none opens in another place of it."""
    keys = Keyset.generate()
    tokens = site.open(keys=keys)
    logins = [site.log_in(tokens) for _ in range(2)]
    site.zoho.fault("revoke", "status", status=503)
    tokens.log_out(logins[0].id or "")
    assert len(owed(tokens)) == 2
    tokens.close()
    data = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
    for login in logins:
        assert (login.refresh_token or "").encode() not in data
        assert (login.access_token or "").encode() not in data
    other = site.open(keys=Keyset.generate())
    report = clean_up(other)
    assert report.owed == 2
    assert "do not open" in (report.owed_reason or "")
    assert len(list(other.lifecycle.ending.debts())) == 2


def test_a_replaced_login_that_does_not_open_keeps_nothing_alive(site: Site) -> None:
    """Under a key that is gone: the login itself still ends, and an event tells of the other."""
    old = Keyset.generate()
    first = site.log_in(site.open(keys=old))
    new = Keyset.generate()
    both = site.open(keys=[*old.to_text().split(), *new.to_text().split()])
    second = site.log_in(both)
    repository = both.lifecycle.renewer.repository
    (entry,) = repository.replaced.of(second.id or "")
    repository.remembered.drop([entry])
    site.open(keys=old).lifecycle.renewer.repository.replaced.note(first.changed(id=second.id))
    record = both.lifecycle.renewer.repository.get(second.id or "")
    assert record is not None
    fresh = site.open(keys=new)
    fresh_repository = fresh.lifecycle.renewer.repository
    row = both.lifecycle.renewer.repository._backend.load(second.id or "")
    assert row is not None
    fresh_repository._backend.write(
        fresh_repository.cipher.seal(row_from_record(record, row.id)), expect=row.etag
    )
    assert fresh.revoke(second.id or "") is Revoked.REVOKED
    assert not site.is_alive(second)
    assert site.is_alive(first)
    assert any("stays alive" in (event.reason or "") for event in site.told("row_unreadable"))


def test_a_log_in_during_a_revocation_ends_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who revokes an id means whatever login it has: none is left behind that nobody can see."""
    tokens, other = site.open(), site.open()
    record = site.log_in(tokens)
    ending = tokens.lifecycle.ending
    at_zoho = ending._at_zoho
    again: list[TokenRecord] = []

    def after_a_log_in(*arguments: Any, **options: Any) -> Revoked:
        done = at_zoho(*arguments, **options)
        if not again:
            again.append(site.log_in(other))
        return done

    monkeypatch.setattr(ending, "_at_zoho", after_a_log_in)
    assert tokens.revoke(record.id or "") is Revoked.REVOKED
    assert again[0].id == record.id
    assert not site.is_alive(record)
    assert not site.is_alive(again[0])
    assert site.stored(tokens) == {}


def test_a_renewal_during_a_revocation_does_not_bring_it_back(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that another process renewed just before is removed all the same."""
    tokens, other = site.open(), site.open()
    record = site.log_in(tokens)
    ending = tokens.lifecycle.ending
    at_zoho = ending._at_zoho

    def after_a_renewal(*arguments: Any, **options: Any) -> Revoked:
        other.refresh(record.id or "")
        return at_zoho(*arguments, **options)

    monkeypatch.setattr(ending, "_at_zoho", after_a_renewal)
    assert tokens.revoke(record.id or "") is Revoked.REVOKED
    assert site.stored(tokens) == {}


def test_a_login_without_a_refresh_token(site: Site) -> None:
    """Its access token is revoked."""
    tokens = site.open()
    record = site.log_in(tokens)
    repository = tokens.lifecycle.renewer.repository
    tokens.lifecycle.renewer.delete(record.id or "")
    alone = repository.save(
        TokenRecord(user_name="alone", access_token=record.access_token, api_domain=record.api_domain)
    )
    assert site.zoho.is_live(record.access_token or "")
    assert tokens.revoke(alone.id or "") is Revoked.REVOKED
    assert not site.zoho.is_live(record.access_token or "")


def test_who_pays_also_removes_the_login(site: Site) -> None:
    """A log-out that died after noting the debt left it here; but not one that the user made since."""
    tokens = site.open()
    left, renewed = site.log_in(tokens, "left"), site.log_in(tokens, "renewed")
    for record in (left, renewed):
        tokens.lifecycle.ending.owe(record)
    again = site.log_in(tokens, "renewed")
    assert again.id == renewed.id
    clean_up(tokens)
    assert {*site.stored(tokens)} == {again.id}
    assert site.is_alive(again)
    assert not site.is_alive(left)
    assert not site.is_alive(renewed)


def test_more_is_owed_than_one_entry_holds(site: Site) -> None:
    """Many log-outs during an outage are all paid afterwards, by another process."""
    tokens = site.open()
    logins = [site.log_in(tokens, f"user{n}") for n in range(40)]
    site.zoho.fault("revoke", "status", status=503)
    assert {tokens.log_out(login.id or "") for login in logins} == {Revoked.OWED}
    assert len(owed(tokens)) == 40
    site.zoho.clear_faults()
    assert clean_up(site.open()).revoked == 40
    assert not any(map(site.is_alive, logins))


async def _log_out(url: str, site: Site, token_id: str) -> Revoked:
    async with open_async_tokens(url, accounts_url=site.zoho.accounts_url) as tokens:
        return await tokens.log_out(token_id)


def test_asynchronously(site: Site) -> None:
    """The same by `AsyncTokens`."""
    record = site.log_in(site.open())
    assert asyncio.run(_log_out(site.url, site, record.id or "")) is Revoked.REVOKED
    wait_until(lambda: not site.is_alive(record))
