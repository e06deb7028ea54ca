"""The page where everybody begins."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from demos.portal_web.pages.access import ENDED, Here

router = APIRouter(default_response_class=Response)

_NOTICES: Final = {
    "out": "You are logged out.",
    ENDED: "You are not logged in, or your login has ended. Log in to continue.",
}
"""What the page says, by the parameter `said`."""


@router.get("/")
async def welcome(request: Request, site: Here, said: str = "", next: str = "/courses") -> Response:  # noqa: A002
    """Show what this is, and the button to log in."""
    user = None if said == ENDED else await site.login.user(request)  # the login may be dead at Zoho only
    return site.views.page(request, "welcome", user, said=_NOTICES.get(said), next=next)
