"""The portal's answers without a browser: its headers, its forms, and what it says when Zoho fails."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Self

import httpx2
import pytest

from demos.portal_web import crm
from demos.portal_web.forms import read_course
from demos.portal_web.headers import HEADERS
from demos.portal_web.local_zoho import COORDINATOR
from tests.portal.support import AMELIA, PATRICIA, RAJESH, Running, serving
from tests.support.network import HERE


@pytest.fixture(scope="module")
def _serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("portal")) as running:
        yield running


@pytest.fixture
def running(_serving: Running) -> Iterator[Running]:
    yield _serving
    _serving.zoho.clear_faults()


class Visitor(httpx2.Client):
    """A browser without pictures: it keeps cookies, and fills in forms."""

    def __init__(self, running: Running) -> None:
        super().__init__(base_url=running.url, timeout=20, headers={"Accept": "text/html"}, **HERE)
        self.running = running

    def log_in(self, email: str) -> Self:
        page = self.get(self.get("/login").headers["location"])
        ticket = re.search(r'name="ticket" value="([0-9a-f]+)"', page.text)
        assert ticket is not None
        form = {"ticket": ticket[1], "user": email, "decision": "accept"}
        answer = self.post(f"{self.running.zoho.url}/oauth/v2/auth", data=form)
        assert self.get(answer.headers["location"]).headers["location"] == "/"
        return self

    @property
    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/sessions").text)
        assert found is not None
        return found[1]

    def submit(self, path: str, **form: str) -> httpx2.Response:
        """Send a form of this browser's."""
        return self.post(path, data={"csrf": self.csrf, **form})


@contextmanager
def logged_in(running: Running, email: str = PATRICIA) -> Iterator[Visitor]:
    with Visitor(running) as visitor:
        yield visitor.log_in(email)


@pytest.fixture
def patricia(running: Running) -> Iterator[Visitor]:
    with logged_in(running) as visitor:
        yield visitor


ALGEBRA = {"name": "Algebra", "credits": "4", "term": "Spring 2027", "status": "Enrolled", "notes": "a\r\nb"}


class TestHeaders:
    """What every answer carries."""

    @pytest.mark.parametrize(
        "path",
        [
            "/",
            "/courses",
            "/nowhere",
            "/static/portal.css",
            "/static/nothing",
            "/login",
            "/callback",
            "/logout",
        ],
    )
    def test_every_answer_has_the_headers(self, running: Running, path: str) -> None:
        """Pages, redirects, errors and files forbid scripts, frames and guesses of types."""
        with Visitor(running) as visitor:
            answer = visitor.get(path)
        assert {name: answer.headers.get(name) for name in HEADERS} == {
            **HEADERS, **({"Referrer-Policy": "no-referrer"} if path in ("/login", "/callback") else {})
        }  # fmt: skip
        assert "server" not in answer.headers
        cached = path == "/static/portal.css"
        assert answer.headers["cache-control"] == ("max-age=300" if cached else "no-store")

    def test_pages_of_a_user_are_kept_by_no_cache(self, patricia: Visitor) -> None:
        """What only a user may see, no browser keeps."""
        assert patricia.get("/courses").headers["cache-control"] == "no-store"

    def test_pages_have_no_script_and_no_inline_style(self, patricia: Visitor) -> None:
        """So the policy can forbid them."""
        for path in ("/", "/courses", "/courses/new", "/profile", "/sessions"):
            page = patricia.get(path).text
            assert not re.search(r"<script|<style|style=|\son[a-z]+=|javascript:", page), path
            assert not re.search(r"(src|href)=.https?:", page), path

    def test_another_host_name_leads_to_the_right_one(self, running: Running) -> None:
        """A cookie belongs to one host name, so there is one."""
        with httpx2.Client(base_url=running.url, **HERE) as http:
            answer = http.get("/login", headers={"Host": "evil.example"})
        assert (answer.status_code, answer.headers["location"]) == (303, f"{running.url}/")
        assert "set-cookie" not in answer.headers


class TestForms:
    """What is changed, and by whom."""

    def test_a_form_without_its_token_changes_nothing(self, patricia: Visitor) -> None:
        """Neither without, nor with somebody else's: 403."""
        before = patricia.get("/courses").text
        for token in ({}, {"csrf": ""}, {"csrf": "x" * 32}, {"csrf": "é"}):
            answer = patricia.post("/courses/new", data={**ALGEBRA, **token})
            assert answer.status_code == 403
        assert patricia.get("/courses").text == before

    def test_a_token_belongs_to_a_browser(self, running: Running, patricia: Visitor) -> None:
        """One user's token is worth nothing in another's form."""
        with logged_in(running, RAJESH) as rajesh:
            assert rajesh.csrf != patricia.csrf
            assert rajesh.post("/courses/new", data={**ALGEBRA, "csrf": patricia.csrf}).status_code == 403

    @pytest.mark.parametrize(
        "path", ["/courses/new", "/courses/1", "/sessions/x/end", "/logins/1/end", "/logout"]
    )
    def test_a_form_without_the_cookie_begins_no_session(self, running: Running, path: str) -> None:
        """Another site's form comes without the cookie; an answer that sets one would log the user out."""
        with httpx2.Client(base_url=running.url, **HERE) as http:
            answer = http.post(path, data=ALGEBRA, headers={"Origin": "https://evil.example"})
        assert answer.status_code in (303, 403)
        assert "set-cookie" not in answer.headers

    def test_a_course_of_another_user_is_none(self, running: Running, patricia: Visitor) -> None:
        """Nobody opens or changes another student's course, although Zoho would let them."""
        (course,) = re.findall(
            r'/courses/(\d+)">Edit<span class="hidden"> World History', patricia.get("/courses").text
        )
        with logged_in(running, RAJESH) as rajesh:
            assert rajesh.get(f"/courses/{course}").status_code == 404
            assert rajesh.submit(f"/courses/{course}", **ALGEBRA).status_code == 404
            assert rajesh.get("/courses/5545974000009999999").status_code == 404
            assert rajesh.get("/courses/" + "9" * 400).status_code == 404
        assert "World History" in patricia.get(f"/courses/{course}").text

    def test_markup_in_a_course_stays_text(self, patricia: Visitor) -> None:
        """A name that is a script is shown as it was written."""
        name = "<script>alert(1)</script>\"'"
        assert patricia.submit("/courses/new", **{**ALGEBRA, "name": name}).status_code == 303
        page = patricia.get("/courses").text
        assert "<script" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;" in page

    def test_what_was_typed_is_kept_when_something_is_wrong(self, patricia: Visitor) -> None:
        """422, with the mistakes and the rest of the form."""
        answer = patricia.submit("/courses/new", **{**ALGEBRA, "credits": "four", "instructor": "Dr. Ada"})
        assert answer.status_code == 422
        assert "Write a whole number" in answer.text
        assert 'value="four"' in answer.text
        assert 'value="Dr. Ada"' in answer.text
        assert "<title>Error: Add a course" in answer.text

    def test_a_notice_is_shown_once(self, patricia: Visitor) -> None:
        """What was done is said on the next page, and not again."""
        patricia.submit("/courses/new", **{**ALGEBRA, "name": "Once"})
        pages = [patricia.get("/courses").text for _ in range(2)]
        assert ["Once was added." in page for page in pages] == [True, False]


class TestManyCourses:
    """Zoho sends at most 200 records at once, and those of all students."""

    def test_all_pages_are_read(self, running: Running) -> None:
        """A student sees all of their courses, behind those of others."""
        add_courses(running, AMELIA, 105)
        add_courses(running, RAJESH, 200)
        with logged_in(running, AMELIA) as amelia:
            page = amelia.get("/courses").text
        assert "105 courses, 105 credits" in page
        assert page.count("<h2>Course ") == 105


def add_courses(running: Running, email: str, count: int) -> None:
    """Add courses as a user, over Zoho's API."""
    client = running.zoho.default_client
    form = {"client_id": client.client_id, "client_secret": client.client_secret}
    form |= {"grant_type": "authorization_code", "code": running.zoho.mint_code(user=email)}
    access = httpx2.post(running.zoho.accounts_url, data=form).json()["access_token"]
    rows = [{"Name": f"Course {n}", "Credits": 1, "Status": "Enrolled"} for n in range(count)]
    for start in range(0, count, 100):
        httpx2.post(
            f"{running.zoho.url}/crm/v8/Courses",
            json={"data": rows[start : start + 100]},
            headers={"Authorization": f"Zoho-oauthtoken {access}"},
        ).raise_for_status()


class TestReading:
    """What a form's strings mean."""

    def test_a_course(self) -> None:
        """Strings are trimmed, line ends are those of the CRM."""
        course, wrong = read_course({**ALGEBRA, "name": "  Linear   Algebra "}, "7")
        assert course == crm.Course(
            id="7", name="Linear Algebra", credits=4, term="Spring 2027", status="Enrolled", notes="a\nb"
        )
        assert wrong == {}

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *(
                ("name", ""),
                ("name", " "),
                ("name", "x" * 121),
                ("instructor", "x" * 121),
                ("term", "x" * 61),
            ),
            *(("notes", "x" * 2001), ("status", "Passed"), ("status", "")),
            *(("credits", text) for text in ("-1", "61", "1.5", "1e1", "٣", "0x1", "9" * 5000)),
        ],
    )
    def test_mistakes(self, field: str, value: str) -> None:
        """Each is reported at its field."""
        _, wrong = read_course({**ALGEBRA, field: value})
        assert list(wrong) == [field]

    @pytest.mark.parametrize(("text", "number"), [("", None), (" 6 ", 6), ("0", 0), ("60", 60), ("007", 7)])
    def test_credits(self, text: str, number: int | None) -> None:
        """A whole number or nothing."""
        course, wrong = read_course({**ALGEBRA, "credits": text})
        assert (course.credits, wrong) == (number, {})


class TestZohoFails:
    """What a student sees when Zoho does not do what it should."""

    @pytest.mark.parametrize(
        ("endpoint", "kind", "arguments", "status", "says"),
        [
            ("records", "status", {"status": 503}, 503, "be reached at the moment"),
            ("records", "drop", {}, 503, "be reached at the moment"),
            (
                "records",
                "error",
                {"error": "INTERNAL_ERROR"},
                502,
                "Zoho CRM refused this: Internal Server Error",
            ),
            ("users", "error", {"error": "NO_PERMISSION"}, 502, "Zoho CRM refused this: permission denied"),
        ],
    )
    def test_the_crm_fails(
        self,
        running: Running,
        patricia: Visitor,
        endpoint: str,
        kind: str,
        arguments: dict[str, object],
        status: int,
        says: str,
    ) -> None:
        """A page says so; the next try works, and nobody is logged out."""
        running.zoho.fault(endpoint, kind, times=1, **arguments)
        answer = patricia.get("/courses")
        assert (answer.status_code, says in answer.text) == (status, True), answer.text
        assert patricia.get("/courses").status_code == 200

    def test_an_access_token_that_zoho_refuses_is_renewed(self, running: Running, patricia: Visitor) -> None:
        """The student notices nothing, and Zoho is asked for one token."""
        before = running.zoho.counters().refreshes
        running.zoho.expire_access_tokens(PATRICIA)
        assert patricia.get("/courses").status_code == 200
        assert running.zoho.counters().refreshes == before + 1

    def test_access_that_was_revoked_at_zoho_leads_to_a_new_login(
        self, running: Running, patricia: Visitor
    ) -> None:
        """Whoever removes the portal in their Zoho account is asked to log in again, and can."""
        login = running.login_of(PATRICIA)
        assert login is not None
        revoke = f"{running.zoho.url}/oauth/v2/token/revoke"
        httpx2.post(revoke, data={"token": login.refresh_token or ""}).raise_for_status()
        answer = patricia.get("/courses")
        assert answer.headers["location"] == "/?said=ended&next=/courses"
        assert "Log in with Zoho" in patricia.get(answer.headers["location"]).text
        assert patricia.log_in(PATRICIA).get("/courses").status_code == 200

    def test_zoho_gives_no_new_token(self, running: Running, patricia: Visitor) -> None:
        """While tokens cannot be renewed, a page says so, and nobody is logged out."""
        running.zoho.expire_access_tokens(PATRICIA)
        running.zoho.fault("token:refresh_token", "status", status=503)
        assert patricia.get("/courses").status_code == 503
        assert patricia.get("/sessions").status_code == 200

    def test_a_mistake_of_ours_shows_nothing(
        self, patricia: Visitor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """500, with a page that has the headers, and no word of the cause."""

        def broken() -> None:
            raise RuntimeError("a detail")

        monkeypatch.setattr(crm, "courses", broken)
        answer = patricia.get("/courses")
        assert answer.status_code == 500
        assert "a detail" not in answer.text
        assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
        assert "a detail" in caplog.text


class TestCoordinators:
    """Who may see everybody's logins."""

    def test_a_login_that_is_not_there(self, running: Running) -> None:
        """404 for a login that has ended, or never was."""
        with logged_in(running, COORDINATOR) as coordinator:
            assert coordinator.get("/logins/1").status_code == 404
            assert coordinator.submit("/logins/1/end").status_code == 404

    def test_a_login_with_an_absurd_time(self, running: Running, patricia: Visitor) -> None:
        """Another program may have written it; all logins are shown."""
        login = running.login_of(PATRICIA)
        assert login is not None
        with closing(sqlite3.connect(running.portal.store.repository.location)) as database, database:
            database.execute("UPDATE oauthtoken SET last_used_at_ms = ? WHERE id = ?", (2**62, login.id))
        with logged_in(running, COORDINATOR) as coordinator:
            assert PATRICIA.partition("@")[0] in coordinator.get("/logins").text
            assert coordinator.get(f"/logins/{login.id}").status_code == 200

    def test_a_coordinator_can_end_their_own_login(self, running: Running) -> None:
        """They are logged out as anybody is."""
        with logged_in(running, COORDINATOR) as coordinator:
            login = running.login_of(COORDINATOR)
            assert login is not None
            coordinator.submit(f"/logins/{login.id}/end")
            assert coordinator.get("/logins").headers["location"] == "/?said=ended&next=/logins"
