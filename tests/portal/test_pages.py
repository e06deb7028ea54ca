"""Every page on a desktop, on a phone and in the dark: nobody is left out, and nothing sticks out."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.portal.accessibility import is_wider_than_the_screen, problems_of
from tests.portal.conftest import NewPerson
from tests.portal.support import AMELIA, COORDINATOR, PATRICIA, RAJESH, Person
from tests.support.processes import ROOT

PICTURES: Final = ROOT / "test-output" / "portal"

LOOKS: Final[dict[str, dict[str, Any]]] = {
    "desktop": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "phone": {"viewport": {"width": 360, "height": 740}, "color_scheme": "light", "device_scale_factor": 2},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "dark-phone": {"viewport": {"width": 320, "height": 640}, "color_scheme": "dark"},
}


def check(person: Person, name: str, look: str) -> None:
    """Look at the page, and keep its picture."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    person.page.screenshot(path=PICTURES / f"{name}-{look}.png", full_page=True)
    assert problems_of(person.page) == [], name
    assert not is_wider_than_the_screen(person.page), name


@pytest.fixture(params=LOOKS)
def look(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def visitor(new_person: NewPerson, look: str) -> Person:
    return new_person(**LOOKS[look])


def test_pages_of_somebody_who_logs_in(visitor: Person, look: str) -> None:
    """The welcome page, Zoho's page, and what the portal says if the user does not consent."""
    visitor.open("/")
    check(visitor, "welcome", look)
    visitor.ask()
    check(visitor, "consent", look)
    visitor.answer(PATRICIA, "Reject")
    check(visitor, "rejected", look)
    visitor.open("/?said=out")
    check(visitor, "logged-out", look)


def test_pages_of_a_student(visitor: Person, new_person: NewPerson, look: str) -> None:
    """Courses, the form with and without mistakes, the profile, the sessions, a page that is not there."""
    new_person().log_in(PATRICIA)
    visitor.log_in(PATRICIA)
    check(visitor, "courses", look)
    visitor.press("Add a course")
    check(visitor, "form", look)
    visitor.page.get_by_label("Credits").fill("many")
    visitor.page.get_by_role("button", name="Add").click()
    check(visitor, "form-with-mistakes", look)
    for path in ("profile", "sessions", "nowhere"):
        visitor.open(f"/{path}")
        check(visitor, path, look)


def test_pages_of_a_coordinator(visitor: Person, new_person: NewPerson, look: str) -> None:
    """All logins, and one of them; a student without courses."""
    newcomer = new_person(**LOOKS[look]).log_in(AMELIA)
    check(newcomer, "no-courses", look)
    new_person().log_in(RAJESH)
    visitor.log_in(COORDINATOR)
    visitor.press("Logins")
    check(visitor, "logins", look)
    visitor.press(f"Details of {AMELIA}")
    check(visitor, "login", look)


def test_pages_of_a_device(visitor: Person, look: str) -> None:
    """Zoho's page where the user types a device's code."""
    visitor.page.goto(f"{visitor.running.zoho.url}/oauth/v3/device")
    check(visitor, "device", look)
    visitor.page.get_by_label("The code that the device shows").fill("ABCD-EFGH")
    visitor.press("Next")
    check(visitor, "device-unknown", look)


DEFECTS: Final[dict[str, str]] = {
    "no language": "document.documentElement.removeAttribute('lang')",
    "no label": "document.querySelector('label[for=name]').remove()",
    "no legend": "document.querySelector('legend').remove()",
    "a heading level left out": "document.querySelector('main').append(document.createElement('h4'))",
    "not one h1": "document.querySelector('h1').remove()",
    "contrast": "document.querySelector('label').style.color = '#999'",
    "no name": "document.querySelector('main').append(document.createElement('button'))",
    "no alt": "document.querySelector('img').removeAttribute('alt')",
    "a small target": "document.querySelector('main button').style.minHeight = '0'; "
    "document.querySelector('main button').style.padding = '0'; "
    "document.querySelector('main button').style.fontSize = '8px'",
    "the id name twice": "document.querySelector('h1').id = 'name'",
    "border contrast": "document.querySelector('#name').style.borderColor = '#eee'",
}


def test_the_checks_notice_defects(person: Person) -> None:
    """A page with a defect does not pass, for each of the defects."""
    person.log_in(PATRICIA)
    for defect, spoil in DEFECTS.items():
        person.open("/courses/new")
        assert problems_of(person.page) == []
        person.page.evaluate(f"() => {{ {spoil} }}")
        assert any(problem.startswith(defect) for problem in problems_of(person.page)), defect


def test_what_is_too_wide_is_noticed(person: Person) -> None:
    """A box of two screens can be scrolled."""
    person.open("/")
    assert not is_wider_than_the_screen(person.page)
    person.page.evaluate("document.querySelector('h1').style.width = '200vw'")
    assert is_wider_than_the_screen(person.page)
