"""Login with Zoho for Flask: a blueprint, the user of a request, and a decorator for views.

::

    login = ZohoLogin(flow)
    login.init_app(app)

    @app.get("/courses")
    @login.required
    def courses():
        with login.acting():
            return read_courses()

The browser's session is Flask's own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Final, NoReturn, ParamSpec, TypeVar

from zoho_tokenstore._util.packages import needed_by
from zoho_tokenstore.errors import ConfigurationError
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
from zoho_tokenstore.login._site import COOKIE, Site
from zoho_tokenstore.records import TokenRecord

with needed_by("Login with Zoho in Flask", "Flask", "flask"):
    from flask import Blueprint, Flask, Response, abort, current_app, request, session

__all__ = ["ZohoLogin"]

P = ParamSpec("P")
R = TypeVar("R")

_USER: Final = "zoho_tokenstore.user"

OnFailure = Callable[[LoginFailedError], Response]


class ZohoLogin:
    """The pages of a login in a Flask application.

    Its `blueprint`: GET `login_path` sends the browser to Zoho, and back to its parameter ``next``; GET
    `callback_path` is where Zoho sends it; POST `logout_path` logs out, ``everywhere`` if the form says so.
    It may have a `url_prefix`, and the application be mounted anywhere: the redirect URL says where.

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
        self.blueprint: Final = Blueprint("zoho", __name__)
        self.blueprint.add_url_rule(login_path, "log_in", self._log_in)
        self.blueprint.add_url_rule(callback_path, "come_back", self._come_back)
        self.blueprint.add_url_rule(logout_path, "log_out", self._log_out, methods=["POST"])

    def init_app(self, app: Flask, *, url_prefix: str | None = None) -> None:
        """Add the pages to an application, and make the cookie of its sessions safe.

        The cookie is signed with the application's `secret_key`, out of the reach of scripts, bound to HTTPS
        where the site has it, and sent along by no form of another site. Call this once the application
        is configured: a stricter setting of its own stays.

        Raises:
            ConfigurationError: the application's `SESSION_COOKIE_SAMESITE` is `Strict`.
        """
        app.register_blueprint(self.blueprint, url_prefix=url_prefix)
        config = app.config
        if str(config["SESSION_COOKIE_SAMESITE"]).lower() == "strict":  # Flask accepts any case
            raise ConfigurationError(
                "SESSION_COOKIE_SAMESITE is Strict: the cookie would be missing when Zoho sends the browser "
                "back. Use Lax."
            )
        config["SESSION_COOKIE_SAMESITE"] = config["SESSION_COOKIE_SAMESITE"] or "Lax"
        config["SESSION_COOKIE_HTTPONLY"] = True
        config["SESSION_COOKIE_SECURE"] = config["SESSION_COOKIE_SECURE"] or self.flow.is_secure
        app.permanent_session_lifetime = min(app.permanent_session_lifetime, self.flow.session_lifetime)
        if config["SESSION_COOKIE_NAME"] == COOKIE and _is_for_this_host(app):
            config["SESSION_COOKIE_NAME"] = self._site.cookie

    def user(self) -> TokenRecord | None:
        """Return the login of the request, or `None` if its browser is not logged in."""
        if _USER not in request.environ:  # `g` may be shared by the requests of a test
            request.environ[_USER] = self._site.user(session)
        found: TokenRecord | None = request.environ[_USER]
        return found

    def browser_session(self) -> BrowserSession | None:
        """Return which of its login's browser sessions the request belongs to, or `None` if it has ended."""
        return self._site.browser_session(session)

    def required(self, view: Callable[P, R]) -> Callable[P, R]:
        """Make a view one for users: others are sent to log in, and back to it.

        A request that is no page load of a browser is answered with 401.
        """

        @wraps(view)
        def view_for_users(*args: P.args, **kwargs: P.kwargs) -> R:
            if self.user() is None:
                self._send_to_log_in()
            answer: R = current_app.ensure_sync(view)(*args, **kwargs)
            return answer

        return view_for_users

    def acting(self) -> AbstractContextManager[TokenRecord]:
        """Return a block in which calls of the SDK are made as the user of the request.

        Without a login, or if Zoho does not accept it any more, the view ends there, and the browser is sent
        to log in.
        """
        user = self.user()
        if user is None:
            self._send_to_log_in()
        return acting_in_request(self.flow.tokens, user.id or "", self._send_to_log_in)

    def _send_to_log_in(self, _: object = None) -> NoReturn:
        if is_page_load(request.method, request.headers):
            path = path_of(request.root_path + request.path, request.query_string.decode("latin-1"))
            abort(_redirect(self._site.login_for(path)))
        abort(Response(NOT_LOGGED_IN, 401, CHALLENGE))

    def _log_in(self) -> Response:
        _refuse_head()
        return _redirect(self._site.begin(session, request.args.get("next")))

    def _come_back(self) -> Response:
        _refuse_head()
        parameters = list(request.args.items(multi=True))
        try:
            path = self._site.come_back(session, parameters, request.headers.get("User-Agent"))
        except LoginFailedError as failure:
            page = self._on_failure(failure)
            for name, value in REDIRECT_HEADERS.items():  # the code is in this page's address
                page.headers.setdefault(name, value)
            return page
        session.permanent = True
        return _redirect(path)

    def _log_out(self) -> Response:
        if is_cross_site(request.headers, self._site.host):
            abort(403, CROSS_SITE)
        everywhere = bool(request.form.get("everywhere"))
        return _redirect(self._site.log_out(session, everywhere=everywhere))

    def _failure_page(self, failure: LoginFailedError) -> Response:
        page = failure_page(failure, self._site.login_for(failure.next))
        return Response(page, status_of(failure), HEADERS)


def _is_for_this_host(app: Flask) -> bool:
    """Return whether the cookie is for one host, and for all of it."""
    cookies = app.session_interface
    return cookies.get_cookie_domain(app) is None and cookies.get_cookie_path(app) == "/"


def _refuse_head() -> None:
    """Answer a HEAD, which must change nothing: both pages do."""
    if request.method == "HEAD":
        abort(Response(status=405, headers={"Allow": "GET"}))


def _redirect(url: str) -> Response:
    return Response(status=303, headers={"Location": url, **REDIRECT_HEADERS})
