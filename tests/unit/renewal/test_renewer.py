"""Look-ups that renew: what they cost, who sends, and what everybody is answered."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from tests.unit.renewal.support import CREDENTIALS, ORIGIN, PRODUCTION, Fleet, Running, renewer, wait_until
from zoho_tokenstore import (
    BackendUnavailableError,
    Event,
    EventKind,
    RefreshPolicy,
    TokenNotFoundError,
    TokenRecord,
    TokenRepository,
)
from zoho_tokenstore.errors import (
    AccountsUnavailableError,
    BackendTimeoutError,
    ConfigurationError,
    ConflictError,
    InvalidGrantError,
    RateLimitedError,
)
from zoho_tokenstore.renewal._lease_entry import LeaseEntry
from zoho_tokenstore.renewal._renewer import Renewer
from zoho_tokenstore.renewal._task import names_of

LATER = timedelta(seconds=0.3)


def ask(process: Renewer, token: TokenRecord) -> TokenRecord:
    record = process.get(token.id or "", lambda: ORIGIN)
    assert record is not None
    return record


def finished(process: Renewer) -> None:
    """Wait until all that the process renews has ended."""
    process._renewals._single_flight.wait_for_all(10)


# ---- fresh


def test_a_fresh_look_up_is_one_read(fleet: Fleet) -> None:
    """It costs the read of its row: no lease, no request, no event."""
    token = fleet.login(3600)
    assert ask(fleet.first, token) == token
    assert fleet.storage.calls == {"load": 1}
    assert (fleet.kinds(), fleet.zoho.sent) == ([], 0)


@pytest.mark.parametrize("missing", ["refresh_token", "client_id", "client_secret"])
def test_what_cannot_be_renewed_serves_until_its_end(fleet: Fleet, missing: str) -> None:
    """Then it is an error that says how to get one that can; no lease is touched for it."""
    token = fleet.login(60, **{missing: None})
    assert ask(fleet.first, token) == token
    fleet.clock.pass_(60)
    with pytest.raises(InvalidGrantError, match=f"'{token.id}' has expired.*access_type=offline"):
        ask(fleet.first, token)
    assert set(fleet.storage.calls) == {"load"}
    assert fleet.kinds() == ["login_needed"]


def test_nobody_by_this_id(fleet: Fleet) -> None:
    """There is nothing to renew, and nothing to be told."""
    assert fleet.first.get("17") is None
    with pytest.raises(TokenNotFoundError):
        fleet.first.refresh("17")
    with pytest.raises(TokenNotFoundError):
        fleet.first.invalidate("17")


# ---- due


def test_a_due_token_is_renewed_beside_its_callers(fleet: Fleet) -> None:
    """Everybody goes on with it at once, however long Zoho takes; then all have the new one."""
    token = fleet.login(60)
    fleet.zoho.gate.clear()
    other = fleet.process()
    assert ask(fleet.first, token) == token
    fleet.wait_for_request()
    assert [ask(process, token) for process in (fleet.first, other, fleet.first)] == [token] * 3
    fleet.zoho.gate.set()
    finished(fleet.first)
    finished(other)
    renewed = ask(fleet.first, token)
    assert renewed.access_token == "1000.minted.1"
    assert ask(other, token) == renewed
    assert fleet.zoho.sent == 1
    assert fleet.kinds() == ["renewal_started", "updated", "renewed"]


def test_the_due_window_costs_nobody_anything(fleet: Fleet) -> None:
    """Beside a renewal a look-up is one read; another process looks at the lease once a second."""
    token = fleet.login(60)
    fleet.zoho.gate.clear()
    other = fleet.process()
    ask(fleet.first, token)
    fleet.wait_for_request()
    ask(other, token)
    finished(other)
    fleet.storage.calls.clear()
    for _ in range(50):
        assert ask(fleet.first, token) == ask(other, token) == token
    assert fleet.storage.calls == {"load": 100}
    fleet.zoho.gate.set()


def test_inline_the_first_caller_waits() -> None:
    """Where threads stand still between calls, it answers with the new token."""
    fleet = Fleet(background=False)
    token = fleet.login(60)
    assert ask(fleet.first, token).access_token == "1000.minted.1"
    assert fleet.stored().access_token == "1000.minted.1"


@pytest.mark.parametrize("background", [True, False])
def test_a_due_token_outlives_a_failure(background: bool) -> None:
    """Zoho says no, or nothing: the token is valid, and is handed out; nobody sends again at once."""
    fleet = Fleet(background=background)
    token = fleet.login(60)
    fleet.zoho.refusals = ["invalid_code"]
    for process in (fleet.first, fleet.first, fleet.process()):
        assert ask(process, token) == token
        finished(process)
    assert fleet.zoho.sent == 1
    assert fleet.kinds().count("login_needed") == 2  # one for each process


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("broken", ["replace", "read", "write"])
def test_a_due_token_outlives_a_store_that_fails(background: bool, broken: str) -> None:
    """A lease that cannot be taken, or a row that cannot be written, keeps nobody from the valid token."""
    fleet = Fleet(background=background)
    token = fleet.login(60)
    fleet.storage.broken = {broken}
    assert ask(fleet.first, token).id == token.id
    finished(fleet.first)
    assert ask(fleet.first, token).id == token.id


# ---- stale


def test_a_stale_token_is_renewed_once(fleet: Fleet) -> None:
    """Twenty threads of two processes wait for one request, and get its token."""
    token, other = fleet.login(-1), fleet.process()
    fleet.zoho.gate.clear()
    threads = [Running(partial(ask, process, token)) for process in (fleet.first, other) * 10]
    fleet.wait_for_request()
    fleet.zoho.gate.set()
    records = [thread.result() for thread in threads]
    assert {record.access_token for record in records} == {"1000.minted.1"}
    assert records[0] == fleet.stored()
    assert fleet.stored().expires_at_ms == fleet.clock.now + 3_600_000
    assert fleet.zoho.requests == [
        (
            "https://accounts.zoho.eu/oauth/v2/token",
            {**CREDENTIALS, "grant_type": "refresh_token", "refresh_token": "1000.refresh"},
        )
    ]


def test_who_waits_is_counted(fleet: Fleet) -> None:
    """The event of a renewal says how many callers of its process it has served, and how long it took."""
    token = fleet.login(-1)
    fleet.zoho.gate.clear()
    threads = [Running(lambda: ask(fleet.first, token)) for _ in range(5)]
    (flight,) = _single_flight(fleet)
    wait_until(lambda: flight.waiters == 5)
    fleet.zoho.gate.set()
    for thread in threads:
        thread.result()
    (renewed,) = [event for event in fleet.events if event.kind == "renewed"]
    assert renewed.waiters == 5
    assert renewed.seconds is not None
    assert renewed.seconds > 0


def _single_flight(fleet: Fleet) -> list[Any]:
    wait_until(lambda: bool(fleet.first._renewals._single_flight._in_progress))
    return list(fleet.first._renewals._single_flight._in_progress.values())


def test_waiting_asks_the_storage_nothing(fleet: Fleet) -> None:
    """However long Zoho takes, a thread that waits costs its first read."""
    token = fleet.login(-1)
    fleet.zoho.gate.clear()
    threads = [Running(lambda: ask(fleet.first, token)) for _ in range(20)]
    (flight,) = _single_flight(fleet)
    wait_until(lambda: flight.waiters == 20 and fleet.zoho.sent == 1)
    before = fleet.storage.calls.copy()
    time.sleep(0.2)
    assert fleet.storage.calls == before
    assert before["load"] <= 20 + 2
    fleet.zoho.gate.set()
    assert {thread.result() for thread in threads} == {fleet.stored()}
    assert fleet.storage.calls["load"] <= before["load"] + 1


@pytest.mark.parametrize("seconds_left", [5.501, 5.5])
def test_an_old_token_is_better_than_none(seconds_left: float) -> None:
    """If no new one is to be had, it is good until the SDK would refresh it by itself."""
    fleet = Fleet()
    token = fleet.login(seconds_left)
    fleet.zoho.refusals = ["server_error"]
    if seconds_left > 5.5:
        assert ask(fleet.first, token) == token
    else:
        with pytest.raises(AccountsUnavailableError):
            ask(fleet.first, token)
    assert fleet.zoho.sent == 1


def test_a_refused_login_is_told_to_all(fleet: Fleet) -> None:
    """One request; everybody in every process is told why; a new login works at once."""
    token = fleet.login(-1)
    fleet.zoho.refusals = ["invalid_code"]
    for process in (fleet.first, fleet.process(), fleet.first):
        with pytest.raises(InvalidGrantError, match=r"\(invalid_code\)") as caught:
            ask(process, token)
        assert caught.value.error_code == "invalid_code"
    assert fleet.zoho.sent == 1
    again = fleet.login(-1, refresh_token="1000.consented.again")
    assert again.id == token.id
    assert ask(fleet.first, again).access_token == "1000.minted.2"


def test_a_throttle_is_told_to_all(fleet: Fleet) -> None:
    """Until Zoho's window is over nobody sends another request."""
    token = fleet.login(-1)
    fleet.zoho.refusals = ["Access Denied"]
    for process in (fleet.first, fleet.process()):
        with pytest.raises(RateLimitedError) as caught:
            ask(process, token)
        assert caught.value.retry_after == pytest.approx(600, abs=1)  # the offset of the clocks is measured
    fleet.clock.pass_(601)
    assert ask(fleet.process(), token).access_token == "1000.minted.2"
    assert fleet.zoho.sent == 2


def test_the_budget_is_for_a_credential(fleet: Fleet) -> None:
    """Ten renewals in ten minutes, whoever sends them; another login has a budget of its own."""
    token = fleet.login(-1)
    for number in range(10):
        fleet.first.refresh(token.id or "") if number % 2 else fleet.process().refresh(token.id or "")
    with pytest.raises(RateLimitedError, match="10 were sent within 600 s"):
        fleet.first.refresh(token.id or "")
    assert fleet.zoho.sent == 10
    other = fleet.login(-1, user_name="rajesh", refresh_token="1000.other")
    assert ask(fleet.first, other).access_token == "1000.minted.11"


def test_tokens_that_never_live_for_ahead_use_up_no_budget() -> None:
    """Of two minutes each: whoever looks them up gets one that is valid, for as long as they do."""
    fleet = Fleet(background=False)
    fleet.zoho.granted = {"expires_in": 120}
    token = fleet.login(-1)
    for _ in range(60):
        renewed = ask(fleet.process(), token)
        assert (renewed.expires_at_ms or 0) > fleet.clock.now
        fleet.clock.pass_(20)
    assert fleet.zoho.sent <= 20


def test_a_budget_of_ones_own() -> None:
    """The policy's budget and window are those that count."""
    fleet = Fleet(budget=2, window=timedelta(seconds=60))
    token = fleet.login(-1)
    for _ in range(2):
        fleet.first.refresh(token.id or "")
    with pytest.raises(RateLimitedError) as caught:
        fleet.first.refresh(token.id or "")
    assert caught.value.retry_after == 60
    fleet.clock.pass_(60)
    fleet.first.refresh(token.id or "")


def test_an_observer_that_looks_up_what_is_being_renewed() -> None:
    """It does not wait for its own thread, which would take as long as a look-up may, and fail for all."""
    fleet = Fleet()
    token = fleet.login(-1)
    caught: list[AccountsUnavailableError] = []

    def observe(event: Event) -> None:
        if event.kind is EventKind.RENEWAL_STARTED:
            with pytest.raises(AccountsUnavailableError, match="being renewed") as error:
                observed.get(token.id or "")
            caught.append(error.value)

    repository = TokenRepository(fleet.storage, on_event=observe, clock=fleet.clock)
    observed = renewer(repository, fleet.zoho, wait=timedelta(seconds=5))
    assert ask(observed, token).access_token == "1000.minted.1"
    assert len(caught) == 1


# ---- deadlines


def test_no_look_up_waits_longer_than_it_may_for_zoho() -> None:
    """When Zoho hangs, the caller goes in time; the renewal goes on, and its token is stored."""
    fleet = Fleet(wait=LATER)
    token = fleet.login(-1)
    fleet.zoho.gate.clear()
    began = time.monotonic()
    with pytest.raises(AccountsUnavailableError, match=r"accounts server brought no token.*within 0\.3 s"):
        ask(fleet.first, token)
    assert 0.3 <= time.monotonic() - began < 1.3
    fleet.zoho.gate.set()
    finished(fleet.first)
    assert ask(fleet.first, token).access_token == "1000.minted.1"
    assert fleet.zoho.sent == 1


def test_no_look_up_waits_longer_than_it_may_for_others() -> None:
    """Nor when another process renews."""
    fleet = Fleet(wait=LATER)
    token = fleet.login(-1)
    fleet.zoho.gate.clear()
    holder = Running(lambda: ask(fleet.process(wait=timedelta(seconds=10)), token))
    fleet.wait_for_request()
    with pytest.raises(AccountsUnavailableError, match="omebody else"):
        ask(fleet.first, token)
    fleet.zoho.gate.set()
    assert holder.result().access_token == "1000.minted.1"


def test_no_look_up_waits_longer_than_it_may_for_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor when the store hangs under the renewal: that is another error, which names the store."""
    fleet = Fleet(wait=LATER)
    token = fleet.login(-1)
    monkeypatch.setattr(fleet.storage.leases, "read", lambda name: time.sleep(1))
    began = time.monotonic()
    with pytest.raises(BackendTimeoutError, match=r"list://.* did not answer within 0\.3 s"):
        ask(fleet.first, token)
    assert time.monotonic() - began < 1.3


def test_a_killed_holder_costs_one_time_limit() -> None:
    """Its lease ends with the time limit of its request, by the store's clock; then another one renews."""
    fleet = Fleet(timeout=timedelta(seconds=3), wait=LATER)
    token = fleet.login(-1)
    (name, *_) = names_of(token)
    dead = LeaseEntry().taken("dead", fleet.clock.now, fleet.policy)
    assert fleet.storage.leases.replace(name, "", str(dead), 60_000)
    fleet.clock.pass_(2.999)
    with pytest.raises(AccountsUnavailableError):
        ask(fleet.first, token)
    finished(fleet.first)
    fleet.clock.pass_(0.001)
    assert ask(fleet.first, token).access_token == "1000.minted.1"


# ---- late holders


def test_a_late_holder_undoes_nothing() -> None:
    """A token that comes after the lease has passed on does not replace the newer one, and is told."""
    fleet = Fleet()
    token, other = fleet.login(-1), fleet.process()
    fleet.zoho.gate.clear()
    late = Running(lambda: ask(fleet.first, token))
    fleet.wait_for_request()
    fleet.clock.pass_(fleet.policy.timeout.total_seconds())
    newer = Running(lambda: ask(other, token))
    wait_until(lambda: fleet.zoho.sent == 2)
    fleet.zoho.gate.set()
    tokens = {late.result().access_token, newer.result().access_token}
    stored = fleet.stored()
    assert tokens == {stored.access_token}
    assert fleet.kinds().count("fenced") == 1


def test_a_late_holder_brings_no_earlier_login_back() -> None:
    """A login that was made while it waited for Zoho stays, with its own tokens."""
    fleet = Fleet()
    token = fleet.login(-1)
    fleet.zoho.gate.clear()
    late = Running(lambda: ask(fleet.first, token))
    fleet.wait_for_request()
    login = token.changed(id=None, refresh_token="1000.second", access_token="1000.second.access")
    fleet.process().save(login.changed(expires_at_ms=fleet.clock.now + 3_600_000))
    fleet.zoho.gate.set()
    assert late.result().access_token == "1000.second.access"
    assert (fleet.stored().refresh_token, fleet.stored().access_token) == (
        "1000.second",
        "1000.second.access",
    )


def test_a_renewal_brings_no_deleted_token_back(fleet: Fleet) -> None:
    """Deleted while Zoho answered: it is neither stored nor handed out."""
    token = fleet.login(-1)
    fleet.zoho.gate.clear()
    late = Running(lambda: fleet.first.get(token.id or ""))
    fleet.wait_for_request()
    assert fleet.process().delete(token.id or "")
    fleet.zoho.gate.set()
    assert late.result() is None
    assert fleet.first.get(token.id or "") is None
    assert fleet.kinds().count("save_refused") == 1


# ---- first logins


def query(**fields: Any) -> TokenRecord:
    return TokenRecord(**{**CREDENTIALS, **fields})


@pytest.mark.parametrize("credential", ["refresh_token", "grant_token"])
def test_a_cold_start_is_one_login(fleet: Fleet, credential: str) -> None:
    """Of many first logins with the same credentials one is made, and all get its token."""
    asked, other = query(**{credential: "1000.credential"}), fleet.process()
    fleet.zoho.gate.clear()
    threads = [Running(partial(process.find, asked, lambda: ORIGIN)) for process in (fleet.first, other) * 5]
    fleet.wait_for_request()
    fleet.zoho.gate.set()
    records = [thread.result() for thread in threads]
    assert {(record.id, record.access_token) for record in records} == {(fleet.stored().id, "1000.minted.1")}
    assert fleet.zoho.sent == 1


def test_a_code_is_exchanged_once(fleet: Fleet) -> None:
    """A code of a redirect URL leads nobody in again, and is not sent again."""
    asked = query(grant_token="1000.code", redirect_url="https://portal.example/back")
    assert fleet.first.find(asked, lambda: ORIGIN) is not None
    ((_, form),) = fleet.zoho.requests
    assert form == {
        **CREDENTIALS,
        "grant_type": "authorization_code",
        "code": "1000.code",
        "redirect_uri": "https://portal.example/back",
    }
    for process in (fleet.first, fleet.process()):
        with pytest.raises(InvalidGrantError, match="not sent again"):
            process.find(asked, lambda: ORIGIN)
    assert fleet.zoho.sent == 1


def test_who_presents_a_code_later_gets_no_later_login(fleet: Fleet) -> None:
    """The row that the code's login went to holds another account's by now."""
    asked = query(grant_token="1000.code", redirect_url="https://portal.example/back", user_name="tenant-7")
    fleet.zoho.gate.clear()
    first = Running(lambda: fleet.first.find(asked, lambda: ORIGIN))
    fleet.wait_for_request()
    before = fleet.storage.calls["read"]
    waits = Running(lambda: fleet.process().find(asked, lambda: ORIGIN))
    wait_until(lambda: fleet.storage.calls["read"] > before)
    fleet.zoho.gate.set()
    saved = first.result()
    assert waits.result().access_token == saved.access_token
    fleet.clock.pass_(1)
    another = fleet.login(3600, user_name="tenant-7", refresh_token="1000.another")
    assert another.id == saved.id
    with pytest.raises(InvalidGrantError):
        fleet.process().find(asked, lambda: ORIGIN)


def test_different_credentials_log_in_side_by_side(fleet: Fleet) -> None:
    """Two codes of one client do not wait for each other."""
    fleet.zoho.gate.clear()
    threads = [
        Running(partial(fleet.first.find, query(grant_token=code), lambda: ORIGIN))
        for code in ("1000.one", "1000.two")
    ]
    wait_until(lambda: fleet.zoho.sent == 2)
    fleet.zoho.gate.set()
    assert len({thread.result().refresh_token for thread in threads}) == 2


def test_a_new_login_replaces_an_older_one(fleet: Fleet) -> None:
    """A new consent of a known user is no late renewal."""
    fleet.login(3600)
    asked = query(user_name="patricia", grant_token="1000.code", api_domain=PRODUCTION)
    found = fleet.first.find(asked, lambda: ORIGIN)
    assert found is not None
    assert found.access_token == fleet.stored().access_token == "1000.minted.1"
    assert fleet.stored().refresh_token == "1000.refresh.1"


@pytest.mark.parametrize(
    "asked",
    [
        TokenRecord(user_name="nobody"),
        TokenRecord(client_id="c", refresh_token="1000.r"),
        query(refresh_token="1000.r", access_token="1000.own"),
    ],
    ids=["no credentials", "no client", "an access token of its own"],
)
def test_what_logs_nobody_in(fleet: Fleet, asked: TokenRecord) -> None:
    """Without a client and its credentials, or beside an access token, there is nothing to exchange."""
    assert fleet.first.find(asked, lambda: ORIGIN) is None
    assert set(fleet.storage.calls) <= {"find"}
    assert fleet.zoho.sent == 0


def test_who_only_asks_logs_nobody_in(fleet: Fleet) -> None:
    """`logs_in=False` finds what is there, renews it, and spends no code."""
    asked = query(grant_token="1000.code")
    assert fleet.first.find(asked, lambda: ORIGIN, logs_in=False) is None
    assert fleet.zoho.sent == 0
    fleet.login(-1)
    found = fleet.first.find(TokenRecord(user_name="patricia"), lambda: ORIGIN, logs_in=False)
    assert found is not None
    assert found.access_token == "1000.minted.1"


def test_a_query_by_id_is_for_revoking(fleet: Fleet) -> None:
    """It is answered as it stands."""
    token = fleet.login(-1)
    assert fleet.first.find(TokenRecord(id=token.id)) == token
    assert "read" not in fleet.storage.calls


def test_nothing_is_sent_that_cannot_be_stored(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that refuses the rehearsal of the save spends no code, and holds up nobody."""

    def rehearse(*_: object, **__: object) -> None:
        raise BackendUnavailableError("It is read-only.")

    monkeypatch.setattr(fleet.storage, "rehearse", rehearse, raising=False)
    asked = query(grant_token="1000.code")
    with pytest.raises(BackendUnavailableError):
        fleet.first.find(asked, lambda: ORIGIN)
    monkeypatch.undo()
    assert fleet.zoho.sent == 0
    assert fleet.process().find(asked, lambda: ORIGIN) is not None


def test_each_row_of_one_refresh_token_gets_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if two look-ups begin to renew ahead in the same moment: both wait for one renewal."""
    fleet = Fleet(background=False)
    rows = [fleet.login(60, user_name=name, access_token=f"1000.{name}") for name in ("ann", "bob")]
    flights = fleet.first._renewals._single_flight
    monkeypatch.setattr(flights, "is_postponed", lambda _: False)  # as each of them found
    fleet.zoho.gate.clear()
    asking = [Running(partial(fleet.first.get, row.id or "")) for row in rows]
    wait_until(lambda: [pending.waiters for pending in flights._in_progress.values()] == [2])
    fleet.zoho.gate.set()
    assert [asked.result().user_name for asked in asking] == ["ann", "bob"]
    assert fleet.zoho.sent == 1


# ---- refresh and invalidate


def test_refresh_renews_whatever_it_needs(fleet: Fleet) -> None:
    """A fresh token, too; and each time anew."""
    token = fleet.login(3600)
    assert [fleet.first.refresh(token.id or "").access_token for _ in range(2)] == [
        "1000.minted.1",
        "1000.minted.2",
    ]


def test_refresh_tries_what_zoho_has_refused(fleet: Fleet) -> None:
    """Who insists sends one request more, as after a correction in Zoho's console."""
    token = fleet.login(-1)
    fleet.zoho.refusals = ["invalid_client"]
    with pytest.raises(Exception, match="invalid_client"):
        ask(fleet.first, token)
    assert fleet.first.refresh(token.id or "").access_token == "1000.minted.2"
    assert fleet.kinds()[-1] == "recovered"


def test_refresh_of_what_cannot_be_renewed(fleet: Fleet) -> None:
    """It says that a login is needed."""
    token = fleet.login(3600, refresh_token=None)
    with pytest.raises(InvalidGrantError, match="no refresh token"):
        fleet.first.refresh(token.id or "")


def test_an_invalidated_token_is_renewed_by_everybody(fleet: Fleet) -> None:
    """The next look-up of any process renews it, once."""
    token, other = fleet.login(3600), fleet.process()
    assert fleet.first.invalidate(token.id or "", "1000.first")
    renewed = ask(other, token)
    assert renewed.access_token == "1000.minted.1"
    assert ask(fleet.first, token) == renewed
    assert not fleet.first.invalidate(token.id or "", "1000.first")  # another one is stored by now
    assert ask(fleet.first, token) == renewed
    assert fleet.zoho.sent == 1


def test_an_invalidated_token_that_cannot_be_renewed(fleet: Fleet) -> None:
    """It is handed out to nobody any more."""
    token = fleet.login(3600, refresh_token=None)
    assert fleet.first.invalidate(token.id or "")
    with pytest.raises(InvalidGrantError):
        ask(fleet.first, token)


@pytest.mark.parametrize("refresh_token", ["1000.refresh", None])
def test_invalidating_leaves_what_was_saved_meanwhile(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, refresh_token: str | None
) -> None:
    """A renewal, or a login by client credentials: the refused token is not the stored one any more."""
    token = fleet.login(3600, refresh_token=refresh_token)
    save, other = fleet.first.repository.save, fleet.process()

    def late(record: TokenRecord, **options: Any) -> TokenRecord:
        other.save(token.changed(access_token="1000.second"))
        return save(record, **options)

    monkeypatch.setattr(fleet.first.repository, "save", late)
    assert not fleet.first.invalidate(token.id or "", "1000.first")
    stored = fleet.stored()
    assert (stored.access_token, stored.expires_at_ms) == ("1000.second", token.expires_at_ms)


# ---- closing


def test_close_waits_for_what_is_under_way(fleet: Fleet) -> None:
    """A renewal beside its callers is stored before the process ends."""
    token = fleet.login(60)
    fleet.zoho.gate.clear()
    ask(fleet.first, token)
    fleet.wait_for_request()
    closing = Running(fleet.first.close)
    assert closing.is_running()
    fleet.zoho.gate.set()
    closing.result()
    assert fleet.stored().access_token == "1000.minted.1"
    fleet.first.close()  # again: nothing happens


def test_close_does_not_wait_for_ever() -> None:
    """As long as a look-up would."""
    fleet = Fleet(wait=LATER)
    token = fleet.login(60)
    fleet.zoho.gate.clear()
    ask(fleet.first, token)
    fleet.wait_for_request()
    began = time.monotonic()
    fleet.first.close()
    assert time.monotonic() - began < 1.3
    fleet.zoho.gate.set()


def test_two_rows_with_one_refresh_token(fleet: Fleet) -> None:
    """Each is renewed, under the one lease; nobody is answered with the other's row."""
    one = fleet.login(-1)
    two = fleet.login(-1, user_name="rajesh", access_token="1000.two")
    assert two.id != one.id
    threads = [Running(partial(ask, fleet.first, token)) for token in (one, two) * 4]
    assert [thread.result().id for thread in threads] == [one.id, two.id] * 4
    assert fleet.zoho.sent == 2


def test_the_policy_of_a_process_is_its_own(fleet: Fleet) -> None:
    """What is due for one may be fresh for another one."""
    token = fleet.login(60)
    eager, lazy = fleet.process(background=False), fleet.process(ahead=RefreshPolicy().urgent)
    assert ask(lazy, token) == token
    assert ask(eager, token).access_token == "1000.minted.1"


def test_a_renewal_that_knows_no_server_gives_its_lease_back(fleet: Fleet) -> None:
    """Whoever does not say where Zoho is holds up nobody who does."""
    token = fleet.login(-1, api_domain="http://127.0.0.1:8085")
    with pytest.raises(ConfigurationError, match="accounts servers"):
        fleet.first.get(token.id or "")
    began = time.monotonic()
    assert fleet.process().get(token.id or "", lambda: ORIGIN) is not None
    assert time.monotonic() - began < 1
    assert fleet.zoho.sent == 1


def test_a_save_that_is_refused_for_good_gives_the_lease_back(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its caller is told; the next one need not wait until the lease has run out."""
    token = fleet.login(-1)

    def refuse(*_: object, **__: object) -> None:
        raise ConflictError("It is somebody else's.")

    with monkeypatch.context() as patch:
        patch.setattr(TokenRepository, "save", refuse)
        with pytest.raises(ConflictError):
            fleet.first.get(token.id or "", lambda: ORIGIN)
    began = time.monotonic()
    assert fleet.first.get(token.id or "", lambda: ORIGIN) is not None
    assert time.monotonic() - began < 1
