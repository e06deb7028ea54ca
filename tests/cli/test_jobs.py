"""`cleanup`, and `revoke` by filter: what they do is reported, and nothing is meant by accident."""

from __future__ import annotations

import contextlib
import json
import sqlite3

import pytest

from tests.cli.conftest import Site
from zoho_tokenstore.records import Row
from zoho_tokenstore.registry import open_backend

pytestmark = pytest.mark.clear


def test_cleanup_ends_what_is_overdue(site: Site) -> None:
    """A dry run only counts; with --revoke they end at Zoho, too."""
    token_id = site.log_in()
    (record,) = site.records()
    assert site.run("cleanup", "--idle", "1m").out == f"1 login in {site.folder}/tokens.db\n"
    _age(site, token_id)
    dry = site.run("cleanup", "--idle", "30d", "--dry-run")
    assert dry.out.splitlines()[1:] == ["  1 over a limit, would be ended"]
    done = site.run("cleanup", "--idle", "30d", "--revoke")
    assert (done.status, done.out.splitlines()[1]) == (0, "  1 over a limit, ended")
    assert site.records() == []
    assert not site.zoho.is_live(record.refresh_token or "")


def test_cleanup_tells_programs(site: Site) -> None:
    """One JSON object."""
    site.log_in()
    report = json.loads(site.run("cleanup", "--json", "--rejected-for", "14d").out)
    assert (report["logins"], report["rejected"], report["is_complete"]) == (1, 0, True)


@pytest.mark.parametrize("wrong", [("--idle", "30"), ("--idle", "soon"), ("--idle", "0d"), ("--revoke",)])
def test_cleanup_deletes_nothing_by_a_slip(site: Site, wrong: tuple[str, ...]) -> None:
    """An age without its unit, or a revocation without a limit, is wrong usage."""
    token_id = site.log_in()
    _age(site, token_id)
    assert site.run("cleanup", *wrong).status == 2
    assert len(site.records()) == 1


@pytest.mark.parametrize("named_by", ["name", "address"])
def test_revoke_by_user(site: Site, named_by: str) -> None:
    """By the name, or the address as in `list`. Theirs end, all others stay; a dry run ends nothing."""
    mine = site.zoho.default_users[0].user_name
    mine = mine if named_by == "name" else mine.partition(":")[0]
    site.log_in(0)
    other = site.log_in(1)
    assert site.run("revoke", "--user", mine, "--dry-run").out == "1 login would be revoked\n"
    assert len(site.records()) == 2
    done = site.run("revoke", "--user", mine, "--yes")
    assert (done.status, done.out) == (0, "1 login revoked at Zoho, and deleted here\n")
    assert [record.id for record in site.records()] == [other]


@pytest.mark.parametrize("words", [("--user", "Patricia@zylker.example"), ("--client", "1000.TYPO")])
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_revoke_of_somebody_who_has_no_login(
    site: Site, words: tuple[str, str], dry: tuple[str, ...]
) -> None:
    """No success: a slip would leave alive what was to end, unseen."""
    site.log_in(0)
    done = site.run("revoke", *words, *dry, "--yes")
    what = f"{words[0].removeprefix('--')} {words[1]}"
    assert done.status == 1
    assert done.err == f"There are no logins of {what} here. Upper and lower case count: see `list`.\n"
    assert len(site.records()) == 1


def test_revoke_pays_what_is_owed_of_a_user(site: Site) -> None:
    """Somebody without a login here, but with a revocation owed: that is what is left to do."""
    token_id, user = site.log_in(0), site.zoho.default_users[0].user_name
    site.zoho.fault("revoke", "status", status=503)
    assert site.run("revoke", token_id, "--owe", "--yes").status == 1
    site.zoho.clear_faults()
    paid = site.run("revoke", "--user", user, "--yes")
    assert (paid.status, paid.err) == (0, "")
    assert site.run("revoke", "--user", user, "--yes").status == 1


def test_revoke_needs_to_know_which(site: Site) -> None:
    """Nothing named is not everything."""
    site.log_in()
    for words in ((), ("--user", ""), ("--everything", "1")):
        done = site.run("revoke", "--yes", *words)
        assert (done.status, "say which logins: their ids, --user" in done.err) == (2, True)
    assert site.run("revoke", "--everything").status == 2  # there is nobody to ask
    assert len(site.records()) == 1
    assert site.run("revoke", "--everything", "--yes").status == 0
    assert site.records() == []


def test_owed_and_paid(site: Site) -> None:
    """While Zoho is down a login ends here with --owe, and cleanup revokes it later."""
    token_id = site.log_in()
    (record,) = site.records()
    site.zoho.fault("revoke", "status", status=503)
    kept = site.run("revoke", token_id, "--yes")
    assert (kept.status, len(site.records())) == (1, 1)
    owed = site.run("revoke", token_id, "--owe", "--yes")
    assert (owed.status, site.records()) == (1, [])
    assert "still to be revoked" in owed.err
    assert site.run("cleanup").status == 1
    site.zoho.clear_faults()
    assert site.run("cleanup").status == 0
    assert not site.zoho.is_live(record.refresh_token or "")


def test_rows_that_cannot_be_read(site: Site) -> None:
    """No job reports success over them, a dry run neither; it says which they are."""
    site.put(Row("1", "amelia", access_token="a"))
    with contextlib.closing(sqlite3.connect(site.folder / "tokens.db")) as connection, connection:
        connection.execute("UPDATE oauthtoken SET access_token = x'ff'")
    for words in (("cleanup",), ("cleanup", "--dry-run")):
        done = site.run(*words)
        assert (done.status, done.err) == (1, "1 row cannot be read, and stays.\n")
    done = site.run("revoke", "--everything", "--dry-run")
    assert (done.status, done.out) == (1, "0 logins would be revoked\n")
    assert done.err == "1 login would stay here:\n  1: its access_token is a BLOB\n"


def test_a_dry_run_of_cleanup_shows_all(site: Site) -> None:
    """What is owed, too: it would be sent, and so is no failure."""
    token_id = site.log_in()
    site.zoho.fault("revoke", "status", status=503)
    site.run("revoke", token_id, "--owe", "--yes")
    site.zoho.clear_faults()
    dry = site.run("cleanup", "--dry-run", "--retired-for", "0d")
    assert (dry.status, dry.err) == (0, "")
    assert dry.out.splitlines()[1:] == [
        "  1 id of deleted logins would be forgotten",
        "  1 owed revocation would be sent",
    ]
    done = site.run("cleanup", "--retired-for", "0d")
    assert (done.status, done.out.splitlines()[1]) == (0, "  1 owed revocations sent; 0 were dead already")


def test_an_id_given_twice_counts_once(site: Site) -> None:
    """The second is no failure."""
    one = site.log_in()
    assert site.run("revoke", one, one, "--dry-run").out == "1 login would be revoked\n"
    done = site.run("delete", one, one, "--yes")
    assert (done.status, done.err) == (0, "")


def _age(site: Site, token_id: str) -> None:
    """Let a login be decades old, and unused since."""
    with contextlib.closing(open_backend(site.url)) as backend:
        row = backend.load(token_id)
        assert row is not None
        backend.write(row._replace(created_at_ms=1, updated_at_ms=1), expect=row.etag)
