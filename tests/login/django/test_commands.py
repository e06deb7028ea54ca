"""The management commands: what they do to the logins, what they say, and how they end."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.login.django.support import Project, flow, tokens
from zoho_tokenstore import SessionPolicy
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.records import SECRET_COLUMNS


class Ran:
    """A command that has run."""

    def __init__(self, *arguments: str, **options: Any) -> None:
        out, err = StringIO(), StringIO()
        try:
            call_command(*arguments, stdout=out, stderr=err, no_color=True, **options)
        except SystemExit as end:
            self.code = end.code
        else:
            self.code = 0
        self.out, self.err = out.getvalue(), err.getvalue()


@pytest.fixture
def login(project: Project, patricia: str) -> str:
    project.browser().log_in(patricia)
    return project.stored[0].id or ""


class TestCleanUp:
    """`zoho_cleanup`."""

    def test_logins_over_a_limit(self, project: Project, patricia: str, zoho: Emulator) -> None:
        """By the policy of the setting; --dry-run only counts."""
        project.set(SESSIONS=SessionPolicy(idle=timedelta(days=30), revoke=True))
        project.browser().log_in(patricia)
        project.be_older(31 * 86_400_000)
        token = project.stored[0].refresh_token or ""
        told = Ran("zoho_cleanup", "--dry-run")
        assert "1 over a limit, would be ended" in told.out
        assert len(project.stored) == 1
        told = Ran("zoho_cleanup")
        assert (told.code, told.err) == (0, "")
        assert "1 over a limit, ended" in told.out
        assert project.stored == []
        assert not zoho.is_live(token)

    def test_what_is_owed(self, project: Project, login: str, zoho: Emulator) -> None:
        """It ends with 1 while Zoho cannot be asked, and pays when it can."""
        zoho.fault("revoke", "status", status=503)
        flow().end(login)
        told = Ran("zoho_cleanup")
        assert told.code == 1
        assert "1 revocation still owed" in told.err
        told = Ran("zoho_cleanup", "--dry-run")
        assert (told.code, told.err) == (0, "")
        assert "1 owed revocation would be sent" in told.out
        zoho.clear_faults()
        assert "1 owed revocations sent" in Ran("zoho_cleanup").out

    @pytest.mark.parametrize("options", [[], ["--dry-run"]])
    def test_a_row_that_cannot_be_read(self, project: Project, login: str, options: list[str]) -> None:
        """It stays, and something is wrong."""
        with sqlite3.connect(project.folder / "db.sqlite3") as db:
            db.execute("UPDATE oauthtoken SET access_token = x'00ff'")
        told = Ran("zoho_cleanup", *options)
        assert (told.code, told.err) == (1, "1 row cannot be read, and stays.\n")

    def test_an_age(self, project: Project, login: str) -> None:
        """Durations are written as on the command line; a number without a unit is refused."""
        assert Ran("zoho_cleanup", "--rejected-for", "30d", "--retired-for", "1w").code == 0
        with pytest.raises(CommandError, match="30d, 12h or 45m"):
            Ran("zoho_cleanup", "--rejected-for", "30")


class TestLogins:
    """`zoho_logins`."""

    def test_the_list(self, project: Project, login: str, patricia: str, rajesh: str) -> None:
        """A line for each, without any secret."""
        project.browser().log_in(rajesh)
        told = Ran("zoho_logins")
        lines = [line.split("\t") for line in told.out.splitlines()]
        assert {line[1].partition(":")[0] for line in lines} == {patricia, rajesh}
        assert {line[4] for line in lines} == {"active"}
        for record in project.stored:
            for name in SECRET_COLUMNS:
                assert (getattr(record, name) or "nothing") not in told.out

    def test_some_of_them(self, project: Project, login: str, patricia: str) -> None:
        """Of a user, or of a client."""
        assert Ran("zoho_logins", "--user", patricia).out.startswith(login)
        assert Ran("zoho_logins", "--user", "nobody").out == ""
        assert Ran("zoho_logins", "--client", "1000.OTHER").out == ""

    def test_a_name_that_a_terminal_would_obey(self, project: Project) -> None:
        from zoho_tokenstore import TokenRecord

        repository = tokens().lifecycle.renewer.repository
        repository.save(
            TokenRecord(user_name="\x1b[2J\tx", access_token="a", expires_at_ms=4_102_444_800_000)
        )
        (line,) = Ran("zoho_logins").out.splitlines()
        assert line.split("\t")[1] == "\\x1b[2J\\tx"


class TestRevoke:
    """`zoho_revoke`."""

    def test_by_id(self, project: Project, login: str, zoho: Emulator) -> None:
        token = project.stored[0].refresh_token or ""
        told = Ran("zoho_revoke", login, "--no-input")
        assert (told.code, told.out) == (0, "1 login revoked at Zoho, and deleted here\n")
        assert not zoho.is_live(token)
        assert project.stored == []

    def test_a_question(
        self, project: Project, login: str, patricia: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It names what is about to end; anything but a yes ends nothing."""
        asked = []

        def answer(question: str) -> str:
            asked.append(question)
            return ["", "n", "y"][len(asked) - 1]

        monkeypatch.setattr("builtins.input", answer)
        for _ in range(2):
            with pytest.raises(CommandError, match="Nothing was changed"):
                Ran("zoho_revoke", login)
        assert len(project.stored) == 1
        Ran("zoho_revoke", "--everything")
        assert project.stored == []
        assert f"{login}, {patricia}" in asked[0]
        assert "ALL logins" in asked[2]

    def test_nobody_to_ask(self, project: Project, login: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """As in a job of cron: nothing ends without `--no-input`."""
        monkeypatch.setattr("sys.stdin", StringIO())
        with pytest.raises(CommandError, match="there is nobody to ask"):
            Ran("zoho_revoke", login)
        assert len(project.stored) == 1

    def test_by_user(self, project: Project, login: str, rajesh: str) -> None:
        project.browser().log_in(rajesh)
        name = next(record.user_name for record in project.stored if record.id == login) or ""
        assert Ran("zoho_revoke", "--user", name, "--dry-run").out == "1 login would be revoked\n"
        Ran("zoho_revoke", "--user", name, "--no-input")
        assert [record.id for record in project.stored] != [login]
        assert len(project.stored) == 1

    def test_nothing_is_named(self, project: Project, login: str) -> None:
        """It means nobody, not everybody."""
        with pytest.raises(CommandError, match="say which logins"):
            Ran("zoho_revoke", "--no-input")
        assert len(project.stored) == 1

    def test_what_is_not_there(self, project: Project, login: str) -> None:
        told = Ran("zoho_revoke", "missing", login, "--no-input")
        assert told.code == 1
        assert "missing: there is no such login" in told.err
        assert project.stored == []
        told = Ran("zoho_revoke", "--client", "1000.TYPO", "--no-input")
        assert (told.code, "no logins of client 1000.TYPO here" in told.err) == (1, True)

    def test_while_zoho_is_down(self, project: Project, login: str, zoho: Emulator) -> None:
        """They stay; with --owe they end here, and Zoho is told later."""
        zoho.fault("revoke", "status", status=503)
        told = Ran("zoho_revoke", login, "--no-input")
        assert told.code == 1
        assert "1 login still here" in told.err
        assert len(project.stored) == 1
        told = Ran("zoho_revoke", login, "--no-input", "--owe")
        assert "still to be revoked by cleanup" in told.err
        assert project.stored == []


class TestDoctor:
    """`zoho_doctor`."""

    def test_a_healthy_store(self, project: Project, login: str) -> None:
        told = Ran("zoho_doctor", verbosity=2)
        assert told.code == 0, told.out
        assert "1 rows read" in told.out
        assert "healthy" in told.out

    def test_a_store_that_is_not_there(self, project: Project, tmp_path: Any) -> None:
        """It is said, and nothing is created."""
        project.set(STORE=f"sqlite:///{tmp_path}/missing.db")
        assert Ran("zoho_doctor").code == 1
        assert not (tmp_path / "missing.db").exists()

    def test_a_time_limit(self, project: Project) -> None:
        with pytest.raises(CommandError, match="not a duration"):
            Ran("zoho_doctor", "--timeout", "soon")


def test_a_store_that_cannot_be_opened(project: Project, tmp_path: Any) -> None:
    """Every command says so in a sentence."""
    project.set(STORE=f"sqlite:///{tmp_path}/no/folder.db")
    for name in ("zoho_cleanup", "zoho_logins"):
        with pytest.raises(CommandError, match="does not exist"):
            Ran(name)
