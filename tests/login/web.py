"""One small site, written for each framework, and browsers that visit it.

FastAPI reads annotations inside of functions here, so they are no strings.
"""

from collections.abc import Callable
from http.cookies import SimpleCookie
from typing import Annotated, Any, Final
from urllib.parse import urlencode, urlsplit

import fastapi as fast
import flask
import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from tests.login.support import Site, callback_after
from tests.support.network import HERE
from zoho_tokenstore import TokenRecord
from zoho_tokenstore.login import fastapi as for_fastapi
from zoho_tokenstore.login import flask as for_flask
from zoho_tokenstore.login import starlette as for_starlette

PAGE: Final = {"Accept": "text/html,application/xhtml+xml"}

Open = Callable[[], httpx2.Client]
"""Opens a browser."""


class Web:
    """A browser: it keeps cookies, and goes where it is sent only if it is told to."""

    def __init__(self, site: Site, http: httpx2.Client) -> None:
        self.site = site
        self.http = http

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx2.Response:
        return self.http.get(path, headers=PAGE | (headers or {}))

    def post(
        self, path: str, form: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        return self.http.post(path, data=form, headers=headers)

    def begin(self, next_path: str | None = None) -> str:
        """Press the button; return the address at Zoho."""
        query = "" if next_path is None else f"?{urlencode({'next': next_path})}"
        answer = self.get(f"/login{query}")
        assert answer.status_code == 303
        return answer.headers["location"]

    def consent(self, url: str, user: str, decision: str = "accept") -> str:
        """Decide at Zoho; return the path of the callback."""
        parts = urlsplit(callback_after(self.site.zoho, url, user, decision))
        return f"{parts.path}?{parts.query}"

    def log_in(self, user: str, next_path: str | None = None) -> httpx2.Response:
        """Log in; return the answer to the callback."""
        answer = self.get(self.consent(self.begin(next_path), user))
        assert answer.status_code == 303, answer.text
        return answer

    def me(self) -> str | None:
        """As whom the site knows this browser."""
        name: str | None = self.get("/me").json()["user"]
        return name

    @property
    def cookies(self) -> dict[str, str]:
        return dict(self.http.cookies)


Visit = Callable[..., Callable[[], Web]]
"""Makes a site, of a framework, and returns what opens a browser on it."""


def set_cookies(answer: httpx2.Response) -> SimpleCookie:
    """Return the cookies that an answer sets, with their flags."""
    return SimpleCookie("\n".join(answer.headers.get_list("set-cookie")))


def starlette_site(site: Site, root: str = "", **options: Any) -> Open:
    login = for_starlette.ZohoLogin(site.flow, **options)

    async def me(request: Request) -> Response:
        return _json(await login.user(request))

    async def courses(request: Request) -> Response:
        return _json(await login.required(request))

    async def cart(request: Request) -> Response:
        request.session["cart"] = [*request.session.get("cart", []), *request.query_params.values()]
        return JSONResponse({"cart": request.session["cart"]})

    pages = [
        *(Route("/me", me), Route("/cart", cart)),
        Route("/courses{rest:path}", courses, methods=["GET", "POST"]),
        *login.routes,
    ]
    app = Starlette(
        routes=[Mount(root, routes=pages)] if root else pages,
        middleware=[login.session_middleware("0123456789abcdef")],
    )
    return lambda: TestClient(app, _base(site), follow_redirects=False)


def fastapi_site(site: Site, root: str = "", **options: Any) -> Open:
    login = for_fastapi.ZohoLogin(site.flow, **options)
    app = fast.FastAPI(middleware=[login.session_middleware("0123456789abcdef")])
    app.include_router(login.router)

    @app.get("/me")
    async def me(user: Annotated[TokenRecord | None, fast.Depends(login.user)]) -> dict[str, Any]:
        return _name(user)

    @app.api_route("/courses{rest:path}", methods=["GET", "HEAD", "POST"])
    def courses(user: Annotated[TokenRecord, fast.Depends(login.required)]) -> dict[str, Any]:
        return _name(user)

    @app.get("/cart")
    def cart(request: fast.Request) -> dict[str, Any]:
        request.session["cart"] = [*request.session.get("cart", []), *request.query_params.values()]
        return {"cart": request.session["cart"]}

    return lambda: TestClient(app, _base(site), root_path=root, follow_redirects=False)


def flask_app(site: Site, **options: Any) -> flask.Flask:
    login = for_flask.ZohoLogin(site.flow, **options)
    app = flask.Flask("portal")
    app.secret_key = "0123456789abcdef"
    login.init_app(app)

    @app.get("/me")
    def me() -> dict[str, Any]:
        return _name(login.user())

    @app.route("/courses", methods=["GET", "POST"])
    @app.route("/courses/<path:rest>", methods=["GET", "POST"])
    @login.required
    def courses(rest: str = "") -> dict[str, Any]:
        return _name(login.user())

    @app.get("/cart")
    def cart() -> dict[str, Any]:
        flask.session["cart"] = [*flask.session.get("cart", []), *flask.request.args.values()]
        return {"cart": flask.session["cart"]}

    return app


def flask_site(site: Site, root: str = "", **options: Any) -> Open:
    app = flask_app(site, **options)
    mounted = DispatcherMiddleware(flask.Flask("host"), {root: app}) if root else app
    transport = httpx2.WSGITransport(app=mounted)
    return lambda: httpx2.Client(transport=transport, base_url=_base(site), **HERE)


SITES: Final[dict[str, Callable[..., Open]]] = {
    "starlette": starlette_site,
    "fastapi": fastapi_site,
    "flask": flask_site,
}


def _base(site: Site) -> str:
    parts = urlsplit(site.flow.redirect_url)
    return f"{parts.scheme}://{parts.netloc}"


def _name(user: TokenRecord | None) -> dict[str, Any]:
    return {"user": user and (user.user_name or "").partition(":")[0]}


def _json(user: TokenRecord | None) -> Response:
    return JSONResponse(_name(user))
