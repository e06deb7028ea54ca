"""What a student sees of themselves: the profile, and the browsers in which they are logged in."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from demos.portal_web import crm
from demos.portal_web.centers import place_of
from demos.portal_web.forms import OwnForm
from demos.portal_web.pages.access import Here, Student
from demos.portal_web.portal import AFTER_LOGOUT
from demos.portal_web.views import go

router = APIRouter(default_response_class=Response)


@router.get("/profile")
async def profile(request: Request, site: Here, user: Student) -> Response:
    """Show who Zoho says that this is, and what the portal may do."""
    person = await site.portal.act(user, crm.myself)
    status = await run_in_threadpool(site.flow.tokens.status, user.id or "")
    return site.views.page(
        request,
        "profile",
        user,
        person=person,
        status=status,
        place=place_of(user.api_domain),
        scopes=status.scopes or site.flow.scopes,
    )


@router.get("/sessions")
async def sessions(request: Request, site: Here, user: Student) -> Response:
    """Show the browsers in which the student is logged in, the latest first."""
    browsers = await run_in_threadpool(site.flow.sessions_of, user.id or "")
    here = await site.login.browser_session(request)
    return site.views.page(request, "sessions", user, browsers=list(reversed(browsers)), here=here)


@router.post("/sessions/{session_id}/end")
async def end(request: Request, site: Here, user: Student, session_id: str, _: OwnForm) -> Response:
    """End one of the student's browser sessions; with the last one, the login ends."""
    await run_in_threadpool(site.flow.end_session, user.id or "", session_id)
    if await site.login.user(request) is None:
        request.session.clear()
        return go(request, AFTER_LOGOUT)
    return go(request, "/sessions", "That browser is logged out.")
