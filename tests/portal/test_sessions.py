"""How logins end: here, everywhere, by time, by a coordinator; and what an ended one is worth."""

from __future__ import annotations

import base64
import json

import pytest
from itsdangerous import TimestampSigner

from demos.portal_web.settings import signing_key
from tests.portal.conftest import NewPerson
from tests.portal.support import AMELIA, COORDINATOR, PATRICIA, RAJESH, Person, Running


def refresh_token_of(running: Running, email: str) -> str:
    login = running.login_of(email)
    assert login is not None
    return login.refresh_token or ""


def test_log_out_here(new_person: NewPerson, running: Running) -> None:
    """The other browser of the same user stays logged in, and so does the portal at Zoho."""
    desk, phone = new_person().log_in(PATRICIA), new_person().log_in(PATRICIA)
    token = refresh_token_of(running, PATRICIA)
    desk.press("Log out")
    assert "You are logged out." in desk.text
    assert not desk.is_logged_in
    assert phone.is_logged_in
    assert running.zoho.is_live(token)


def test_the_last_log_out_revokes(person: Person, running: Running) -> None:
    """With the last browser, the portal's access ends at Zoho."""
    person.log_in(PATRICIA)
    token = refresh_token_of(running, PATRICIA)
    person.press("Log out")
    assert not running.zoho.is_live(token)
    assert running.logins == []


def test_log_out_everywhere(new_person: NewPerson, running: Running) -> None:
    """All browsers of the user are logged out; those of others are not."""
    desk, phone, other = (
        new_person().log_in(PATRICIA),
        new_person().log_in(PATRICIA),
        new_person().log_in(RAJESH),
    )
    token = refresh_token_of(running, PATRICIA)
    desk.press("Sessions")
    desk.press("Log out everywhere")
    assert [one.is_logged_in for one in (desk, phone, other)] == [False, False, True]
    assert not running.zoho.is_live(token)


def test_one_browser_ends_another(new_person: NewPerson) -> None:
    """The list says which browser this one is, and ends others."""
    desk, phone = new_person().log_in(PATRICIA), new_person(user_agent="Firefox/140 Android").log_in(PATRICIA)
    desk.press("Sessions")
    rows = desk.page.locator(".rows li")
    assert "Firefox on Android" in rows.nth(0).inner_text()
    assert "This one" in rows.nth(1).inner_text()
    rows.nth(0).get_by_role("button").click()
    assert "That browser is logged out." in desk.text
    assert (desk.is_logged_in, phone.is_logged_in) == (True, False)


def test_a_session_of_another_user_cannot_be_ended(new_person: NewPerson, running: Running) -> None:
    """The id of somebody else's session, in a form of one's own, ends nothing."""
    patricia, rajesh = new_person().log_in(PATRICIA), new_person().log_in(RAJESH)
    login = running.login_of(RAJESH)
    assert login is not None
    (session,) = running.portal.flow.sessions_of(login.id or "")
    new_person().log_in(PATRICIA)
    patricia.open("/sessions")
    form = patricia.page.locator(".rows form")
    form.evaluate("(form, id) => form.action = `/sessions/${id}/end`", session.id)
    form.get_by_role("button").click()
    assert rajesh.is_logged_in


def test_a_copied_cookie_ends_with_its_session(new_person: NewPerson) -> None:
    """A cookie that somebody copied lets nobody in after the log-out."""
    person, thief = new_person().log_in(PATRICIA), new_person()
    copied = person.context.cookies()
    thief.context.add_cookies(copied)  # type: ignore[arg-type]  # what Playwright returns, it takes
    assert thief.is_logged_in
    person.open("/courses")
    person.press("Log out")
    assert not thief.is_logged_in


def test_the_cookie_is_kept_from_scripts_and_other_sites(person: Person) -> None:
    """It is HttpOnly and SameSite=Lax, and there is no other."""
    (cookie,) = person.log_in(PATRICIA).context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")


@pytest.mark.parametrize("key", ["a guessed key", "the portal's"])
def test_a_login_id_is_no_way_in(new_person: NewPerson, running: Running, key: str) -> None:
    """A cookie with a login's id lets nobody in: signed by somebody else, or without the session's secret."""
    new_person().log_in(PATRICIA)
    login, stranger = running.login_of(PATRICIA), new_person()
    assert login is not None
    known = signing_key(running.portal.settings.folder)
    session = base64.b64encode(json.dumps({"zoho_session": f"{login.id}.guessed"}).encode())
    value = TimestampSigner(known if key == "the portal's" else key).sign(session).decode()
    stranger.context.add_cookies([{"name": "session", "value": value, "url": running.url}])
    assert not stranger.is_logged_in


def test_an_idle_login_ends(person: Person, running: Running) -> None:
    """After eight hours without use, the user logs in again, and comes back to the page."""
    person.log_in(PATRICIA)
    running.clock.pass_(8 * 60 + 1)
    person.open("/profile")
    assert person.path == "/"
    assert "your login has ended" in person.text
    assert running.logins == []
    person.press("Log in with Zoho")
    person.answer(PATRICIA)
    assert person.path == "/profile"


def test_a_login_in_use_does_not_end(person: Person, running: Running) -> None:
    """Use counts, over more than the eight hours; tokens that expired meanwhile are renewed."""
    person.log_in(PATRICIA)
    for _ in range(3):
        running.clock.pass_(5 * 60)
        running.zoho.advance(5 * 3600)
        assert len(person.courses()) == 3
        running.portal.store.tokens.lifecycle.sessions.wait(10)  # type: ignore[union-attr]  # there is a policy


def test_a_coordinator_ends_a_login_while_its_user_works(new_person: NewPerson, running: Running) -> None:
    """What the user sends next is not done, and they are told; a new login works."""
    student, coordinator = new_person().log_in(PATRICIA), new_person().log_in(COORDINATOR)
    token = refresh_token_of(running, PATRICIA)
    student.press("Add a course")
    student.page.get_by_label("Course", exact=True).fill("Botany")
    coordinator.press("Logins")
    coordinator.press(f"Details of {PATRICIA}")
    coordinator.press("End this login")
    assert f"The login of {PATRICIA} has ended." in coordinator.text
    assert not running.zoho.is_live(token)
    student.page.get_by_role("button", name="Add").click()
    assert "your login has ended" in student.text
    assert "Botany" not in student.log_in(PATRICIA).courses()
    assert coordinator.is_logged_in


def test_a_coordinator_sees_all_logins(new_person: NewPerson, running: Running) -> None:
    """Their state, their last use and the number of their browsers."""
    for email in (PATRICIA, PATRICIA, AMELIA):
        new_person().log_in(email)
    running.clock.pass_(120)
    running.zoho.advance(7200)
    coordinator = new_person().log_in(COORDINATOR)
    coordinator.open("/logins")
    rows = [row.split("\t") for row in coordinator.page.locator("tbody tr").all_inner_texts()]
    assert [(row[0], row[3]) for row in rows] == [(AMELIA, "1"), (COORDINATOR, "1"), (PATRICIA, "2")]
    assert [row[1] for row in rows] == ["Renewed at the next use", "Active", "Renewed at the next use"]


def test_students_are_no_coordinators(new_person: NewPerson, running: Running) -> None:
    """They have no link to the list, and cannot open it or end a login."""
    student, other = new_person().log_in(PATRICIA), new_person().log_in(RAJESH)
    assert student.page.get_by_role("link", name="Logins").count() == 0
    login = running.login_of(RAJESH)
    assert login is not None
    for path in ("/logins", f"/logins/{login.id}"):
        student.open(path)
        assert (student.status, RAJESH in student.text) == (403, False)
    student.open("/sessions")
    form = student.page.locator("section form").first
    form.evaluate("(form, id) => form.action = `/logins/${id}/end`", login.id)
    form.get_by_role("button").click()
    assert student.heading == "Not allowed"
    assert other.is_logged_in


def test_another_site_cannot_send_forms(new_person: NewPerson, running: Running) -> None:
    """A page elsewhere that posts to the portal ends no login, although its visitor is a coordinator."""
    student, coordinator = new_person().log_in(PATRICIA), new_person().log_in(COORDINATOR)
    login = running.login_of(PATRICIA)
    assert login is not None
    for path in (f"/logins/{login.id}/end", "/logout"):
        coordinator.page.goto("data:text/html,<form method=post></form>")
        coordinator.page.locator("form").evaluate("(form, url) => form.action = url", f"{running.url}{path}")
        with coordinator.page.expect_navigation():
            coordinator.page.locator("form").evaluate("form => form.submit()")
    assert student.is_logged_in
    assert coordinator.is_logged_in
