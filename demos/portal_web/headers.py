"""What every answer carries, and the one address under which the portal answers."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demos.portal_web.settings import Settings

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Permitted-Cross-Domain-Policies": "none",
}
"""By OWASP's list of secure headers. No script runs here, so none can be injected."""

_HSTS: Final = "max-age=31536000; includeSubDomains"


class Guarded:
    """An application with the headers, under one host name.

    Arguments:
        app: the application.
        settings: how the portal runs.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._host = urlsplit(settings.url).netloc.lower()
        self._headers = HEADERS | ({"Strict-Transport-Security": _HSTS} if settings.is_secure else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; one under another host name, with other cookies, is sent to the right one."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                is_file = message["status"] < 400 and scope["path"].startswith("/static/")
                self._add_to(MutableHeaders(scope=message), is_file)
            await send(message)

        is_here = Headers(scope=scope).get("host", "").lower() == self._host
        app = self._app if is_here else RedirectResponse(f"{self._settings.url}/", 303)
        await app(scope, receive, send_with_headers)

    def _add_to(self, headers: MutableHeaders, is_file: bool) -> None:
        for name, value in self._headers.items():
            headers.setdefault(name, value)
        headers.setdefault("Cache-Control", "max-age=300" if is_file else "no-store")
