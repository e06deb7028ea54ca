"""Whatever texts a token holds: a sealed store keeps them, finds by them, and shows none of them."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.records import HOSTILE_RECORDS
from tests.sealing.support import (
    ALICE,
    CLIENT,
    NEW,
    OLD,
    SEALABLE_TEXTS,
    login,
    repository,
    rows,
)
from tests.support.hostile import HOSTILE_TEXTS, LOOKALIKES
from zoho_tokenstore import Keyset, TokenRecord, TokenRepository, TokenStoreError
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.records import SECRET_COLUMNS
from zoho_tokenstore.sealing import count_by_key, reseal

# Not longer: all four of a row are one text of it, and a CSV file has a limit to those.
KEPT = {name: text[:5_000] for name, text in HOSTILE_TEXTS.items() if "\0" not in text}
TOKENS = ("access_token", "grant_token", "refresh_token")


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "zoho_tokenstore")  # refused saves are expected by the hundred


def saved_and_found(tokens: TokenRepository, record: TokenRecord) -> TokenRecord:
    """Save a record, look it up by each of its secrets and by its name; return what is stored."""
    saved = tokens.save(record)
    assert tokens.get(saved.id or "") == saved
    client: dict[str, Any] = {"client_id": saved.client_id, "client_secret": saved.client_secret}
    for name in TOKENS:
        value: dict[str, Any] = {name: getattr(saved, name)}
        query = TokenRecord(**value) if name == "access_token" else TokenRecord(**value, **client)
        assert tokens.find(query) == saved, name
    assert tokens.find(TokenRecord(user_name=saved.user_name, client_id=saved.client_id)) == saved
    return saved


def test_hostile_secrets_come_back(backend: Backend) -> None:
    """Each hostile text as all four secrets of a user's: kept, found by, and not among what is stored."""
    tokens = repository(backend, OLD)
    for name, text in KEPT.items():
        saved = saved_and_found(tokens, login(name, **dict.fromkeys(SECRET_COLUMNS, text)))
        assert [getattr(saved, column) for column in SECRET_COLUMNS] == [text] * 4
    stored = [text for row in rows(backend) for text in (row.client_secret, *row.digests.values())]
    assert len(stored) == 4 * len(KEPT)
    assert not set(stored) & set(KEPT.values())
    assert count_by_key(backend, Keyset([OLD])).refused == []


def test_hostile_names_come_back(backend: Backend) -> None:
    """Each hostile text as user, client and domain: its row opens, is sealed anew, and opens again."""
    tokens = repository(backend, OLD)
    for number, text in enumerate(KEPT.values()):
        owner = dict.fromkeys(["user_name", "client_id", "api_domain"], text)
        secrets = {name: f"1000.{name}.{number}" for name in TOKENS}
        saved_and_found(tokens, ALICE.changed(**owner, **secrets))
    before = list(tokens.scan())
    assert reseal(backend, Keyset([NEW, OLD])).sealed == len(KEPT)
    assert list(repository(backend, NEW).scan()) == before


def test_lookalikes_are_kept_apart(backend: Backend) -> None:
    """Two texts that some storages take for one, as names and as tokens: two rows, each found by its own."""
    tokens = repository(backend, OLD)
    pairs = [pair for pair in LOOKALIKES.values() if "\0" not in "".join(pair)]
    for number, pair in enumerate(pairs):
        made = []
        for text in pair:
            secrets = {name: f"{number}.{name}.{text}" for name in TOKENS}
            made.append(saved_and_found(tokens, ALICE.changed(user_name=f"{number}{text}", **secrets)))
        assert made[0].id != made[1].id
    assert tokens.count() == 2 * len(pairs)


@given(records=st.lists(HOSTILE_RECORDS, max_size=6), secret=SEALABLE_TEXTS)
def test_what_a_sealed_store_does_is_what_a_clear_one_does(records: list[TokenRecord], secret: str) -> None:
    """Any tokens, saved in the same order: the same rows in the end, the same answers to all look-ups."""
    backends = [ListBackend(), ListBackend()]
    clear = TokenRepository(backends[0], keys=["clear", OLD], clock=lambda: 7)
    sealed = TokenRepository(backends[1], keys=[OLD], clock=lambda: 7)
    for record in [*records, TokenRecord(access_token=secret, **CLIENT)]:
        done: list[object] = []
        for tokens in (clear, sealed):
            try:
                done.append(tokens.save(record))
            except TokenStoreError as refused:  # there is no token in it, or its id is another's
                done.append(str(refused))
        assert done[0] == done[1]
    assert list(clear.scan()) == list(sealed.scan())
    for query in records:
        assert clear.find(query) == sealed.find(query)
