"""The admin: who and how the logins are, their end and their renewal, and never a secret."""

from __future__ import annotations

import re
from typing import Any
from unittest import mock

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.login.django.support import Browser, Project, flow, tokens
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.records import SECRET_COLUMNS

LIST = "/admin/zoho_login/login/"


@pytest.fixture
def operator(project: Project) -> Browser:
    return operator_with(project, "view_login", "end_login", "renew_login")


def operator_with(project: Project, *rights: str) -> Browser:
    user = User.objects.create_user("-".join(rights), is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    browser = project.browser()
    browser.force_login(user)
    return browser


@pytest.fixture
def login(project: Project, patricia: str) -> str:
    """The id of a login that is used in two browsers."""
    for _ in range(2):
        project.browser().log_in(patricia)
    return project.stored[0].id or ""


def act(browser: Browser, action: str, *ids: str) -> str:
    """Choose an action of the list; return the page that follows."""
    answer: Any = browser.post(LIST, {"action": action, "_selected_action": ids}, follow=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def texts(page: str) -> list[str]:
    """Return what a page shows in fields of the result list or of a form."""
    cells = re.findall(r'<t[dh][^>]*class="field-[^>]*>(.*?)</t[dh]>', page, re.DOTALL)
    return [re.sub(r"<[^>]+>", "", cell).strip() for cell in cells]


class TestList:
    """What the admin shows."""

    def test_the_list(self, operator: Browser, login: str, project: Project, patricia: str) -> None:
        """Who it is, for which client and where, how it is, and in how many browsers."""
        user, client, place, state, created, used, browsers = texts(operator.page(LIST).content.decode())
        assert user.startswith(f"{patricia}:")
        assert client == project.zoho.default_client.client_id
        assert place == project.zoho.url
        assert state == "active"
        assert browsers == "2"
        assert created
        assert used

    @pytest.mark.parametrize(
        "column",
        ["id", "user_name", "api_domain", "created_at_ms", "last_used_at_ms"],
    )
    def test_a_row_that_is_damaged(
        self, operator: Browser, project: Project, patricia: str, rajesh: str, column: str
    ) -> None:
        """It does not keep the others from being shown, and is shown as well as it can be."""
        for user in (patricia, rajesh):
            project.browser().log_in(user)
        (damaged,) = (login.id for login in project.stored if (login.user_name or "").startswith(patricia))
        with connection.cursor() as cursor:
            cursor.execute("UPDATE oauthtoken SET last_used_at_ms = updated_at_ms")
            cursor.execute(f"UPDATE oauthtoken SET {column} = x'3132' WHERE id = %s", [damaged])
        assert f"{rajesh}:" in operator.page(LIST).content.decode()
        if column != "id":
            assert operator.page(f"{LIST}{damaged}/change/").status_code == 200

    def test_a_state_that_is_bad(self, operator: Browser, login: str, zoho: Emulator) -> None:
        """With Zoho's word for it."""
        zoho.fault("token:refresh_token", "error", error="invalid_code")
        tokens().invalidate(login)
        act(operator, "renew_logins", login)
        assert "login_needed (invalid_code)" in texts(operator.page(LIST).content.decode())
        zoho.clear_faults()

    def test_the_page_of_a_login(self, operator: Browser, login: str) -> None:
        """Also its scopes and its browsers; there is nothing to fill in."""
        act(operator, "renew_logins", login)
        page = operator.page(f"{LIST}{login}/change/").content.decode()
        assert page.count("Firefox on Linux, since ") == 2
        assert "ZohoCRM.modules.ALL" in page
        form = (
            page[page.index('<form method="post"', page.index('id="content"')) :] if "<form" in page else ""
        )
        assert 'name="user_name"' not in form
        assert "_save" not in form

    def test_a_search(self, operator: Browser, login: str, patricia: str) -> None:
        """By user, id or client."""
        for words in (patricia, login, "1000."):
            assert texts(operator.page(f"{LIST}?q={words}").content.decode())
        assert not texts(operator.page(f"{LIST}?q=nobody").content.decode())

    def test_a_filter(self, operator: Browser, login: str, project: Project) -> None:
        assert texts(operator.page(f"{LIST}?api_domain={project.zoho.url}").content.decode())
        assert not texts(operator.page(f"{LIST}?api_domain=https://www.zohoapis.eu").content.decode())

    def test_no_secret(self, operator: Browser, login: str, project: Project) -> None:
        """On no page, in no statement that Django sends, nor in its log."""
        record = project.stored[0]
        secrets = [value for name in SECRET_COLUMNS if (value := getattr(record, name)) is not None]
        assert len(secrets) == 3
        with CaptureQueriesContext(
            connection,
        ) as queries:
            pages = [
                operator.page(LIST).content.decode(),
                operator.page(f"{LIST}{login}/change/").content.decode(),
                act(operator, "renew_logins", login),
                act(operator, "end_logins", login),
                operator.page("/admin/").content.decode(),
            ]
        secrets += [each.id for each in flow().sessions_of(login)]
        statements = [query["sql"] for query in queries if "oauthtoken" in query["sql"]]
        assert statements
        for secret in secrets:
            assert all(secret not in page for page in pages)
        for name in SECRET_COLUMNS:
            assert all(name not in statement for statement in statements)

    def test_nothing_of_it_can_be_executed(self, operator: Browser, project: Project) -> None:
        """A name and a browser are other people's texts."""
        from zoho_tokenstore import TokenRecord

        bad = "<script>alert(1)</script>"
        repository = tokens().lifecycle.renewer.repository
        saved = repository.save(TokenRecord(user_name=bad, access_token="a", expires_at_ms=4_102_444_800_000))
        flow().sessions.open(saved.id or "", bad)
        for path in (LIST, f"{LIST}{saved.id}/change/"):
            page = operator.page(path).content.decode()
            assert bad not in page
            assert "&lt;script&gt;alert(1)" in page


class TestActions:
    """What an operator can do."""

    def test_end(self, operator: Browser, login: str, project: Project, zoho: Emulator) -> None:
        """Everywhere: here, in all browsers and at Zoho. Django's log says who did it."""
        refresh_token = project.stored[0].refresh_token or ""
        assert "Ended: patricia" in act(operator, "end_logins", login)
        assert project.stored == []
        assert not zoho.is_live(refresh_token)
        (entry,) = LogEntry.objects.all()
        assert (entry.object_id, entry.change_message) == (login, "Ended.")

    def test_renew(self, operator: Browser, login: str, project: Project) -> None:
        before = project.stored[0].access_token
        assert "Renewed: patricia" in act(operator, "renew_logins", login)
        assert project.stored[0].access_token != before

    def test_a_failure(self, operator: Browser, login: str, zoho: Emulator) -> None:
        """It is told, and noted as nothing that was done."""
        zoho.fault("token:refresh_token", "status", status=503)
        page = act(operator, "renew_logins", login)
        assert f"{login}: " in page
        assert "Renewed" not in page
        assert not LogEntry.objects.exists()
        zoho.clear_faults()

    def test_the_actor_in_our_trail(self, operator: Browser, project: Project, patricia: str) -> None:
        """An audit trail names the operator."""
        project.set(OPTIONS={"audit": True})
        project.browser().log_in(patricia)
        act(operator, "end_logins", project.stored[0].id or "")
        trail = tokens().lifecycle.renewer.repository.audit
        assert trail is not None
        assert "admin:view_login-end_login-renew_login" in {entry.actor for entry in trail.entries()}

    def test_a_long_name(self, project: Project, login: str) -> None:
        """Users of a project may have longer names than an actor."""
        operator = User.objects.create_superuser("o")
        browser = project.browser()
        browser.force_login(operator)
        with mock.patch.object(User, "get_username", return_value="o" * 254):
            act(browser, "end_logins", login)
        assert project.stored == []

    @pytest.mark.parametrize("right", ["view_login", "end_login"])
    def test_rights(self, project: Project, login: str, right: str) -> None:
        """Each right is its own: who may look may not end, and the other way round."""
        browser = operator_with(project, right)
        assert browser.page(LIST).status_code == (200 if right == "view_login" else 403)
        for action in ("end_logins", "renew_logins"):
            browser.post(LIST, {"action": action, "_selected_action": [login]})
        assert [record.id for record in project.stored] == [login]
        assert not LogEntry.objects.exists()

    def test_nothing_can_be_added_changed_or_deleted(self, project: Project, login: str) -> None:
        """Not even by a superuser."""
        browser = project.browser()
        browser.force_login(User.objects.create_superuser("root"))
        assert browser.page(f"{LIST}add/").status_code == 403
        assert browser.page(f"{LIST}{login}/delete/").status_code == 403
        assert browser.post(f"{LIST}{login}/change/", {"user_name": "x"}).status_code == 403
        assert "delete_selected" not in browser.page(LIST).content.decode()
        assert len(project.stored) == 1

    def test_a_login_that_is_gone(self, operator: Browser, login: str) -> None:
        """Somebody else has ended it since the list was shown."""
        flow().end(login)
        act(operator, "end_logins", login)
        assert operator.page(f"{LIST}{login}/change/").status_code == 302
