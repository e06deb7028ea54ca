"""What a coordinator sees: all logins, and the end of one."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from demos.portal_web.forms import OwnForm
from demos.portal_web.pages.access import Coordinator, Here
from demos.portal_web.views import go
from zoho_tokenstore import Status, TokenNotFoundError
from zoho_tokenstore.login import BrowserSession, LoginFlow

router = APIRouter(prefix="/logins", default_response_class=Response)


@dataclass(frozen=True)
class Login:
    """A login, and how it stands."""

    id: str
    name: str
    status: Status
    browsers: list[BrowserSession]


@router.get("")
async def listed(request: Request, site: Here, user: Coordinator) -> Response:
    """Show everybody's logins."""
    logins = await run_in_threadpool(_all_logins, site.flow)
    return site.views.page(request, "logins", user, logins=logins)


@router.get("/{login_id}")
async def shown(request: Request, site: Here, user: Coordinator, login_id: str) -> Response:
    """Show a login, and ask whether it is to end."""
    return site.views.page(request, "login", user, login=await _one(site.flow, login_id))


@router.post("/{login_id}/end")
async def end(request: Request, site: Here, user: Coordinator, login_id: str, _: OwnForm) -> Response:
    """End a login, in all its browsers and at Zoho."""
    login = await _one(site.flow, login_id)
    await run_in_threadpool(site.flow.end, login_id)
    if login_id == user.id:
        request.session.clear()
    return go(request, "/logins", f"The login of {login.name} has ended.")


async def _one(flow: LoginFlow, login_id: str) -> Login:
    login = await run_in_threadpool(_login, flow, login_id)
    if login is None:
        raise HTTPException(404, "There is no such login. It may have ended.")
    return login


def _all_logins(flow: LoginFlow) -> list[Login]:
    found = [_login(flow, record.id or "") for record in flow.tokens.scan()]
    return sorted((login for login in found if login is not None), key=lambda login: login.name)


def _login(flow: LoginFlow, login_id: str) -> Login | None:
    try:
        status = flow.tokens.status(login_id)
    except TokenNotFoundError:
        return None
    name = (status.user_name or login_id).partition(":")[0]
    return Login(login_id, name, status, flow.sessions_of(login_id))
