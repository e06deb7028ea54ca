"""What is wrong with keys, rows and logins."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from tests.doctor.support import (
    KEY,
    SECRET,
    examined,
    fill,
    login,
    names,
    note,
    save,
    sqlite,
)
from zoho_tokenstore import (
    AccountsError,
    Client,
    Keyset,
    RefreshToken,
    TokenRecord,
    open_repository,
    open_tokens,
)
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.doctor import Finding, Report, Severity
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.lifecycle import clean_up
from zoho_tokenstore.renewal._lease_entry import LeaseEntry, RecordedFailure, Renewed

OTHER_KEY = Keyset.generate().to_text().strip()


def run(folder: Path, *statements: str) -> None:
    """Change a database as somebody else would."""
    with closing(sqlite3.connect(folder / "zohooauth.db", isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def only(report: Report) -> Finding:
    """The only finding of a report in which everything was checked."""
    assert report.not_checked == {}
    (found,) = report.findings
    return found


def ids(found: Finding) -> list[str]:
    assert found.count == len(found.ids)
    return [row_id for row_id, _ in found.ids]


class TestKeys:
    """Faults of the keys, and of rows as far as they are sealed."""

    def test_no_keys_at_all(self, folder: Path) -> None:
        """It says how many rows need which key."""
        found = only(examined(fill(sqlite(folder)), keys=None))
        assert (found.check, found.severity, found.count) == ("keys-missing", Severity.ERROR, 2)
        assert Keyset.from_text(KEY).ids[0] in found.summary
        assert "No keys are set at all" in found.summary

    def test_other_keys(self, folder: Path) -> None:
        """A row under a key that is not in the ring."""
        assert only(examined(fill(sqlite(folder)), keys=OTHER_KEY)).check == "keys-missing"

    def test_an_older_key(self, folder: Path) -> None:
        """The rows open, and are not yet under the newest key."""
        found = only(examined(fill(sqlite(folder)), keys=f"{OTHER_KEY} {KEY}"))
        assert (found.check, found.severity, found.remedy) == (
            "old-key",
            Severity.WARNING,
            "zoho-tokens keys rotate",
        )

    def test_unsealed_secrets_without_keys(self, folder: Path) -> None:
        """Nobody has made keys yet."""
        found = only(examined(fill(sqlite(folder), keys=None), keys=None))
        assert (found.check, found.severity, found.count) == ("unsealed-secrets", Severity.WARNING, 2)

    def test_unsealed_secrets_beside_sealed_ones(self, folder: Path) -> None:
        """A program with Zoho's code has written a row into a sealed store."""
        url = fill(sqlite(folder))
        run(
            folder,
            "INSERT INTO oauthtoken (id, user_name, client_id, client_secret, refresh_token, api_domain) "
            "VALUES "
            f"('1', 'eve', 'c', '{SECRET}', '{SECRET}', 'https://www.zohoapis.eu')",
        )
        report = examined(url)
        found = next(each for each in report.findings if each.check == "unsealed-secrets")
        assert (found.severity, ids(found)) == (Severity.ERROR, ["1"])

    def test_a_conversion_that_is_not_done(self, folder: Path) -> None:
        """The keys accept unsealed secrets, and there are some."""
        found = only(examined(fill(sqlite(folder), keys=None), keys=f"{KEY} clear"))
        assert (found.check, found.severity) == ("unsealed-secrets", Severity.WARNING)

    def test_a_conversion_that_is_done(self, folder: Path) -> None:
        """The keys still accept unsealed secrets, and there are none."""
        assert only(examined(fill(sqlite(folder)), keys=f"{KEY} clear")).check == "keys-accept-clear"

    def test_a_key_file_that_others_can_read(self, folder: Path) -> None:
        """It is named, the rows are opened with it all the same, and the command mends it."""
        path = folder / "keys"
        path.write_text(KEY)
        path.chmod(0o644)
        url = fill(sqlite(folder))
        report = examined(url, keys=f"file:{path}")
        found = only(report)
        assert (found.check, found.remedy, report.rows) == ("key-file-permissions", f"chmod 600 {path}", 2)
        path.chmod(0o600)
        assert examined(url, keys=f"file:{path}").findings == ()

    @pytest.mark.parametrize("content", [None, "", "not a key", b"\xff\xfe"])
    def test_keys_that_cannot_be_used(self, folder: Path, content: str | bytes | None) -> None:
        """The file is not there, or holds none. Rows that are sealed are not taken for damaged."""
        path = folder / "keys"
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            path.chmod(0o600)
        assert only(examined(fill(sqlite(folder)), keys=f"file:{path}")).check == "keys-unusable"

    def test_keys_of_the_environment(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """They are taken where none are given."""
        url = fill(sqlite(folder))
        monkeypatch.setenv("ZOHO_TOKENSTORE_KEYS", KEY)
        assert examined(url, keys=None).findings == ()
        monkeypatch.setenv("ZOHO_TOKENSTORE_KEYS", "")
        assert "keys-unusable" in names(examined(url, keys=None))

    def test_a_row_that_was_moved(self, folder: Path) -> None:
        """Somebody gave a sealed row another owner."""
        url = fill(sqlite(folder))
        run(folder, "UPDATE oauthtoken SET user_name = 'eve' WHERE user_name LIKE 'ann%'")
        found = only(examined(url))
        assert (found.check, found.count) == ("rows-do-not-open", 1)


class TestRows:
    """Rows that cannot be read, or are not as ours are."""

    def test_a_row_that_is_none(self, folder: Path) -> None:
        """It is named with its reason; the others are read."""
        url = fill(sqlite(folder))
        run(folder, "UPDATE oauthtoken SET client_secret = X'00FF' WHERE user_name LIKE 'ann%'")
        report = examined(url)
        found = only(report)
        assert (found.check, found.count, report.rows) == ("rows-unreadable", 1, 2)
        assert "client_secret" in found.ids[0][1]

    @pytest.mark.parametrize(
        "expiry", ["2026-11-24T10:00:00Z", "1700000000000.5", "--5", "9" * 17, "9" * 5000]
    )
    def test_an_expiry_that_is_none(self, folder: Path, expiry: str) -> None:
        """Others wrote it in other units, or in words."""
        url = fill(sqlite(folder), keys=None)
        run(folder, f"UPDATE oauthtoken SET expiry_time = '{expiry}' WHERE user_name LIKE 'ann%'")
        report = examined(url, keys=None)
        (found,) = (each for each in report.findings if each.check == "rows-do-not-fit")
        assert found.count == 1

    def test_a_row_that_its_tokens_do_not_find(self, folder: Path) -> None:
        """Its digest was changed."""
        url = fill(sqlite(folder))
        run(folder, "UPDATE oauthtoken SET refresh_token_digest = 'x' WHERE user_name LIKE 'ann%'")
        assert only(examined(url)).check == "rows-do-not-fit"

    def test_a_refresh_token_without_a_client(self, folder: Path) -> None:
        """It cannot be renewed."""
        url = fill(sqlite(folder), login("ann"), login("bob", client_secret=None))
        assert only(examined(url)).check == "rows-do-not-fit"

    def test_two_rows_of_one_owner(self, folder: Path) -> None:
        """As a copy of a row with another id."""
        url = fill(sqlite(folder), keys=None)
        run(
            folder,
            "CREATE TEMP TABLE t AS SELECT * FROM oauthtoken WHERE user_name LIKE 'ann%'",
            "UPDATE t SET id = '1', refresh_token = 'another', access_token = 'another'",
            "INSERT INTO oauthtoken SELECT * FROM t",
        )
        report = examined(url, keys=None)
        assert names(report) == ["duplicate-owner", "unsealed-secrets"]

    def test_a_row_of_the_future(self, folder: Path) -> None:
        """It was saved by a host whose clock is ahead, or ours is behind."""
        url = fill(sqlite(folder))
        found = only(examined(url, clock=lambda: now_ms() - 600_000))
        assert (found.check, found.count) == ("future-times", 2)

    @pytest.mark.parametrize("domain", [None, "https://www.zohoapis.de", "https://evil.example"])
    def test_an_api_domain_that_is_none_of_zohos(self, folder: Path, domain: str | None) -> None:
        """Nobody knows where to renew it."""
        url = fill(sqlite(folder), login("ann"), login("bob", api_domain=domain))
        assert only(examined(url)).check == "unknown-api-domain"


class TestLogins:
    """What is noted of renewals, by renewing with the local Zoho where that can be had."""

    @pytest.fixture
    def zoho(self) -> Iterator[Emulator]:
        with Emulator() as running:
            yield running

    def logged_in(self, zoho: Emulator, url: str, token: str) -> Any:
        tokens = open_tokens(url, keys=KEY, accounts_url=zoho.url)
        client = Client(zoho.default_client.client_id, zoho.default_client.client_secret)
        return tokens, client, tokens.log_in(client, RefreshToken(token))

    def test_a_login_that_was_revoked(self, zoho: Emulator, folder: Path) -> None:
        """Zoho's word for it is in the finding."""
        tokens, _, mine = self.logged_in(zoho, sqlite(folder), zoho.mint_refresh_token())
        zoho.fault("token:refresh_token", "error", error="invalid_code")
        with pytest.raises(AccountsError):
            tokens.refresh(mine.id)
        tokens.close()
        found = only(examined(sqlite(folder)))
        assert (found.check, found.severity, found.ids) == (
            "dead-logins",
            Severity.WARNING,
            ((mine.id, "invalid_code"),),
        )

    def test_an_expired_login_without_a_refresh_token(self, folder: Path) -> None:
        """There is nothing to renew it with."""
        dead = TokenRecord(user_name="ann", access_token=f"{SECRET}-a", expires_at_ms=now_ms() - 1)
        with open_repository(sqlite(folder), keys=KEY) as repository:
            repository.save(dead)
        assert only(examined(sqlite(folder))).check == "dead-logins"

    def test_too_many_renewals(self, zoho: Emulator, folder: Path) -> None:
        """Ten requests in ten minutes are what Zoho takes."""
        tokens, _, mine = self.logged_in(zoho, sqlite(folder), zoho.mint_refresh_token())
        for _ in range(9):
            tokens.refresh(mine.id)
        tokens.close()
        found = only(examined(sqlite(folder)))
        assert (found.check, ids(found)) == ("budget-spent", [mine.id])

    def test_a_revocation_that_is_owed(self, zoho: Emulator, folder: Path) -> None:
        """A user logged out while Zoho was down; when it has been told, all is well."""
        tokens, _, mine = self.logged_in(zoho, sqlite(folder), zoho.mint_refresh_token())
        zoho.fault("revoke", "status", status=503)
        tokens.log_out(mine.id)
        found = only(examined(sqlite(folder)))
        assert (found.check, found.severity) == ("revocations-owed", Severity.WARNING)
        assert found.summary.startswith("1 login has ended here")
        zoho.clear_faults()
        clean_up(tokens)
        tokens.close()
        assert examined(sqlite(folder)).findings == ()

    def test_a_damaged_entry(self, folder: Path) -> None:
        """It counts as none, and its content is not shown."""
        url = fill(sqlite(folder))
        damaged = f"CAST(X'{SECRET.encode().hex()}ff' AS TEXT)"
        run(folder, f"INSERT INTO zoho_tokenstore_lease VALUES ('owed/0', {damaged}, {2**62})")
        assert examined(url).findings == ()

    def test_another_program_with_the_same_login(self, zoho: Emulator, folder: Path) -> None:
        """Zoho refuses our second request, as the other one has used up its budget."""
        token = zoho.mint_refresh_token()
        tokens, _, mine = self.logged_in(zoho, sqlite(folder), token)
        other, _, theirs = self.logged_in(zoho, f"sqlite:///{folder / 'other.db'}", token)
        for _ in range(8):
            other.refresh(theirs.id)
        with pytest.raises(AccountsError):
            tokens.refresh(mine.id)
        tokens.close()
        other.close()
        found = only(examined(sqlite(folder)))
        assert (found.check, ids(found)) == ("shared-login", [mine.id])

    def test_a_program_that_renews_without_the_lease(self, folder: Path) -> None:
        """Its row is fresher than our last renewal can have made it, as Zoho's own code leaves it."""
        with open_repository(sqlite(folder), keys=KEY) as repository:
            (ann, _) = save(repository, login("ann"), login("bob"))
            at = (ann.updated_at_ms or 0) - 1_800_000
            note(repository, ann, LeaseEntry(renewed=Renewed(at, ann.id or "", at)))
        found = only(examined(sqlite(folder)))
        assert (found.check, ids(found)) == ("shared-login", [ann.id])

    def test_a_failure_that_lasts(self, folder: Path) -> None:
        """One that began a moment ago is not worth a word."""
        with open_repository(sqlite(folder), keys=KEY) as repository:
            ann, bob = save(repository, login("ann"), login("bob"))
            now = now_ms()
            for record, since in ((ann, now - 1_200_000), (bob, now - 60_000)):
                failure = RecordedFailure("transient", None, now + 1000, since, 7)
                note(repository, record, LeaseEntry(failure=failure))
        found = only(examined(sqlite(folder)))
        assert (found.check, ids(found)) == ("failing-renewals", [ann.id])

    @pytest.mark.parametrize("production", ["https://www.zohoapis.eu", "www.zohoapis.eu", "eu"])
    def test_a_sandboxs_login_in_productions_row(self, folder: Path, production: str) -> None:
        """A program renewed it against production, and saved it there."""
        shared = {"refresh_token": f"{SECRET}-shared"}
        url = fill(
            sqlite(folder),
            login("ann", api_domain="https://sandbox.zohoapis.eu", **shared),
            login("ann", api_domain=production, **shared),
        )
        found = only(examined(url))
        assert (found.check, found.severity, found.count) == ("sandbox", Severity.ERROR, 1)

    def test_one_login_in_two_spellings_of_production(self, folder: Path) -> None:
        """Nothing was moved from one environment to the other."""
        shared = {"refresh_token": f"{SECRET}-shared"}
        rows = (login("ann", api_domain=domain, **shared) for domain in ("eu", "https://www.zohoapis.eu/"))
        assert "sandbox" not in [found.check for found in examined(fill(sqlite(folder), *rows)).findings]

    def test_one_login_in_two_data_centres(self, folder: Path) -> None:
        """A refresh token is of one only."""
        shared = {"refresh_token": f"{SECRET}-shared"}
        url = fill(
            sqlite(folder),
            login("ann", **shared),
            login("ann", api_domain="https://www.zohoapis.in", **shared),
        )
        assert only(examined(url)).check == "data-centre"

    def test_a_client_of_another_data_centre(self, folder: Path) -> None:
        """It works in one, and is refused in the other."""
        with open_repository(sqlite(folder), keys=KEY) as repository:
            _, bob = save(repository, login("ann"), login("bob", api_domain="https://www.zohoapis.com"))
            note(
                repository,
                bob,
                LeaseEntry(failure=RecordedFailure("rejected", "invalid_client", 0, now_ms(), 1)),
            )
        report = examined(sqlite(folder))
        assert names(report) == ["data-centre", "dead-logins"]
        assert report.findings[0].ids == ((bob.id, "in us; its client works in eu"),)

    def test_the_same_refusal_where_the_client_works(self, folder: Path) -> None:
        """Then it is just a dead login."""
        with open_repository(sqlite(folder), keys=KEY) as repository:
            _, bob = save(repository, login("ann"), login("bob"))
            note(
                repository,
                bob,
                LeaseEntry(failure=RecordedFailure("rejected", "invalid_code", 0, now_ms(), 1)),
            )
        assert names(examined(sqlite(folder))) == ["dead-logins"]

    def test_a_clock_that_is_not_zohos(self, folder: Path) -> None:
        """Zoho is asked only if wanted, once, and without any credential."""
        with Emulator(clock_offset=timedelta(minutes=5)) as zoho:
            url = fill(sqlite(folder), login("ann", api_domain=zoho.url))
            assert examined(url).findings == ()
            assert zoho.journal() == []
            found = only(examined(url, online=True))
            sent = json.dumps([str(entry) for entry in zoho.journal()])
        assert found.check == "clock-skew"
        assert "300 s behind" in found.summary or "299 s behind" in found.summary
        assert SECRET not in sent

    def test_a_clock_of_zoho_that_nobody_knows(self, folder: Path) -> None:
        """Zoho was asked, and did not say: that is not healthy."""
        with Emulator() as zoho:
            url = fill(sqlite(folder), login("ann", api_domain=zoho.url))
            zoho.fault("serverinfo", "drop")
            report = examined(url, online=True)
        assert report.findings == ()
        assert report.not_checked == {"clock-skew": f"Zoho did not say what time it is: {zoho.url}."}

    def test_zohos_clock_after_all_rows(self, folder: Path) -> None:
        """Reading all of them takes longer than the limit, which is then Zoho's alone."""
        with Emulator(clock_offset=timedelta(minutes=5)) as zoho:
            url = fill(sqlite(folder), login("ann", api_domain=zoho.url))
            zoho.fault("serverinfo", "slow", seconds=0.3)
            report = examined(
                url, online=True, everything=True, timeout=timedelta(seconds=1), on_rows=lambda _: sleep(1)
            )
        assert only(report).check == "clock-skew"
