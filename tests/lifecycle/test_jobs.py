"""Clean-up and central revocation: what they are meant for goes, everything else stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, Final

import pytest

from tests.lifecycle.support import Site
from zoho_tokenstore import (
    AccountsUnavailableError,
    ConfigurationError,
    ConflictError,
    InvalidGrantError,
    Keyset,
    TokenRecord,
    Tokens,
)
from zoho_tokenstore._saving import Fence
from zoho_tokenstore.lifecycle import CleanUpReport, LoginFilter, RevocationReport, clean_up, revoke

DAY: Final = 86_400.0


def ids(tokens: Tokens) -> set[str]:
    return {record.user_name or "" for record in tokens.scan()}


class TestCleanUp:
    def test_overdue_logins_go(self, site: Site) -> None:
        """All of them, and no others; a dry run only counts them."""
        tokens = site.limited(idle=timedelta(days=30), revoke=True)
        old = [site.log_in(tokens, f"old{n}") for n in range(3)]
        site.clock.pass_(31 * DAY)
        new = [site.log_in(tokens, f"new{n}") for n in range(2)]
        assert clean_up(tokens, dry_run=True) == CleanUpReport(logins=5, overdue=3)
        assert len(ids(tokens)) == 5
        assert clean_up(tokens) == CleanUpReport(logins=5, overdue=3, revoked=3)
        assert ids(tokens) == {"new0", "new1"}
        assert not any(map(site.is_alive, old))
        assert all(map(site.is_alive, new))
        assert clean_up(tokens) == CleanUpReport(logins=2)

    def test_without_a_policy_nothing_is_overdue(self, site: Site) -> None:
        """Clean-up invents no limit."""
        tokens = site.open()
        site.log_in(tokens)
        site.clock.pass_(1000 * DAY)
        assert clean_up(tokens) == CleanUpReport(logins=1)

    def test_rejected_logins_go_after_a_while(self, site: Site) -> None:
        """Those that Zoho has rejected for that long; one that nobody has asked about stays."""
        tokens = site.open()
        dead, unasked = site.log_in(tokens, "dead"), site.log_in(tokens, "unasked")
        for login in (dead, unasked):
            tokens.lifecycle.renewer.accounts(site.zoho.accounts_url).revoke(login.refresh_token or "")
        site.clock.pass_(2 * 3600)
        with pytest.raises(InvalidGrantError):
            tokens.get(dead.id or "")
        assert clean_up(tokens, rejected_for=timedelta(days=7)) == CleanUpReport(logins=2)
        site.clock.pass_(7 * DAY)
        assert clean_up(tokens) == CleanUpReport(logins=2)
        week = timedelta(days=7)
        assert clean_up(tokens, rejected_for=week, dry_run=True) == CleanUpReport(logins=2, rejected=1)
        assert clean_up(tokens, rejected_for=week) == CleanUpReport(logins=2, rejected=1, already_dead=1)
        assert ids(tokens) == {"unasked"}

    def test_a_rejected_user_who_has_logged_in_again_stays(self, site: Site) -> None:
        """The refusal was of the old credentials."""
        tokens = site.open()
        dead = site.log_in(tokens)
        tokens.lifecycle.renewer.accounts(site.zoho.accounts_url).revoke(dead.refresh_token or "")
        site.clock.pass_(2 * 3600)
        with pytest.raises(InvalidGrantError):
            tokens.get(dead.id or "")
        site.log_in(tokens)
        site.clock.pass_(7 * DAY)
        assert clean_up(tokens, rejected_for=timedelta(days=1)) == CleanUpReport(logins=1)

    def test_nameless_rows_go_only_on_request(self, site: Site) -> None:
        """And only when they are old enough: a login in progress gets its name a moment later."""
        tokens = site.open()
        repository = tokens.lifecycle.renewer.repository
        repository.save(TokenRecord(refresh_token="r", client_id="c", client_secret="s"))
        site.log_in(tokens)
        site.clock.pass_(DAY)
        repository.save(TokenRecord(refresh_token="r2", client_id="c", client_secret="s"))
        assert clean_up(tokens) == CleanUpReport(logins=3)
        done = clean_up(tokens, nameless_for=timedelta(hours=1))
        assert done == CleanUpReport(logins=3, nameless=1, already_dead=1)
        assert ids(tokens) == {"patricia", ""}

    def test_what_is_removed_is_revoked(self, site: Site) -> None:
        """Zoho was not asked, or has refused the client: the login may be alive, or one it has replaced."""
        tokens = site.open()
        repository = tokens.lifecycle.renewer.repository
        first = TokenRecord(
            refresh_token=site.zoho.mint_refresh_token(), client_id="c", client_secret="s", user_name=None
        )
        login_id = repository.save(first).id
        repository.save(first.changed(id=login_id, refresh_token=site.zoho.mint_refresh_token()))
        site.clock.pass_(DAY)
        done = clean_up(tokens, nameless_for=timedelta(hours=1))
        assert done == CleanUpReport(logins=1, nameless=1, revoked=2)

    def test_old_retired_ids_are_forgotten(self, site: Site) -> None:
        """On request."""
        tokens = site.open()
        record = site.log_in(tokens)
        tokens.revoke(record.id or "")
        site.clock.pass_(DAY)
        assert clean_up(tokens, retired_for=timedelta(days=2)).retired_ids == 0
        assert clean_up(tokens, retired_for=timedelta(hours=2)).retired_ids == 1

    def test_a_bad_row_stops_nothing(self, site: Site) -> None:
        """It is counted, and stays."""
        tokens = site.limited(idle=timedelta(days=1))
        records = [site.log_in(tokens, f"user{n}") for n in range(3)]
        _damage(tokens, records[1])
        site.clock.pass_(DAY)
        assert clean_up(tokens) == CleanUpReport(logins=2, overdue=2, unreadable=1)

    def test_what_fails_is_counted(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """And found again by the next run."""
        tokens = site.limited(idle=timedelta(days=1))
        record = site.log_in(tokens)
        site.clock.pass_(DAY)
        backend = tokens.lifecycle.renewer.repository._backend
        with monkeypatch.context() as patch:
            patch.setattr(backend, "remove", _fails)
            report = clean_up(tokens)
        assert report == CleanUpReport(logins=1, overdue=1, failed=1)
        assert not report.is_complete
        assert record.user_name in ids(tokens)
        assert clean_up(tokens).is_complete

    def test_progress_is_told(self, site: Site) -> None:
        """Every thousand logins."""
        tokens = site.open()
        repository = tokens.lifecycle.renewer.repository
        for n in range(2001):
            repository.save(TokenRecord(user_name=str(n), access_token=f"a{n}"))
        told: list[int] = []
        clean_up(tokens, on_progress=lambda report: told.append(report.logins))
        assert told == [1000, 2000]

    def test_a_rejection_is_not_remembered_for_ever(self, site: Site) -> None:
        """An age that none reaches is refused: every run would succeed, and remove nothing."""
        tokens = site.open()
        with pytest.raises(ConfigurationError, match="rejected_for must be less than 60 days"):
            clean_up(tokens, rejected_for=timedelta(days=60))
        assert clean_up(tokens, rejected_for=timedelta(days=59)) == CleanUpReport()

    def test_a_store_instead_of_its_tokens_is_refused(self, site: Site) -> None:
        """Jobs work on `Tokens`, and say so."""
        store: Any = site.limited(idle=timedelta(days=1)).lifecycle.renewer.repository
        everything = LoginFilter(everything=True)
        for job in (clean_up, partial(revoke, which=everything)):
            with pytest.raises(ConfigurationError, match="needs Tokens, not TokenRepository"):
                job(store)

    @pytest.mark.parametrize("name", ["rejected_for", "nameless_for", "retired_for"])
    @pytest.mark.parametrize("value", [7, timedelta(days=-1), "7 days"])
    def test_a_bad_duration_is_refused(self, site: Site, name: str, value: Any) -> None:
        """Before anything is removed."""
        tokens = site.limited(idle=timedelta(days=1))
        site.log_in(tokens)
        site.clock.pass_(DAY)
        with pytest.raises(ConfigurationError, match="must be a timedelta, not negative"):
            clean_up(tokens, **{name: value})
        assert len(ids(tokens)) == 1

    def test_a_data_centre_that_is_silent_keeps_no_other_waiting(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is owed to it is tried once; what is owed to others is paid, in whatever order."""
        tokens = site.open()
        asked = _silence_china(tokens, monkeypatch)
        logins = [_in_china(tokens, n) if n < 2 else site.log_in(tokens, f"user{n}") for n in range(4)]
        for login in logins:
            tokens.lifecycle.ending.owe(login)
        report = clean_up(tokens)
        assert (report.revoked, report.owed, len(asked)) == (2, 2, 1)
        assert "accounts.zoho.com.cn" in (report.owed_reason or "")
        assert not any(map(site.is_alive, logins[2:]))

    def test_a_debt_that_zoho_cannot_answer_keeps_no_other_waiting(self, site: Site) -> None:
        """An answer of no use may be about one token; it stays owed, and the others are paid."""
        tokens = site.open()
        logins = [site.log_in(tokens, f"user{n}") for n in range(3)]
        for login in logins:
            tokens.lifecycle.ending.owe(login)
        site.zoho.fault("revoke", "status", status=500, times=1)
        report = clean_up(tokens)
        assert (report.revoked, report.owed) == (2, 1)
        assert "HTTP 500" in (report.owed_reason or "")

    @pytest.mark.parametrize("key", [None, Keyset.generate()])
    def test_a_debt_whose_row_was_damaged(self, site: Site, key: Keyset | None) -> None:
        """Or does not open: it is paid, the row stays, and so do the others' debts not."""
        tokens = site.open(keys=key)
        logins = [site.log_in(tokens, f"user{n}") for n in range(3)]
        for login in logins:
            tokens.lifecycle.ending.owe(login)
        _damage(tokens, logins[0], "x'ff'" if key is None else "'not as it was sealed'")
        report = clean_up(tokens)
        assert (report.revoked, report.owed, report.unreadable) == (3, 0, 1)
        assert not any(map(site.is_alive, logins))

    def test_a_debt_whose_row_is_in_dispute(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """Others keep changing it: it stays owed, and those after it are paid."""
        tokens = site.open()
        logins = [site.log_in(tokens, f"user{n}") for n in range(3)]
        for login in logins:
            tokens.lifecycle.ending.owe(login)
        repository = tokens.lifecycle.renewer.repository
        delete_if = repository.delete_if

        def disputed(token_id: str, condition: Callable[[TokenRecord], bool]) -> bool:
            if token_id == logins[0].id:
                raise ConflictError("Others keep changing it.")
            return delete_if(token_id, condition)

        with monkeypatch.context() as patch:
            patch.setattr(repository, "delete_if", disputed)
            report = clean_up(tokens)
        assert (report.revoked, report.owed, report.owed_reason) == (2, 1, "Others keep changing it.")
        assert clean_up(tokens).already_dead == 1
        assert site.stored(tokens) == {}


class TestRevoke:
    @pytest.mark.parametrize(
        ("which", "meant"),
        [
            ({"user_name": "a@zylker.example:1"}, {"a1"}),
            ({"organization": "1"}, {"a1", "b1", "bot"}),
            ({"organization": "2"}, {"a2"}),
            ({"user_name": "a@zylker.example:1", "organization": "2"}, set()),
            ({"client_id": "nobody"}, set()),
            ({"everything": True}, {"a1", "b1", "a2", "bot", "free"}),
        ],
    )
    def test_by_filter(self, site: Site, which: dict[str, Any], meant: set[str]) -> None:
        """Those that are meant end at Zoho and here; all others live on in both."""
        tokens = site.open()
        names = {
            "a1": "a@zylker.example:1",
            "b1": "b@zylker.example:1",
            "a2": "a@zylker.example:2",
            "bot": "ZohoCRM.1",
            "free": "free:11",
        }
        logins = {key: site.log_in(tokens, name) for key, name in names.items()}
        chosen = LoginFilter(**which)
        assert revoke(tokens, chosen, dry_run=True) == RevocationReport(matched=len(meant))
        assert revoke(tokens, chosen) == RevocationReport(matched=len(meant), revoked=len(meant))
        left = {key for key, login in logins.items() if site.is_alive(login)}
        assert left == names.keys() - meant
        assert ids(tokens) == {names[key] for key in left}

    @pytest.mark.parametrize("meant", ["eu", "www.zohoapis.eu", "https://www.zohoapis.eu"])
    @pytest.mark.parametrize("stored", ["EU", "https://www.zohoapis.eu", "https://www.zohoapis.eu/"])
    def test_an_api_domain_in_any_spelling(self, meant: str, stored: str) -> None:
        """A login of that domain is meant, and none of another or of an unknown one."""
        chosen = LoginFilter(api_domain=meant)
        assert chosen.matches(TokenRecord(api_domain=stored))
        for other in ("https://sandbox.zohoapis.eu", "https://www.zohoapis.com", None):
            assert not chosen.matches(TokenRecord(api_domain=other))

    def test_by_id(self, site: Site) -> None:
        """An id that is not there is nothing to do."""
        tokens = site.open()
        one, other = site.log_in(tokens, "one"), site.log_in(tokens, "other")
        report = revoke(tokens, LoginFilter(token_ids=(one.id or "", "9000000000")))
        assert report == RevocationReport(matched=1, revoked=1)
        assert ids(tokens) == {"other"}
        assert site.is_alive(other)

    def test_what_waits_to_be_saved_is_meant_as_well(self, site: Site) -> None:
        """A login of this process that the storage could not take is not there again afterwards."""
        tokens = site.open()
        renewer, token = tokens.lifecycle.renewer, site.zoho.mint_refresh_token()
        waiting = TokenRecord(
            user_name="patricia",
            client_id=site.client.id,
            client_secret=site.client.secret,
            refresh_token=token,
            api_domain=site.zoho.url,
        )
        renewer.pending_saves.keep(waiting, Fence())
        assert revoke(tokens, LoginFilter(user_name="patricia")).revoked == 1
        assert renewer.pending_saves.kept == []
        assert site.stored(tokens) == {}
        assert not site.zoho.is_live(token)

    def test_while_zoho_is_down(self, site: Site) -> None:
        """They stay, with the reason; Zoho is not asked about each; and a second run finishes."""
        tokens = site.open()
        logins = [site.log_in(tokens, f"user{n}") for n in range(30)]
        site.zoho.fault("revoke", "status", status=503)
        asked = len(site.zoho.journal("revoke"))
        everything = LoginFilter(everything=True)
        report = revoke(tokens, everything, workers=2)
        assert (report.matched, report.kept, report.revoked) == (30, 30, 0)
        assert not report.is_complete
        assert len(report.reasons) == 20
        assert "503" in next(iter(report.reasons.values()))
        assert len(site.zoho.journal("revoke")) - asked <= 14
        assert len(ids(tokens)) == 30
        site.zoho.clear_faults()
        assert revoke(tokens, everything) == RevocationReport(matched=30, revoked=30)
        assert not any(map(site.is_alive, logins))

    def test_while_zoho_is_down_and_it_may_be_owed(self, site: Site) -> None:
        """They end here, and a second run pays."""
        tokens = site.open()
        logins = [site.log_in(tokens, f"user{n}") for n in range(30)]
        site.zoho.fault("revoke", "status", status=503)
        report = revoke(tokens, LoginFilter(everything=True), owe=True, workers=2)
        assert (report.matched, report.owed, report.kept, report.revoked) == (30, 30, 0, 0)
        assert not report.is_complete
        assert ids(tokens) == set()
        site.zoho.clear_faults()
        again = revoke(tokens, LoginFilter(user_name="user7"))
        assert (again.matched, again.paid, again.owed) == (0, 1, 0)
        assert [login.user_name for login in logins if not site.is_alive(login)] == ["user7"]
        assert revoke(tokens, LoginFilter(everything=True)).paid == 29
        assert not any(map(site.is_alive, logins))

    @pytest.mark.parametrize("owe", [True, False])
    def test_while_one_data_centre_is_down(
        self, site: Site, monkeypatch: pytest.MonkeyPatch, owe: bool
    ) -> None:
        """It is asked three times; the logins of all others are revoked, in whatever order."""
        tokens = site.open()
        asked = _silence_china(tokens, monkeypatch)
        for n in range(10):
            _in_china(tokens, n)
        logins = [site.log_in(tokens, f"user{n}") for n in range(10)]
        ids_in_order = tuple(record.id or "" for record in sorted(tokens.scan(), key=_is_elsewhere))
        report = revoke(tokens, LoginFilter(token_ids=ids_in_order), owe=owe, workers=1)
        assert (report.matched, report.revoked) == (20, 10)
        assert (report.owed, report.kept) == ((10, 0) if owe else (0, 10))
        assert len(asked) == 3
        assert not any(map(site.is_alive, logins))

    def test_a_login_that_others_keep_replacing(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """It stays, with the reason; the others end."""
        tokens = site.open()
        first, *_ = [site.log_in(tokens, f"user{n}") for n in range(3)]
        current = tokens.lifecycle.renewer.current
        monkeypatch.setattr(
            tokens.lifecycle.renewer, "current", lambda key: first if key == first.id else current(key)
        )
        report = revoke(tokens, LoginFilter(everything=True))
        assert (report.matched, report.revoked, report.kept) == (3, 2, 1)
        assert "replaced again and again" in report.reasons[first.id or ""]

    def test_a_report_tells_what_was_dead_already(self, site: Site) -> None:
        """It is removed like the others."""
        tokens = site.open()
        dead, _ = site.log_in(tokens, "dead"), site.log_in(tokens, "alive")
        tokens.lifecycle.renewer.accounts(site.zoho.accounts_url).revoke(dead.refresh_token or "")
        report = revoke(tokens, LoginFilter(everything=True))
        assert report == RevocationReport(matched=2, revoked=1, already_dead=1)
        assert report.is_complete

    def test_a_bad_row_stops_nothing(self, site: Site) -> None:
        """It is told: its login may be alive."""
        tokens = site.open()
        records = [site.log_in(tokens, f"user{n}") for n in range(3)]
        _damage(tokens, records[1])
        report = revoke(tokens, LoginFilter(everything=True))
        assert (report.revoked, report.kept) == (2, 1)
        assert list(report.reasons) == [records[1].id]
        assert not report.is_complete

    @pytest.mark.parametrize(
        ("which", "sentence"),
        [
            ({}, "say which logins"),
            ({"everything": True, "user_name": "a"}, "cannot be combined with user_name="),
            ({"user_name": ""}, "user_name must not be empty"),
            ({"token_ids": "17"}, "must be a tuple of strings"),
            ({"token_ids": 17}, "must be a tuple of strings"),
            ({"token_ids": ("17", 18)}, "must be a tuple of strings"),
            ({"user_name": 17}, "user_name must be a string"),
            ({"everything": "no"}, "everything must be True or False"),
        ],
    )
    def test_a_filter_that_may_mean_more_than_was_meant(self, which: dict[str, Any], sentence: str) -> None:
        """It is refused."""
        with pytest.raises(ConfigurationError, match=sentence):
            LoginFilter(**which)


def _damage(tokens: Tokens, record: TokenRecord, access_token: str = "x'ff'") -> None:
    """Make a row one that cannot be read."""
    import sqlite3

    with sqlite3.connect(tokens.lifecycle.renewer.repository.location) as connection:
        statement = f"UPDATE oauthtoken SET access_token = {access_token} WHERE id = ?"
        connection.execute(statement, (record.id,))
    connection.close()


def _in_china(tokens: Tokens, number: int) -> TokenRecord:
    """Store a login of the data centre in China."""
    record = TokenRecord(
        user_name=f"china{number}", refresh_token=f"r{number}", api_domain="https://www.zohoapis.com.cn"
    )
    return tokens.lifecycle.renewer.repository.save(record)


def _is_elsewhere(record: TokenRecord) -> bool:
    return record.api_domain != "https://www.zohoapis.com.cn"


def _silence_china(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the accounts server in China give no answer; return a list of the requests to it."""
    accounts, asked = tokens.lifecycle.renewer.accounts, list[str]()

    def at(url: str) -> Any:
        return Silent() if url == "https://accounts.zoho.com.cn" else accounts(url)

    class Silent:
        def revoke(self, token: str) -> None:
            asked.append(token)
            raise AccountsUnavailableError("https://accounts.zoho.com.cn did not answer.")

    monkeypatch.setattr(tokens.lifecycle.renewer, "accounts", at)
    return asked


def _fails(*_: object, **__: object) -> Any:
    from zoho_tokenstore.errors import BackendUnavailableError

    raise BackendUnavailableError("The disk is full.")


def test_two_codes_are_two_logins(site: Site) -> None:
    """Where neither has a token yet, a new code is a new login, and is not removed for the old one."""
    tokens = site.open()
    repository = tokens.lifecycle.renewer.repository
    old = TokenRecord(user_name="ann", client_id="c", client_secret="s", grant_token="old")
    saved = repository.save(old)
    repository.save(saved.changed(grant_token="new"))
    assert tokens.lifecycle.ending.remove(saved) is False
    assert tokens.lifecycle.ending.remove(saved.changed(grant_token="new")) is True
