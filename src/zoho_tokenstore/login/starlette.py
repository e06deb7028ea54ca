"""Login with Zoho for Starlette: routes, the user of a request, and the session's middleware.

::

    login = ZohoLogin(flow)
    app = Starlette(
        routes=[Route("/courses", courses), *login.routes],
        middleware=[login.session_middleware(secret_key)],
    )

    async def courses(request):
        user = await login.required(request)
        return JSONResponse(await login.run_as(user, read_courses))

Everything that waits for the store or for Zoho does so in a thread; the event loop goes on. For FastAPI there
is `zoho_tokenstore.login.fastapi`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Final, ParamSpec, TypeVar

from zoho_tokenstore._util.packages import needed_by
from zoho_tokenstore.errors import ConfigurationError, TokenStoreError
from zoho_tokenstore.login._acting import acting_in_request
from zoho_tokenstore.login._browser_sessions import BrowserSession
from zoho_tokenstore.login._failures import LoginFailedError
from zoho_tokenstore.login._flow import LoginFlow
from zoho_tokenstore.login._pages import (
    CHALLENGE,
    CROSS_SITE,
    HEADERS,
    NOT_LOGGED_IN,
    REDIRECT_HEADERS,
    failure_page,
    status_of,
)
from zoho_tokenstore.login._requests import is_cross_site, is_page_load, path_of
from zoho_tokenstore.login._site import Site
from zoho_tokenstore.records import TokenRecord

with needed_by("Login with Zoho in Starlette", "Starlette with itsdangerous", "starlette"):
    from starlette.concurrency import run_in_threadpool
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.middleware.sessions import SessionMiddleware
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, RedirectResponse, Response
    from starlette.routing import Route

__all__ = ["ZohoLogin"]

P = ParamSpec("P")
R = TypeVar("R")

_SHORTEST_KEY: Final = 16

_request: Final[ContextVar[Request | None]] = ContextVar("zoho_tokenstore.request", default=None)
"""The request whose user was asked for, also in the threads that answer it."""

OnFailure = Callable[[Request, LoginFailedError], Response]


class ZohoLogin:
    """The pages of a login in a Starlette application.

    Its `routes`: GET `login_path` sends the browser to Zoho, and back to its parameter ``next``; GET
    `callback_path` is where Zoho sends it; POST `logout_path` logs out, ``everywhere`` if the form says so.
    They may be mounted anywhere, and the application too: the redirect URL says where.

    Arguments:
        flow: how to log in. The path of its redirect URL ends with `callback_path`.
        login_path: where a login begins.
        callback_path: where the redirect URL leads.
        logout_path: where a form logs out.
        home: where a browser goes after a login without ``next``; as browsers see it.
        logged_out: where it goes after a log-out, likewise; by default `home`.
        on_failure: returns the page for a login that failed; by default a short one with the sentence.
            Headers that it does not have keep it out of caches, and its address out of referrers.

    Raises:
        ConfigurationError: the redirect URL does not lead to `callback_path`.
    """

    def __init__(
        self,
        flow: LoginFlow,
        *,
        login_path: str = "/login",
        callback_path: str = "/callback",
        logout_path: str = "/logout",
        home: str = "/",
        logged_out: str | None = None,
        on_failure: OnFailure | None = None,
    ) -> None:
        self.flow: Final = flow
        self._site = Site(flow, login_path, callback_path, home, logged_out)
        self._on_failure = on_failure or self._failure_page
        self.routes: Final = [
            Route(login_path, self._log_in, name="zoho_login"),
            Route(callback_path, self._come_back, name="zoho_callback"),
            Route(logout_path, self._log_out, methods=["POST"], name="zoho_logout"),
        ]

    def session_middleware(self, secret_key: str) -> Middleware:
        """Return Starlette's middleware for sessions: cookies that are signed, and secure where the site is.

        Arguments:
            secret_key: signs the cookies; the same in all processes, and kept like a password.

        Raises:
            ConfigurationError: it is none, or so short that others can guess it, and write cookies.
        """
        if not isinstance(secret_key, str) or len(secret_key) < _SHORTEST_KEY:
            raise ConfigurationError(
                f"The key that signs the cookies must be a string of {_SHORTEST_KEY} characters or more. "
                "Make one with secrets.token_hex(32), and keep it."
            )
        return Middleware(
            SessionMiddleware,
            secret_key=secret_key,
            session_cookie=self._site.cookie,
            max_age=int(self.flow.session_lifetime.total_seconds()),
            same_site="lax",  # Zoho's redirect must bring the cookie along; a form of another site must not
            https_only=self.flow.is_secure,
        )

    async def user(self, request: Request) -> TokenRecord | None:
        """Return the login of a request, or `None` if its browser is not logged in."""
        _request.set(request)
        return await run_in_threadpool(self._site.user, request.session)

    async def browser_session(self, request: Request) -> BrowserSession | None:
        """Return which of the login's browser sessions a request belongs to, or `None` if it has ended."""
        return await run_in_threadpool(self._site.browser_session, request.session)

    async def required(self, request: Request) -> TokenRecord:
        """Return the login of a request; without one, send the browser to log in, and back here.

        A request that is no page load of a browser is answered with 401.
        """
        found = await self.user(request)
        if found is not None:
            return found
        raise self._log_in_first(request)

    async def run_as(
        self, user: TokenRecord, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Call a function that uses the SDK, as a user, in one of the application's threads.

        If Zoho does not accept the login any more, the answer is that of `required`.
        """

        def act() -> R:
            with self.acting_as(user):
                return function(*args, **kwargs)

        return await run_in_threadpool(act)

    def acting_as(self, user: TokenRecord) -> AbstractContextManager[TokenRecord]:
        """Return a block in which this thread's calls of the SDK are made as a user; not for `async` code.

        If Zoho does not accept the login any more, the answer is that of `required`.
        """

        def log_in(_: TokenStoreError) -> HTTPException | None:
            request = _request.get()
            return None if request is None else self._log_in_first(request)

        return acting_in_request(self.flow.tokens, user.id or "", log_in)

    def _log_in_first(self, request: Request) -> HTTPException:
        """Return what sends a browser to log in, or answers with 401."""
        if is_page_load(request.method, request.headers):
            location = self._site.login_for(_address(request))
            return HTTPException(303, headers={"Location": location, **REDIRECT_HEADERS})
        return HTTPException(401, NOT_LOGGED_IN, CHALLENGE)

    async def _log_in(self, request: Request) -> Response:
        _refuse_head(request)
        return _redirect(self._site.begin(request.session, request.query_params.get("next")))

    async def _come_back(self, request: Request) -> Response:
        _refuse_head(request)
        parameters, agent = request.query_params.multi_items(), request.headers.get("user-agent")
        try:
            path = await run_in_threadpool(self._site.come_back, request.session, parameters, agent)
        except LoginFailedError as failure:
            page = self._on_failure(request, failure)
            for name, value in REDIRECT_HEADERS.items():  # the code is in this page's address
                page.headers.setdefault(name, value)
            return page
        return _redirect(path)

    async def _log_out(self, request: Request) -> Response:
        if is_cross_site(request.headers, self._site.host):
            raise HTTPException(403, CROSS_SITE)
        form = await request.form()
        everywhere = bool(form.get("everywhere"))
        return _redirect(await run_in_threadpool(self._site.log_out, request.session, everywhere=everywhere))

    def _failure_page(self, _: Request, failure: LoginFailedError) -> Response:
        path = self._site.login_for(failure.next)
        return HTMLResponse(failure_page(failure, path), status_of(failure), headers=HEADERS)


def _refuse_head(request: Request) -> None:
    """Answer a HEAD, which must change nothing: both pages do."""
    if request.method == "HEAD":
        raise HTTPException(405, headers={"Allow": "GET"})


def _address(request: Request) -> str:
    """Return the path of a request as the browser wrote it: proxies may leave out where the site is."""
    path, root = str(request.scope["path"]), str(request.scope.get("root_path", "")).rstrip("/")
    whole = path if path == root or path.startswith(f"{root}/") else root + path
    return path_of(whole, request.scope["query_string"].decode("latin-1"))


def _redirect(url: str) -> RedirectResponse:
    return RedirectResponse(url, 303, headers=REDIRECT_HEADERS)
