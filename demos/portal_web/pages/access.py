"""What every page is given: the portal's parts, and who is logged in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, cast
from urllib.parse import quote

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from demos.portal_web.portal import Portal
from demos.portal_web.views import Views
from zoho_tokenstore import TokenRecord
from zoho_tokenstore.login import LoginFlow
from zoho_tokenstore.login.starlette import ZohoLogin

ENDED: Final = "ended"
"""What the welcome page is to say to somebody who is not logged in, or no longer."""


@dataclass(frozen=True)
class Site:
    """What the pages share."""

    portal: Portal
    views: Views
    login: ZohoLogin

    @property
    def flow(self) -> LoginFlow:
        """How users log in, and what their logins are."""
        return self.portal.flow


class LoggedOutError(Exception):
    """Nobody is logged in.

    Arguments:
        request: what was requested; a form leads back to the courses.
    """

    def __init__(self, request: Request) -> None:
        super().__init__("Nobody is logged in.")
        path = request.url.path if request.method == "GET" else "/courses"
        self.location = f"/?said={ENDED}&next={quote(path)}"


async def _site(request: Request) -> Site:
    return cast("Site", request.app.state.site)


Here = Annotated[Site, Depends(_site)]


async def _student(request: Request, site: Here) -> TokenRecord:
    user = await site.login.user(request)
    if user is None:
        raise LoggedOutError(request)
    return user


Student = Annotated[TokenRecord, Depends(_student)]


async def _coordinator(user: Student, site: Here) -> TokenRecord:
    if not site.portal.is_coordinator(user):
        raise HTTPException(403, "Only coordinators can see this page.")
    return user


Coordinator = Annotated[TokenRecord, Depends(_coordinator)]
