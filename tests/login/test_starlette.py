"""What Starlette and FastAPI have of their own: mounts, dependencies, an event loop that goes on.

FastAPI reads annotations inside of functions here, so they are no strings.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import fastapi as fast
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount
from starlette.testclient import TestClient

from tests.login.crm import Office, end_at_zoho, fresh_sdk, staff
from tests.login.support import AUTH, Site
from tests.login.web import PAGE, Web
from tests.sdk import app as crm
from zoho_tokenstore import ConfigurationError, InvalidGrantError, TokenRecord
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.login import CRM_WRITE, LoginFailedError
from zoho_tokenstore.login import starlette as for_starlette
from zoho_tokenstore.login.fastapi import ZohoLogin

SECRET = "0123456789abcdef"
BASE = "http://localhost:8000"


def portal(login: ZohoLogin) -> fast.FastAPI:
    app = fast.FastAPI(middleware=[login.session_middleware(SECRET)])

    @app.get("/me")
    async def me(user: Annotated[TokenRecord | None, fast.Depends(login.user)]) -> dict[str, Any]:
        return {"user": user and (user.user_name or "").partition(":")[0]}

    @app.get("/courses/{course}")
    async def course(course: str, user: Annotated[TokenRecord, fast.Depends(login.required)]) -> str:
        return course

    return app


def browse(app: Any, root: str = "") -> TestClient:
    return TestClient(app, BASE, root_path=root, follow_redirects=False)


@pytest.fixture
def auth_site(zoho: Emulator, tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as opened:
        yield Site(zoho, f"sqlite:///{tmp_path}/tokens.db", opened, redirect_url=AUTH)


class TestMounts:
    """The pages may be anywhere; the redirect URL says where."""

    def test_a_router_with_a_prefix(self, auth_site: Site, patricia: str) -> None:
        login = ZohoLogin(auth_site.flow)
        app = portal(login)
        app.include_router(login.router, prefix="/auth")
        self.check(app, auth_site, patricia)

    def test_routes_in_a_mount(self, auth_site: Site, patricia: str) -> None:
        login = ZohoLogin(auth_site.flow)
        app = portal(login)
        app.router.routes.append(Mount("/auth", routes=login.routes))
        self.check(app, auth_site, patricia)

    def test_a_mounted_application(self, auth_site: Site, patricia: str) -> None:
        """It and the host share a session, whose middleware the host has."""
        login = ZohoLogin(auth_site.flow)
        app = portal(login)
        app.mount("/auth", Starlette(routes=login.routes))
        self.check(app, auth_site, patricia)

    def check(self, app: Any, site: Site, user: str) -> None:
        web = Web(site, browse(app))
        asked = web.get("/courses/7")
        assert asked.headers["location"] == f"/auth/login?next={quote('/courses/7')}"
        callback = web.consent(web.get(asked.headers["location"]).headers["location"], user)
        assert web.get(callback).headers["location"] == "/courses/7"
        assert web.me() == user
        assert web.post("/auth/logout").status_code == 303
        assert web.me() is None

    @pytest.mark.parametrize("path", ["/portal/courses/7", "/courses/7"])
    def test_a_proxy(self, site: Site, path: str) -> None:
        """It may pass on where the site is mounted, or leave that out."""
        web = Web(site, browse(portal(ZohoLogin(site.flow)), "/portal"))
        assert web.get(path).headers["location"] == f"/login?next={quote('/portal/courses/7')}"

    def test_a_page_with_a_name_in_another_script(self, site: Site, patricia: str) -> None:
        """The browser comes back to it."""
        login = ZohoLogin(site.flow)
        app = portal(login)
        app.include_router(login.router)
        web = Web(site, browse(app))
        path = "/courses/caf%C3%A9%20%3F%23?q=%C3%A9"
        to_zoho = web.get(web.get(path).headers["location"]).headers["location"]
        done = web.get(web.consent(to_zoho, patricia))
        assert done.headers["location"] == path
        assert web.get(path).json() == "café ?#"


@pytest.mark.parametrize("key", [None, "", "secret"])
def test_a_key_that_others_can_guess(site: Site, key: Any) -> None:
    """An environment variable that is not set would sign cookies with `None`."""
    with pytest.raises(ConfigurationError, match="must be a string of 16 characters or more"):
        for_starlette.ZohoLogin(site.flow).session_middleware(key)


def test_a_page_of_ones_own(site: Site) -> None:
    """It need not know that the callback's address has a code; headers that it has stay."""

    def on_failure(request: Request, failure: LoginFailedError) -> Response:
        return PlainTextResponse(f"{request.url.path} {failure.kind}", 418, {"Cache-Control": "private"})

    login = for_starlette.ZohoLogin(site.flow, on_failure=on_failure)
    app = Starlette(routes=login.routes, middleware=[login.session_middleware(SECRET)])
    answer = browse(app).get("/callback")
    assert (answer.status_code, answer.text) == (418, "/callback foreign")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "private"


def test_the_documentation_of_an_api(site: Site) -> None:
    """What only users may call has a padlock, with the name of the cookie; the rest has none."""
    login = ZohoLogin(site.flow)
    app = portal(login)
    app.include_router(login.router)
    schema = browse(app).get("/openapi.json").json()
    (scheme,) = schema["components"]["securitySchemes"].items()
    assert scheme[0] == "ZohoLogin"
    assert (scheme[1]["type"], scheme[1]["in"], scheme[1]["name"]) == ("apiKey", "cookie", "session")
    assert schema["paths"]["/courses/{course}"]["get"]["security"] == [{"ZohoLogin": []}]
    assert "security" not in schema["paths"]["/me"]["get"]
    assert set(schema["paths"]) == {"/me", "/courses/{course}"}


@pytest.fixture
def office(zoho: Emulator, tmp_path: Path) -> Iterator[Office]:
    with fresh_sdk(), ExitStack() as opened:
        yield Office(zoho, f"sqlite:///{tmp_path}/tokens.db", opened, scopes=CRM_WRITE)


def crm_of(office: Office) -> fast.FastAPI:
    login = ZohoLogin(office.flow)
    app = portal(login)
    app.include_router(login.router)

    @app.post("/leads/{name}")
    async def awaited(name: str, user: Annotated[TokenRecord, fast.Depends(login.required)]) -> str:
        return await login.run_as(user, crm.create_lead, name)

    @app.post("/in-a-thread/leads/{name}")
    def threaded(name: str, user: Annotated[TokenRecord, fast.Depends(login.required)]) -> str:
        with login.acting_as(user):
            return crm.create_lead(name)

    @app.get("/leads")
    async def awaited_leads(user: Annotated[TokenRecord, fast.Depends(login.required)]) -> dict[str, str]:
        return await login.run_as(user, crm.leads)

    @app.get("/in-a-thread/leads")
    def threaded_leads(user: Annotated[TokenRecord, fast.Depends(login.required)]) -> dict[str, str]:
        with login.acting_as(user):
            return crm.leads()

    return app


@pytest.mark.parametrize("way", ["/leads", "/in-a-thread/leads"])
def test_a_login_that_zoho_has_ended(office: Office, patricia: str, way: str) -> None:
    """Its user is asked to log in again, as without a login."""
    web = Web(office, browse(crm_of(office)))
    web.log_in(patricia)
    end_at_zoho(office)
    for _ in range(2):
        asked = web.get(way)
        assert (asked.status_code, asked.headers.get("location")) == (303, f"/login?next={way}")
        assert web.post(f"{way}/a").status_code == 401
    web.log_in(patricia)
    assert web.get(way).status_code == 200
    assert web.post(f"{way}/a").status_code == 200


def test_a_login_that_zoho_has_ended_outside_of_requests(office: Office, patricia: str) -> None:
    """There is no browser to be sent anywhere: whoever acts is told."""
    Web(office, browse(crm_of(office))).log_in(patricia)
    end_at_zoho(office)
    with pytest.raises(InvalidGrantError), ZohoLogin(office.flow).acting_as(office.stored[0]):
        pytest.fail("The block must not be entered.")


async def send(app: fast.FastAPI, orders: list[tuple[str, dict[str, str]]]) -> list[httpx2.Response]:
    """Send requests with the cookies of their users, all at once."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=BASE) as http:
        headers = [{"Cookie": "; ".join(map("=".join, cookies.items()))} for _, cookies in orders]
        posts = (http.post(path, headers=each) for (path, _), each in zip(orders, headers, strict=True))
        return await asyncio.gather(*posts)


@pytest.mark.parametrize("way", ["/leads", "/in-a-thread/leads"])
def test_everybody_at_once(office: Office, zoho: Emulator, way: str) -> None:
    """Sixty requests of six users: Zoho sees each as its own user, and every lead is its writer's."""
    app = crm_of(office)
    people = staff(office, lambda: browse(app), 6)
    orders = [
        (f"{way}/{user.partition('@')[0]}-{turn}", cookies)
        for turn in range(10)
        for user, cookies in people.items()
    ]
    answers = asyncio.run(send(app, orders))
    assert [each.status_code for each in answers] == [200] * 60
    seen = Counter(entry.user for entry in zoho.journal("create"))
    assert seen == dict.fromkeys(people, 10)
    with office.tokens.acting_as(office.stored[0].id or ""):
        written = crm.leads()
    assert len(written) == 60
    assert {re.sub(r"-\d+$", "", name) == creator for name, creator in written.items()} == {True}


def test_the_event_loop_goes_on(office: Office, zoho: Emulator) -> None:
    """While Zoho is slow, others are served."""
    app = crm_of(office)
    ((_, cookies),) = staff(office, lambda: browse(app), 1).items()
    zoho.fault("create", "slow", times=1, seconds=1.5)
    order: list[str] = []

    async def both() -> None:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=BASE) as http:
            headers = {"Cookie": "; ".join(map("=".join, cookies.items()))}

            async def load(method: str, path: str) -> None:
                answer = await http.request(method, path, headers={**PAGE, **headers})
                assert answer.status_code == 200
                order.append(path)

            slow = asyncio.create_task(load("POST", "/leads/slow"))
            await asyncio.sleep(0.3)
            await asyncio.gather(*(load("GET", "/me") for _ in range(5)))
            await slow

    asyncio.run(both())
    assert order == ["/me"] * 5 + ["/leads/slow"]
