"""Login with Zoho for FastAPI: a router, and dependencies that the API's documentation shows.

::

    login = ZohoLogin(flow)
    app = FastAPI(middleware=[login.session_middleware(secret_key)])
    app.include_router(login.router)

    @app.get("/courses")
    async def courses(user: Annotated[TokenRecord, Depends(login.required)]):
        return await login.run_as(user, read_courses)

FastAPI reads the annotations of a dependency, and older releases cannot if they are strings.
"""

from collections.abc import Awaitable, Callable
from functools import cached_property

from zoho_tokenstore._util.packages import needed_by
from zoho_tokenstore.login import starlette
from zoho_tokenstore.records import TokenRecord

with needed_by("Login with Zoho in FastAPI", "FastAPI", "fastapi"):
    from fastapi import APIRouter, Request
    from fastapi.openapi.models import APIKey
    from fastapi.security.base import SecurityBase

__all__ = ["Required", "ZohoLogin"]


class Required(SecurityBase):
    """A dependency that returns the user of a request, and answers the request if there is none.

    Arguments:
        user: returns the user, or raises.
        cookie: the name of the session's cookie, for the documentation of the API.
    """

    scheme_name = "ZohoLogin"

    def __init__(self, user: Callable[[Request], Awaitable[TokenRecord]], cookie: str) -> None:
        self._user = user
        self.model = APIKey.model_validate(
            {"in": "cookie", "name": cookie, "description": "The session of a browser that is logged in."}
        )

    async def __call__(self, request: Request) -> TokenRecord:
        """Return the login of a request; without one, send the browser to log in, or answer with 401."""
        return await self._user(request)


class ZohoLogin(starlette.ZohoLogin):
    """The pages of a login in a FastAPI application; see `zoho_tokenstore.login.starlette.ZohoLogin`.

    `Depends(login.required)` is the user of a request, `Depends(login.user)` the user or `None`.
    """

    @cached_property
    def router(self) -> APIRouter:
        """The pages, for `include_router`, with or without a prefix."""
        return APIRouter(routes=[*self.routes])

    @cached_property
    def required(self) -> Required:
        """The dependency of what only users may do."""
        return Required(super().required, self._site.cookie)
