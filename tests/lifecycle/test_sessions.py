"""Session limits: a login over one is not handed out, by anybody, and ends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from zohocrmsdk.src.com.zoho.crm.api.exception import SDKException

from tests.contract.stores import CASES, Case
from tests.lifecycle.support import Site
from tests.support import wait_until
from zoho_tokenstore import (
    ClientCredentials,
    ConfigurationError,
    LoginExpiredError,
    RefreshPolicy,
    RefreshToken,
    SessionPolicy,
    TokenNotFoundError,
    TokenRecord,
    Tokens,
    open_store,
)
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.testing import make_token

HOUR: Final = timedelta(hours=1)
DAY: Final = 86_400.0
EVERY_STORE: Final = pytest.mark.parametrize("case", [pytest.param(c, id=name) for name, c in CASES.items()])

LOOK_UPS: Final[dict[str, Callable[[Tokens, str], object]]] = {
    "get": lambda tokens, token_id: tokens.get(token_id),
    "access_token": lambda tokens, token_id: tokens.access_token(token_id),
    "find by name": lambda tokens, _: tokens.find(TokenRecord(user_name="patricia")),
    "find by id": lambda tokens, token_id: tokens.find(TokenRecord(id=token_id)),
    "refresh": lambda tokens, token_id: tokens.refresh(token_id),
}


def test_a_client_that_logs_in_again_begins_again(site: Site, zoho: Emulator) -> None:
    """A login of the client itself is repeated every hour: each is a login of its own."""
    tokens = site.limited(absolute=timedelta(hours=3))
    robot = ClientCredentials(("ZohoCRM.modules.ALL",), f"ZohoCRM.{zoho.default_users[0].zgid}")
    for _ in range(5):
        assert tokens.get(tokens.log_in(site.client, robot).id or "")
        site.clock.pass_(3600)
        zoho.advance(3600)


def test_a_renewal_begins_nothing(site: Site, zoho: Emulator) -> None:
    """Not even one that brings another refresh token: the login, and who Zoho said it is, are as before."""
    tokens = site.limited(absolute=timedelta(hours=3))
    login = tokens.log_in(site.client, RefreshToken(zoho.mint_refresh_token()))
    site.clock.pass_(4000)
    body = '{"access_token": "1000.next", "refresh_token": "1000.rotated", "expires_in": 36000}'
    zoho.fault("token", "body", times=1, body=body)
    site.events.clear()
    renewed = tokens.get(login.id or "")
    assert renewed.refresh_token == "1000.rotated"
    assert (renewed.created_at_ms, renewed.identified_at_ms) == (login.created_at_ms, login.identified_at_ms)
    assert [event.kind for event in site.events if event.kind in ("replaced", "logged_in", "renewed")] == [
        "renewed"
    ]
    site.clock.pass_(3 * 3600)
    with pytest.raises(LoginExpiredError):
        tokens.get(login.id or "")


@EVERY_STORE
def test_limits_hold_on_every_store(case: Case, zoho: Emulator, tmp_path: Path) -> None:
    """Idle and absolute, from the login to the end of its row; its id is retired."""
    with ExitStack() as opened:
        site = Site(zoho, case.url(tmp_path), opened)
        tokens = site.limited(idle=timedelta(hours=2), absolute=timedelta(hours=5))
        record = site.log_in(tokens)
        token_id = record.id or ""
        for _ in range(4):
            site.clock.pass_(4000)
            assert tokens.get(token_id).created_at_ms == record.created_at_ms
        site.clock.pass_(4000)
        with pytest.raises(LoginExpiredError) as error:
            tokens.get(token_id)
        assert error.value.limit == "absolute"
        assert site.stored(tokens) == {}
        assert tokens.lifecycle.renewer.repository.is_retired(token_id)
        again = site.log_in(tokens)
        site.clock.pass_(7200)
        with pytest.raises(LoginExpiredError) as error:
            tokens.find(TokenRecord(user_name="patricia"))
        assert error.value.limit == "idle"
        with pytest.raises(TokenNotFoundError):
            tokens.get(again.id or "")


@pytest.mark.parametrize("look_up", LOOK_UPS.values(), ids=list(LOOK_UPS))
def test_no_look_up_hands_it_out(site: Site, look_up: Callable[[Tokens, str], object]) -> None:
    """Nor is Zoho asked for a new token first."""
    tokens = site.limited(idle=HOUR)
    record = site.log_in(tokens)
    site.clock.pass_(3599)
    assert look_up(tokens, record.id or "")
    assert tokens.lifecycle.sessions is not None
    tokens.lifecycle.sessions.wait(10)  # what notes the use reads the clock
    site.clock.pass_(3600)
    asked = len(site.zoho.journal())
    with pytest.raises(LoginExpiredError, match="Log in again"):
        look_up(tokens, record.id or "")
    assert len(site.zoho.journal()) == asked
    assert site.stored(tokens) == {}
    (event,) = site.told("login_expired")
    assert (event.token_id, event.reason, event.error) == (record.id, "idle", None)


def test_the_sdk_gets_an_exception_of_its_own(site: Site) -> None:
    """Through each of the methods by which it looks tokens up, and none lists it."""
    tokens = site.open()
    record = site.log_in(tokens)
    site.clock.pass_(2 * DAY)
    options: dict[str, Any] = {"clock": site.clock, "sessions": SessionPolicy(idle=timedelta(days=1))}
    with open_store(site.url, **options) as store:
        assert store.get_tokens() == []
        assert [one.id for one in store.tokens.scan()] == [record.id]
        with pytest.raises(LoginExpiredError) as error:
            store.find_token_by_id(record.id or "")
        assert isinstance(error.value, SDKException)
        assert error.value.limit == "idle"
    record = site.log_in(tokens)
    site.clock.pass_(2 * DAY)
    with open_store(site.url, **options) as store, pytest.raises(LoginExpiredError) as error:
        store.find_token(make_token(user_name="patricia"))
    assert isinstance(error.value, SDKException)


def test_a_new_login_begins_anew(site: Site) -> None:
    """In the row of the old one, too; a renewal does not."""
    tokens = site.limited(absolute=timedelta(days=1))
    first = site.log_in(tokens)
    site.clock.pass_(0.9 * DAY)
    assert tokens.refresh(first.id or "").created_at_ms == first.created_at_ms
    second = site.log_in(tokens)
    assert second.id == first.id
    assert (second.created_at_ms or 0) - (first.created_at_ms or 0) >= 0.9 * DAY * 1000
    site.clock.pass_(0.9 * DAY)
    assert tokens.get(second.id or "").created_at_ms == second.created_at_ms
    site.clock.pass_(0.1 * DAY)
    with pytest.raises(LoginExpiredError):
        tokens.get(second.id or "")


def test_an_expired_login_can_be_replaced_without_being_looked_up(site: Site) -> None:
    """Who logs in again is not stopped by the login that is over."""
    tokens = site.limited(idle=HOUR)
    first = site.log_in(tokens)
    site.clock.pass_(DAY)
    second = site.log_in(tokens)
    assert tokens.get(second.id or "").refresh_token == second.refresh_token != first.refresh_token


def test_the_last_use_is_recorded_coarsely(site: Site) -> None:
    """A look-up reads, and writes only when a fifth of the time has passed: beside it, and once."""
    tokens = site.limited(idle=timedelta(minutes=50))
    record = site.log_in(tokens)
    repository = tokens.lifecycle.renewer.repository
    for _ in range(5):
        site.clock.pass_(100)
        tokens.get(record.id or "")
    assert repository.get(record.id or "") == record
    site.clock.pass_(100)
    tokens.get(record.id or "")
    wait_until(lambda: repository.get(record.id or "") != record)
    used = repository.get(record.id or "")
    assert used is not None
    assert used == record.changed(last_used_at_ms=used.last_used_at_ms)
    assert abs((used.last_used_at_ms or 0) - site.clock()) < 5000


def test_whoever_uses_it_goes_on(site: Site) -> None:
    """A login in use every few minutes lasts, in whichever process: what one records, others see."""
    one, other = (site.limited(idle=timedelta(minutes=10)) for _ in range(2))
    record = site.log_in(one)
    for turn in range(30):
        site.clock.pass_(125)
        tokens = (one, other)[turn % 2]
        assert tokens.get(record.id or "").refresh_token == record.refresh_token
        assert tokens.lifecycle.sessions is not None
        tokens.lifecycle.sessions.wait(10)
    site.clock.pass_(600)
    with pytest.raises(LoginExpiredError):
        one.get(record.id or "")


def test_without_threads_the_use_is_recorded_at_once(site: Site) -> None:
    """Where threads freeze after the answer, as in AWS Lambda."""
    tokens = site.open(
        sessions=SessionPolicy(idle=timedelta(minutes=50)), refresh=RefreshPolicy(background=False)
    )
    record = site.log_in(tokens)
    site.clock.pass_(601)
    tokens.get(record.id or "")
    assert (site.stored(tokens)[record.id or ""].last_used_at_ms or 0) >= (
        record.updated_at_ms or 0
    ) + 600_000


def test_a_use_that_cannot_be_recorded_keeps_nobody_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an event and a log line, and tried again a minute later, not at every look-up."""
    tokens = site.open(
        sessions=SessionPolicy(idle=timedelta(minutes=50)), refresh=RefreshPolicy(background=False)
    )
    record = site.log_in(tokens)
    repository = tokens.lifecycle.renewer.repository
    backend = repository._backend
    with monkeypatch.context() as patch:
        patch.setattr(backend, "write", _fails)
        site.clock.pass_(601)
        for _ in range(3):
            assert tokens.get(record.id or "").access_token == record.access_token
    (event,) = site.told("use_not_recorded")
    assert (event.token_id, str(event.error)) == (record.id, "The disk is full.")


def test_one_that_cannot_be_removed_is_still_not_handed_out(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure is told by the event, and the next look-up tries again."""
    tokens = site.limited(idle=HOUR)
    record = site.log_in(tokens)
    site.clock.pass_(3600)
    backend = tokens.lifecycle.renewer.repository._backend
    with monkeypatch.context() as patch:
        patch.setattr(backend, "remove", _fails)
        with pytest.raises(LoginExpiredError):
            tokens.get(record.id or "")
    assert str(site.told("login_expired")[0].error) == "The disk is full."
    assert record.id in site.stored(tokens)
    with pytest.raises(LoginExpiredError):
        tokens.get(record.id or "")
    assert site.stored(tokens) == {}


def test_a_login_that_is_used_elsewhere_meanwhile_stays(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look-up that finds it overdue and its removal, another process records a use."""
    tokens, other = site.limited(idle=HOUR, revoke=True), site.open()
    record = site.log_in(tokens)
    site.clock.pass_(3600)
    sessions = tokens.lifecycle.sessions
    assert sessions is not None
    remove = sessions._remove

    def after_a_use(*arguments: Any) -> bool:
        other.lifecycle.renewer.repository.record_use(record.id or "")
        return remove(*arguments)

    monkeypatch.setattr(sessions, "_remove", after_a_use)
    with pytest.raises(LoginExpiredError):
        tokens.get(record.id or "")
    assert record.id in site.stored(tokens)
    assert list(tokens.lifecycle.ending.debts()) == []
    assert tokens.get(record.id or "").refresh_token == record.refresh_token
    assert site.is_alive(record)


def test_a_login_of_another_program_has_no_limit_until_its_times_are_known(site: Site) -> None:
    """The first look-up records its use; from then on the limit counts."""
    tokens = site.limited(idle=HOUR)
    record = site.log_in(tokens)
    backend = tokens.lifecycle.renewer.repository._backend
    row = backend.load(record.id or "")
    assert row is not None
    untimed = row._replace(created_at_ms=None, updated_at_ms=None, last_used_at_ms=None)
    backend.write(untimed, expect=row.etag)
    site.clock.pass_(DAY)
    tokens.get(record.id or "")
    wait_until(lambda: site.stored(tokens)[record.id or ""].last_used_at_ms is not None)
    site.clock.pass_(3600)
    with pytest.raises(LoginExpiredError):
        tokens.get(record.id or "")


class TestPerUser:
    def test_the_oldest_login_ends(self, site: Site) -> None:
        """Counted over all clients and domains of a user; those of others stay."""
        tokens = site.limited(per_user=2, revoke=True)
        someone = site.log_in(tokens, "someone")
        domains = [f"{site.zoho.url}/{n}" for n in range(4)]
        logins = []
        for domain in domains:
            logins.append(site.log_in(tokens, api_domain=domain))
            site.clock.pass_(60)
        assert {*site.stored(tokens)} == {someone.id, logins[2].id, logins[3].id}
        assert [event.reason for event in site.told("login_expired")] == ["per_user"] * 2
        wait_until(lambda: not site.is_alive(logins[0]) and not site.is_alive(logins[1]))
        assert all(map(site.is_alive, (someone, *logins[2:])))

    def test_logging_in_again_ends_nothing(self, site: Site) -> None:
        """The same row is no further login."""
        tokens = site.limited(per_user=1)
        for _ in range(3):
            record = site.log_in(tokens)
            assert {*site.stored(tokens)} == {record.id}
        assert site.told("login_expired") == []

    def test_a_failure_does_not_fail_the_login(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is stored by then; the failure is an event."""
        tokens = site.limited(per_user=1)
        site.log_in(tokens, api_domain=f"{site.zoho.url}/1")
        monkeypatch.setattr(tokens.lifecycle.renewer.repository._backend, "remove", _fails)
        site.log_in(tokens, api_domain=f"{site.zoho.url}/2")
        assert len(site.stored(tokens)) == 2
        assert str(site.told("login_expired")[0].error) == "The disk is full."


class TestRevoking:
    def test_an_expired_login_is_revoked_where_the_policy_says_so(self, site: Site) -> None:
        """Beside the look-up, which does not wait for Zoho; without it, Zoho is not asked."""
        for revoke in (True, False):
            tokens = site.limited(idle=HOUR, revoke=revoke)
            record = site.log_in(tokens)
            site.clock.pass_(3600)
            with pytest.raises(LoginExpiredError):
                tokens.get(record.id or "")
            if revoke:
                wait_until(lambda login=record: not site.is_alive(login))  # type: ignore[misc]
                wait_until(lambda opened=tokens: not list(opened.lifecycle.ending.debts()))  # type: ignore[misc]
            else:
                assert tokens.lifecycle.sessions is not None
                tokens.lifecycle.sessions.wait(10)
                assert site.is_alive(record)

    def test_what_the_sdk_is_told_of_zoho_is_known_to_the_thread(self, site: Site) -> None:
        """A login of the local Zoho is revoked there, although no data centre has its domain."""
        tokens = site.open()
        record = site.log_in(tokens, api_domain=site.zoho.url)
        limited = site.limited(idle=HOUR, revoke=True)
        site.clock.pass_(3600)
        with pytest.raises(LoginExpiredError):
            limited.get(record.id or "")
        wait_until(lambda: not site.is_alive(record))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "set idle, absolute or per_user"),
        ({"idle": 60}, "idle must be a timedelta of at least a second"),
        ({"idle": timedelta(0)}, "idle must be a timedelta of at least a second"),
        ({"absolute": timedelta(seconds=-5)}, "absolute must be a timedelta of at least a second"),
        ({"per_user": 0}, "per_user must be a whole number above zero"),
        ({"per_user": True}, "per_user must be a whole number above zero"),
        ({"per_user": 2.0}, "per_user must be a whole number above zero"),
        ({"idle": HOUR, "revoke": 1}, "revoke must be True or False"),
    ],
)
def test_a_policy_that_cannot_be_kept_is_refused(options: dict[str, Any], sentence: str) -> None:
    """In a sentence that names the argument."""
    with pytest.raises(ConfigurationError, match=sentence):
        SessionPolicy(**options)


def test_a_store_that_renews_nothing_has_no_sessions() -> None:
    """With `refresh=None` look-ups are the SDK's own."""
    with pytest.raises(ConfigurationError, match="sessions= needs a refresh policy"):
        open_store("list://", refresh=None, sessions=SessionPolicy(idle=HOUR))


def test_the_limits_are_the_same_for_a_login_by_refresh_token(site: Site) -> None:
    """An application that keeps the refresh token itself logs in anew; the old session is over."""
    tokens = site.limited(absolute=HOUR)
    secret = site.zoho.mint_refresh_token()
    first = tokens.log_in(site.client, RefreshToken(secret), user_name="patricia")
    site.clock.pass_(3600)
    with pytest.raises(LoginExpiredError):
        tokens.get(first.id or "")
    second = tokens.log_in(site.client, RefreshToken(secret), user_name="patricia")
    assert second.id != first.id
    assert (second.created_at_ms or 0) >= (first.created_at_ms or 0) + 3_600_000


def _fails(*_: object, **__: object) -> Any:
    from zoho_tokenstore.errors import BackendUnavailableError

    raise BackendUnavailableError("The disk is full.")
