"""The portal as an ASGI application: its pages, and what is said when something goes wrong."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp
from zohocrmsdk.src.com.zoho.crm.api.exception import SDKException

from demos.portal_web.crm import RefusedError
from demos.portal_web.headers import Guarded
from demos.portal_web.pages import account, coordinator, courses, welcome
from demos.portal_web.pages.access import LoggedOutError, Site
from demos.portal_web.portal import AFTER_LOGOUT, Portal
from demos.portal_web.settings import signing_key
from demos.portal_web.views import STATIC, Views
from zoho_tokenstore import (
    AccountsError,
    BackendError,
    InvalidGrantError,
    LoginExpiredError,
    TokenNotFoundError,
)
from zoho_tokenstore.login import LoginFailedError
from zoho_tokenstore.login.starlette import ZohoLogin

_FORBIDDEN: Final = ("denied", "wrong_user", "missing_scopes")
_ENDED: Final = (InvalidGrantError, LoginExpiredError, TokenNotFoundError)


def create_app(portal: Portal) -> ASGIApp:
    """Return the application."""
    views = Views(portal)

    def failed(request: Request, failure: LoginFailedError) -> Response:
        status = 403 if failure.kind in _FORBIDDEN else 503 if failure.kind == "unavailable" else 400
        return views.problem(request, status, failure.sentence, title="Not logged in", next=failure.next)

    login = ZohoLogin(portal.flow, logged_out=AFTER_LOGOUT, on_failure=failed)
    sessions = login.session_middleware(signing_key(portal.settings.folder))
    app = FastAPI(openapi_url=None, middleware=[sessions], exception_handlers=_problems())
    app.state.site = Site(portal, views, login)
    app.router.routes += login.routes
    for pages in (welcome, courses, account, coordinator):
        app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=STATIC))
    return Guarded(app, portal.settings)


def _problems() -> dict[int | type[Exception], Any]:
    return {
        LoggedOutError: _to_welcome,
        HTTPException: _refused,
        RequestValidationError: _not_found,
        RefusedError: _refused_by_zoho,
        SDKException: _no_answer,
        **dict.fromkeys(_ENDED, _to_welcome_again),
        AccountsError: _no_answer,
        BackendError: _no_answer,
        Exception: _failed,
    }


async def _to_welcome(_: Request, error: LoggedOutError) -> Response:
    return RedirectResponse(error.location, 303)


async def _to_welcome_again(request: Request, _: Exception) -> Response:
    return RedirectResponse(LoggedOutError(request).location, 303)


async def _refused(request: Request, error: HTTPException) -> Response:
    return await _problem(request, error.status_code, error.detail)


async def _not_found(request: Request, _: RequestValidationError) -> Response:
    return await _problem(request, 404, "There is no such page.")


async def _refused_by_zoho(request: Request, error: RefusedError) -> Response:
    return await _problem(request, 502, f"Zoho CRM refused this: {error}")


async def _no_answer(request: Request, _: Exception) -> Response:
    return await _problem(request, 503, "Zoho CRM can’t be reached at the moment. Try again in a minute.")


async def _failed(request: Request, _: Exception) -> Response:
    site: Site = request.app.state.site
    return site.views.problem(request, 500, "Something went wrong here. Try again.")


async def _problem(request: Request, status: int, text: str) -> Response:
    site: Site = request.app.state.site
    return site.views.problem(request, status, text, await site.login.user(request))
