"""Logging in at the portal with a browser: as meant, by hasty people, and by people who attack."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route

from tests.portal.conftest import NewPerson
from tests.portal.support import PATRICIA, RAJESH, Person, Running

FOREIGN = "This address does not belong to a login that was begun in this browser."
COURSES = ["Linear Algebra", "Organic Chemistry", "World History"]


def callback_of(person: Person) -> str:
    """Return the address with the code to which Zoho sent a browser last."""
    return next(url for url, _ in reversed(person.statuses) if "/callback?" in url)


def caught_callback(person: Person, email: str) -> str:
    """Consent at Zoho, and return the address of the callback, which the browser has not loaded."""
    caught: list[str] = []

    def catch(route: Route) -> None:
        caught.append(route.fetch(max_redirects=0).headers["location"])
        route.fulfill(body="caught")

    with_form = f"{person.running.zoho.url}/oauth/v2/auth"
    person.page.route(with_form, catch)
    person.page.locator(f'input[name=user][value="{email}"]').check()
    person.press("Accept")
    person.page.get_by_text("caught").wait_for()
    person.page.unroute(with_form)
    return caught[0]


class TestAsMeant:
    """Somebody logs in."""

    def test_two_users_see_their_own_courses(self, new_person: NewPerson, running: Running) -> None:
        """Each consents at Zoho, and the portal acts as them."""
        patricia, rajesh = new_person().log_in(PATRICIA), new_person().log_in(RAJESH)
        assert patricia.courses() == COURSES
        assert rajesh.courses() == ["Operating Systems", "Technical Writing"]
        assert len(running.logins) == 2

    def test_a_login_leads_where_the_user_wanted_to_go(self, person: Person) -> None:
        """A page that needs a login leads to the welcome page, and the login back to it."""
        person.open("/profile")
        assert person.path == "/"
        assert "Log in to continue." in person.text
        person.press("Log in with Zoho")
        person.answer(PATRICIA)
        assert person.path == "/profile"
        assert "Patricia Boyle" in person.text

    def test_with_the_keyboard_alone(self, person: Person) -> None:
        """Tab, arrows and Enter are enough; where the focus is, can be seen."""
        keyboard = person.page.keyboard
        person.open("/")
        self._tab_to(person, "Log in with Zoho")
        keyboard.press("Enter")
        person.page.wait_for_url("**/oauth/v2/auth?*")
        self._tab_to(person, PATRICIA)
        keyboard.press("ArrowDown")
        self._tab_to(person, "Accept")
        keyboard.press("Enter")
        person.page.wait_for_url("**/courses")
        assert person.courses() == ["Operating Systems", "Technical Writing"]
        keyboard.press("Tab")
        keyboard.press("Enter")  # the link that skips the navigation
        assert person.page.evaluate("document.activeElement.id") == "main"

    @staticmethod
    def _tab_to(person: Person, name: str) -> None:
        for _ in range(12):
            person.page.keyboard.press("Tab")
            focused = person.page.locator(":focus")
            outlined = "[e, e.closest('label')].some(x => x && getComputedStyle(x).outlineStyle !== 'none')"
            assert focused.evaluate(f"e => {outlined}"), focused.inner_text()
            if name in (focused.inner_text(), focused.get_attribute("value")):
                return
        raise AssertionError(f"{name} cannot be reached")

    def test_without_javascript(self, new_person: NewPerson) -> None:
        """Everything works: log in, add, edit, log out."""
        person = new_person(java_script_enabled=False).log_in(PATRICIA)
        person.press("Add a course")
        person.page.get_by_label("Course", exact=True).fill("Botany")
        person.page.get_by_label("Wait-listed").check()
        person.page.get_by_role("button", name="Add").click()
        assert "Botany was added." in person.text
        person.press("Edit Botany")
        assert person.page.get_by_label("Wait-listed").is_checked()
        person.page.get_by_label("Credits").fill("7")
        person.press("Save")
        assert person.courses() == ["Botany", *COURSES]
        assert "7" in person.page.locator(".card", has_text="Botany").inner_text()
        person.press("Log out")
        assert "You are logged out." in person.text


class TestHaste:
    """People reload, go back and open tabs."""

    def test_who_does_not_consent_is_told(self, person: Person, running: Running) -> None:
        """Nothing is stored, and a second try succeeds."""
        person.ask()
        person.answer(PATRICIA, "Reject")
        assert (person.heading, person.status) == ("Not logged in", 403)
        assert "You did not allow access" in person.text
        assert running.logins == []
        person.press("Log in with Zoho")
        person.answer(PATRICIA)
        assert person.path == "/courses"

    def test_a_callback_that_is_loaded_again(self, person: Person, running: Running) -> None:
        """The browser stays logged in, and the code is not sent again."""
        person.log_in(PATRICIA)
        person.page.goto(callback_of(person))
        assert person.path == "/courses"
        assert (
            running.zoho.counters().count("token:authorization_code", "ok") == 3
        )  # two were for the courses

    def test_the_back_button_after_a_login(self, person: Person) -> None:
        """It leads to Zoho's page; who accepts again is still logged in."""
        person.log_in(PATRICIA)
        person.page.go_back()
        assert person.heading == "Allow access?"
        person.answer(PATRICIA)
        assert person.path == "/courses"
        assert person.courses() == COURSES

    def test_the_back_button_after_a_logout(self, person: Person) -> None:
        """It shows no course to whoever sits there next."""
        person.log_in(PATRICIA)
        person.press("Log out")
        person.page.go_back()
        assert "Linear Algebra" not in person.page.content()
        assert person.path == "/"

    def test_logins_in_two_tabs(self, person: Person) -> None:
        """Both tabs can finish what they began, in any order."""
        person.ask()
        first = person.page
        person.page = person.context.new_page()
        person.ask()
        person.page, second = first, person.page
        person.answer(PATRICIA)
        assert person.path == "/courses"
        person.page = second
        person.answer(PATRICIA)
        assert person.path == "/courses"

    def test_another_user_in_another_tab(self, person: Person, running: Running) -> None:
        """A browser is one user's: the later login counts in both tabs, and the earlier one has ended."""
        person.log_in(PATRICIA)
        first, person.page = person.page, person.context.new_page()
        person.open("/login")
        person.answer(RAJESH)
        person.page = first
        assert person.courses() == ["Operating Systems", "Technical Writing"]
        assert running.login_of(PATRICIA) is None

    def test_a_login_that_takes_too_long(self, person: Person, running: Running) -> None:
        """After ten minutes, the user begins again."""
        person.ask()
        running.clock.pass_(11)
        person.answer(PATRICIA)
        assert "This login took too long." in person.text
        assert running.logins == []

    def test_a_code_that_has_expired(self, person: Person, running: Running) -> None:
        """Zoho's code lives for minutes; a late callback says so, and logs nobody in."""
        person.ask()
        callback = caught_callback(person, PATRICIA)
        running.zoho.advance(300)
        person.page.goto(callback)
        assert "This login took too long." in person.text
        assert running.logins == []

    def test_zoho_is_down_during_a_login(self, person: Person, running: Running) -> None:
        """The user is told to try again in a minute."""
        person.ask()
        running.zoho.fault("token", "status", times=1, status=503)
        person.answer(PATRICIA)
        assert person.status == 503
        assert "Zoho cannot be reached at the moment." in person.text


class TestAttacks:
    """Somebody wants to be somebody else, or wants somebody else to be them."""

    def test_a_stolen_callback(self, new_person: NewPerson, running: Running) -> None:
        """A code that comes to a stranger's browser lets nobody in, and the victim's login has ended."""
        victim, stranger = new_person(), new_person()
        victim.ask()
        callback = caught_callback(victim, PATRICIA)
        stranger.page.goto(callback)
        assert FOREIGN in stranger.text
        assert not stranger.is_logged_in
        victim.page.goto(callback)
        assert not victim.is_logged_in
        assert running.logins == []

    def test_a_replayed_callback(self, new_person: NewPerson) -> None:
        """A callback that was used lets no other browser in; the user stays logged in."""
        victim, stranger = new_person(), new_person()
        victim.log_in(PATRICIA)
        stranger.page.goto(callback_of(victim))
        assert FOREIGN in stranger.text
        assert not stranger.is_logged_in
        assert victim.is_logged_in

    @pytest.mark.parametrize(
        "query", ["", "code=1000.a.b", "code=1000.a.b&state=forged", "error=access_denied"]
    )
    def test_a_forged_callback(self, person: Person, running: Running, query: str) -> None:
        """A callback without a state of this browser is refused, and Zoho is not asked."""
        asked = running.zoho.counters().count("token")
        person.open(f"/callback?{query}")
        assert (person.status, FOREIGN in person.text) == (400, True)
        assert running.zoho.counters().count("token") == asked

    def test_a_forged_callback_logs_nobody_out(self, person: Person) -> None:
        """Whoever is lured to a forged address stays who they are."""
        person.log_in(PATRICIA)
        person.open("/callback?code=1000.a.b&state=forged")
        assert person.courses() == COURSES

    def test_a_swapped_login_address(self, new_person: NewPerson, running: Running) -> None:
        """A victim who consents at an address that an attacker began logs in neither of them."""
        attacker, victim = new_person(), new_person()
        attacker.ask()
        victim.page.goto(attacker.page.url)
        victim.answer(PATRICIA)
        assert FOREIGN in victim.text
        attacker.page.goto(callback_of(victim))
        assert not attacker.is_logged_in
        assert not victim.is_logged_in
        assert running.logins == []

    def test_logging_in_as_the_attacker(self, new_person: NewPerson) -> None:
        """The attacker's own callback does not make a victim use the attacker's account."""
        attacker, victim = new_person(), new_person()
        attacker.ask()
        victim.page.goto(caught_callback(attacker, RAJESH))
        assert FOREIGN in victim.text
        assert not victim.is_logged_in

    @pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example", "/\\evil.example"])
    def test_a_login_leads_to_no_other_site(self, person: Person, running: Running, address: str) -> None:
        """An address of another site is replaced by the start page."""
        person.open(f"/?next={address}")
        person.press("Log in with Zoho")
        person.answer(PATRICIA)
        assert person.page.url == f"{running.url}/"
