"""Every act is an entry: what happened to which login, by whom, where and when."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.audit.support import ALICE, TRAILS, entries_of, kinds_of, opened, trail_of
from tests.contract.stores import CASES
from zoho_tokenstore import (
    AsyncTokens,
    Client,
    ClientCredentials,
    Code,
    ConfigurationError,
    Device,
    Event,
    InvalidClientError,
    InvalidGrantError,
    Keyset,
    RefreshPolicy,
    RefreshToken,
    TokenRecord,
    TokenRepository,
    Tokens,
    on_behalf_of,
    open_repository,
    open_tokens,
)
from zoho_tokenstore.copying import copy
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.errors import BackendUnavailableError
from zoho_tokenstore.registry import open_backend
from zoho_tokenstore.sealing import reseal


@pytest.fixture(scope="module")
def _running_zoho() -> Iterator[Emulator]:
    with Emulator(device_interval=timedelta(seconds=1)) as running:
        yield running


@pytest.fixture
def zoho(_running_zoho: Emulator) -> Emulator:
    _running_zoho.reset()
    return _running_zoho


@pytest.fixture
def client(zoho: Emulator) -> Client:
    return Client(zoho.default_client.client_id, zoho.default_client.client_secret)


@pytest.fixture
def tokens(case: str, tmp_path: Path, zoho: Emulator) -> Iterator[Tokens]:
    url = CASES[case].url(tmp_path)
    with open_tokens(url, accounts_url=zoho.accounts_url, audit=True) as tokens:
        yield tokens


def repository_of(tokens: Tokens) -> TokenRepository:
    return tokens._renewer.repository


def test_saves_and_deletions(repository: TokenRepository) -> None:
    """A login, a new access token, another login, a deletion and a clearing each are one entry."""
    with on_behalf_of("rajesh"):
        saved = repository.save(ALICE)
        repository.save(ALICE.changed(access_token="second"))
        repository.save(ALICE.changed(access_token="second"))
    with on_behalf_of("amelia"):
        repository.save(ALICE.changed(refresh_token="another", access_token="third"))
        repository.delete(saved.id or "")
        repository.delete(saved.id or "")
        repository.save(ALICE.changed(user_name="bob"))
        repository.clear()
    started, login, renewed, replaced, deleted, other, cleared = entries = entries_of(repository)
    assert [entry.what for entry in entries] == [
        *("audit_started", "logged_in", "renewed", "replaced", "deleted", "logged_in", "cleared")
    ]
    assert [entry.number for entry in entries] == list(range(1, 8))
    assert [entry.actor for entry in entries] == [None, *["rajesh"] * 2, *["amelia"] * 4]
    assert {entry.token_id for entry in (login, renewed, replaced, deleted)} == {saved.id}
    assert {(entry.user_name, entry.client_id) for entry in entries[1:5]} == {("alice", "portal")}
    assert renewed.login == login.login == replaced.former_login is not None
    assert replaced.login == deleted.login not in (login.login, None)
    assert other.login == login.login  # the same refresh token
    assert (cleared.count, cleared.token_id) == (1, None)
    assert {(entry.host, entry.process) for entry in entries} == {(socket.gethostname(), started.process)}
    assert (started.process or "").endswith(f"[{os.getpid()}]")
    assert trail_of(repository).verify().is_intact


def test_times_are_those_of_the_acts(case: str, tmp_path: Path) -> None:
    """Milliseconds since the epoch, by the clock of whoever acts."""
    with opened(case, tmp_path, clock=lambda: 1_800_000_000_123) as repository:
        repository.save(ALICE)
        assert [entry.at_ms for entry in entries_of(repository)] == [1_800_000_000_123] * 2


def test_a_renewal(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """Credentials are handed out and a new token is stored, by the caller: our thread acts for them."""
    with on_behalf_of("worker-1"):
        record = tokens.log_in(client, RefreshToken(zoho.mint_refresh_token()), user_name="alice")
    with on_behalf_of("worker-2"):
        tokens.refresh(record.id or "")
    tokens.access_token(record.id or "")
    entries = entries_of(repository_of(tokens))[1:]
    assert [(entry.what, entry.actor) for entry in entries] == [
        ("logged_in", "worker-1"),
        ("renewal_started", "worker-2"),
        ("renewed", "worker-2"),
    ]
    assert len({(entry.token_id, entry.login) for entry in entries}) == 1
    assert trail_of(repository_of(tokens)).verify().is_intact


def test_a_renewal_in_the_background(case: str, tmp_path: Path, zoho: Emulator, client: Client) -> None:
    """What is renewed ahead of time is renewed for whoever asked for the token."""
    policy = RefreshPolicy(background=True)
    url = CASES[case].url(tmp_path)
    with open_tokens(url, accounts_url=zoho.accounts_url, audit=True, refresh=policy) as tokens:
        record = tokens.log_in(client, RefreshToken(zoho.mint_refresh_token()), user_name="alice")
        repository = repository_of(tokens)
        repository.save(record.changed(expires_at_ms=int(time.time() * 1000) + 60_000))
        with on_behalf_of("nightly"):
            tokens.get(record.id or "")
    with opened(case, tmp_path) as again:
        assert [(entry.what, entry.actor) for entry in entries_of(again)[2:]] == [
            ("renewal_started", "nightly"),
            ("renewed", "nightly"),
        ]


def test_a_look_up_writes_nothing(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """A stored token is handed out without an entry, however it is asked for."""
    record = tokens.log_in(client, RefreshToken(zoho.mint_refresh_token()), user_name="alice")
    repository = repository_of(tokens)
    before = trail_of(repository).head_number()
    tokens.get(record.id or "")
    tokens.find(TokenRecord(user_name="alice"))
    tokens.find(TokenRecord(user_name="nobody"))
    tokens.status(record.id or "")
    list(tokens.scan())
    assert trail_of(repository).head_number() == before


def test_awaited_tokens(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """Tasks that run side by side each act for their own actor, though threads of ours work for them."""

    async def log_in(name: str) -> None:
        with on_behalf_of(f"of {name}"):
            await awaited.log_in(client, RefreshToken(zoho.mint_refresh_token()), user_name=name)

    async def all_of_them() -> None:
        await asyncio.gather(*(log_in(name) for name in names))

    names = [f"user{number}" for number in range(5)]
    awaited = AsyncTokens(tokens)
    asyncio.run(all_of_them())
    logins = [entry for entry in entries_of(repository_of(tokens)) if entry.what == "logged_in"]
    assert sorted((entry.user_name, entry.actor) for entry in logins) == [
        (name, f"of {name}") for name in names
    ]


def test_by_a_code(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """A login by a code is one entry, and one that takes the place of another says so."""
    first = tokens.log_in(client, Code(zoho.mint_code()))
    tokens.log_in(client, Code(zoho.mint_code()))
    assert kinds_of(repository_of(tokens)) == ["logged_in", "replaced"]
    assert entries_of(repository_of(tokens))[1].user_name == first.user_name


def test_by_client_credentials(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """There is nothing to renew with, so each is a login."""
    credentials = ClientCredentials(("ZohoCRM.modules.ALL",), soid=f"ZohoCRM.{zoho.default_users[0].zgid}")
    for _ in range(2):
        tokens.log_in(client, credentials)
    assert kinds_of(repository_of(tokens)) == ["logged_in", "logged_in"]


def test_what_zoho_denies(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """A refused code, client, device and renewal each are an entry with Zoho's code; repeating is none."""
    record = tokens.log_in(client, RefreshToken(zoho.mint_refresh_token()), user_name="alice")
    for _ in range(2):
        with pytest.raises(InvalidGrantError):
            tokens.log_in(client, Code("1000.wrong"))
    with pytest.raises(InvalidClientError):
        tokens.log_in(
            Client("1000.NOBODY", "x"), ClientCredentials(("ZohoCRM.modules.ALL",), soid="ZohoCRM.1")
        )
    device = Device(("ZohoCRM.users.READ",), lambda code: zoho.deny_device(code.user_code))
    with pytest.raises(InvalidGrantError):
        tokens.log_in(client, device, user_name="bob")
    tokens._renewer.accounts(zoho.accounts_url).revoke(record.refresh_token or "")
    with pytest.raises(InvalidGrantError), on_behalf_of("worker"):
        tokens.refresh(record.id or "")
    denied = [entry for entry in entries_of(repository_of(tokens)) if entry.what == "denied"]
    assert [(entry.user_name, entry.reason) for entry in denied] == [
        (None, "invalid_code"),
        (None, "invalid_client"),
        ("bob", "access_denied"),
        ("alice", "invalid_code"),
    ]
    assert (denied[-1].token_id, denied[-1].actor) == (record.id, "worker")


def test_a_revocation(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """The login is gone, and the trail says whose it was and who ended it."""
    record = tokens.log_in(client, RefreshToken(zoho.mint_refresh_token()), user_name="alice")
    with on_behalf_of("amelia"):
        tokens.revoke(record.id or "")
    last = entries_of(repository_of(tokens))[-1]
    assert (last.what, last.token_id, last.user_name, last.actor) == ("deleted", record.id, "alice", "amelia")


def test_what_the_sdk_renews(repository: TokenRepository) -> None:
    """Where the SDK renews, the save of its new token is the entry."""
    saved = repository.save(ALICE)
    repository.save(TokenRecord(id=saved.id, access_token="new", expires_at_ms=1))
    assert kinds_of(repository) == ["logged_in", "renewed"]


def test_sealing(case: str, tmp_path: Path) -> None:
    """All rows sealed under another key are one entry, signed with that key, also for the observer."""
    first, second, seen = Keyset.generate(), Keyset.generate(), list[Event]()
    with opened(case, tmp_path, keys=first) as repository:
        repository.save(ALICE)
        repository.save(ALICE.changed(user_name="bob", refresh_token="another"))
    both = Keyset.from_text(second.to_text() + first.to_text())
    backend = open_backend(CASES[case].url(tmp_path))
    try:
        with on_behalf_of("amelia"):
            reseal(backend, both, on_event=seen.append)
            reseal(backend, both, on_event=seen.append)  # nothing is left to do
    finally:
        backend.close()
    with opened(case, tmp_path, keys=both) as repository:
        (sealed,) = entries_of(repository, what=["sealed"])
        assert (sealed.count, sealed.actor, sealed.key) == (2, "amelia", second.ids[0])
        assert sealed.reason == f"under the key {second.ids[0]}"
        assert trail_of(repository).verify().is_intact
    assert [(event.kind.value, event.count, event.actor) for event in seen] == [("sealed", 2, "amelia")]


def test_copying(case: str, tmp_path: Path) -> None:
    """A copy is an entry in both stores, each of which names the other; a dry run is none."""
    source, destination = tmp_path / "source", tmp_path / "destination"
    source.mkdir()
    destination.mkdir()
    for folder in (source, destination):
        opened(case, folder).close()
    with opened(case, source) as repository:
        repository.save(ALICE)
    urls = CASES[case].url(source), CASES[case].url(destination)
    with on_behalf_of("amelia"):
        copy(*urls, dry_run=True)
        assert copy(*urls).copied == 1
    with opened(case, source) as one, opened(case, destination) as two:
        (given,), (taken,) = (entries_of(end, what=["copied"]) for end in (one, two))
        assert (given.count, given.actor) == (taken.count, taken.actor) == (1, "amelia")
        assert (given.reason, taken.reason) == (f"to {two.location}"[:200], f"from {one.location}"[:200])
        assert trail_of(one).verify().is_intact


def test_a_late_save(
    case: str, tmp_path: Path, zoho: Emulator, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login that could not be saved at first is an entry once it is, by whoever logged in then."""
    url = CASES[case].url(tmp_path)
    with open_tokens(url, accounts_url=zoho.accounts_url, audit=True) as tokens:
        repository, write = repository_of(tokens), repository_of(tokens)._backend.write

        def fail(*_: object, **__: object) -> object:
            raise BackendUnavailableError("The disk is full.")

        monkeypatch.setattr(repository._backend, "write", fail)
        with on_behalf_of("rajesh"):
            tokens.log_in(client, RefreshToken(zoho.mint_refresh_token()), user_name="alice")
        assert kinds_of(repository) == []
        monkeypatch.setattr(repository._backend, "write", write)
        with on_behalf_of("somebody else"):
            tokens._renewer.pending_saves.save(at_once=True)
        assert [(entry.what, entry.actor) for entry in entries_of(repository)[1:]] == [
            ("logged_in", "rajesh")
        ]


# ---- on and off


def test_a_trail_goes_on_for_everybody(case: str, tmp_path: Path) -> None:
    """Before it is begun there is none; then every handle appends, except one that is told not to."""
    with opened(case, tmp_path, audit=None) as repository:
        assert repository.audit is None
        repository.save(ALICE)
    opened(case, tmp_path).close()
    opened(case, tmp_path).close()
    with opened(case, tmp_path, audit=None) as repository:
        repository.save(ALICE.changed(access_token="second"))
    with opened(case, tmp_path, audit=False) as repository:
        assert repository.audit is None
        repository.save(ALICE.changed(access_token="third"))
    with opened(case, tmp_path, audit=None) as repository:
        assert [entry.what for entry in entries_of(repository)] == ["audit_started", "renewed"]


@pytest.mark.parametrize("name", sorted(set(CASES) - set(TRAILS)))
def test_a_store_that_cannot_keep_one(name: str, tmp_path: Path) -> None:
    """It says so, and what to do instead; without the option nothing changes."""
    url = CASES[name].url(tmp_path)
    with pytest.raises(ConfigurationError, match=r"cannot keep an audit trail; .* with on_event=\."):
        open_repository(url, audit=True)
    with open_repository(url) as repository:
        assert repository.audit is None


def test_filters(repository: TokenRepository) -> None:
    """Entries are found by login, digest, user, actor, kind, time and number."""
    with on_behalf_of("rajesh"):
        alice = repository.save(ALICE)
    bob = repository.save(ALICE.changed(user_name="bob", refresh_token="another"))
    repository.save(bob.changed(access_token="second"))
    every = entries_of(repository)

    def numbers(**filters: object) -> list[int]:
        return [entry.number for entry in entries_of(repository, **filters)]

    assert numbers() == [1, 2, 3, 4]
    assert numbers(login=alice.id) == numbers(actor="rajesh") == numbers(user="alice") == [2]
    assert numbers(login=every[2].login) == numbers(login=bob.id) == [3, 4]
    assert numbers(what=["renewed", "logged_in"]) == [2, 3, 4]
    assert numbers(what=["renewed"], user="alice") == numbers(login="nobody") == []
    assert numbers(since_ms=every[1].at_ms) == [
        entry.number for entry in every if entry.at_ms >= every[1].at_ms
    ]
    assert numbers(until_ms=every[0].at_ms) == []
    assert numbers(after=3) == [4]


def test_following(repository: TokenRepository) -> None:
    """New entries come while one waits for them, also those of others, each once."""
    following = trail_of(repository).entries(follow=True)
    assert next(following).what == "audit_started"
    repository.save(ALICE)
    assert next(following).what == "logged_in"
    repository.clear()
    assert next(following).what == "cleared"


def test_long_and_strange_texts(repository: TokenRepository) -> None:
    """They are kept in ASCII, cut if they are long, and come back as they were."""
    strange = "\x1b[31m\u202e\U0001f393 \ufeff'\"\\\n"
    with on_behalf_of(strange):
        repository.save(ALICE.changed(user_name=strange, client_id="\U0001f393" * 250))
    entry = entries_of(repository)[-1]
    assert (entry.actor, entry.user_name) == (strange, strange)
    assert entry.client_id == "\U0001f393" * 199 + "…"
    assert trail_of(repository).verify().is_intact
