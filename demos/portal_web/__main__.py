"""``python -m demos.portal_web``: serve the portal until Ctrl+C."""

from __future__ import annotations

import os
import signal
import socket
import sys
from dataclasses import replace
from typing import Final

import uvicorn

from demos.portal_web.app import create_app
from demos.portal_web.local_zoho import PEOPLE
from demos.portal_web.portal import Portal, open_portal
from demos.portal_web.settings import Settings, SettingsError, settings_from

_HOST: Final = "127.0.0.1"
_GRACE_S: Final = 5


def main() -> int:
    """Run the portal; return the exit status."""
    try:
        listener, settings = _listen(settings_from(os.environ))
    except (SettingsError, OSError) as error:
        print(f"The portal can't start. {error}", file=sys.stderr)
        return 2
    if settings.client is None:  # a proxy would not find the local Zoho
        os.environ.update(NO_PROXY=_HOST, no_proxy=_HOST)
    with listener, open_portal(settings) as portal:
        _say_where(portal)
        _serve(portal, listener)
    return 0


def _listen(settings: Settings) -> tuple[socket.socket, Settings]:
    """Return a listening socket; the local Zoho accepts any port, so a free one is taken if need be."""
    try:
        return socket.create_server((_HOST, settings.port)), settings
    except OSError as error:
        if settings.client is not None or {"PORTAL_PORT", "PORTAL_URL"} & set(os.environ):
            raise OSError(f"Port {settings.port} is in use. Set PORTAL_PORT to a free one.") from error
    listener = socket.create_server((_HOST, 0))
    port: int = listener.getsockname()[1]
    return listener, replace(settings, port=port, url=f"http://localhost:{port}")


def _say_where(portal: Portal) -> None:
    lines = [f"Zylker Academy's student portal is at {portal.settings.url}"]
    if portal.zoho is None:
        lines += [f"Register {portal.settings.redirect_url} as a redirect URL of your client at Zoho."]
    else:
        lines += [f"It uses a local Zoho at {portal.zoho.url}. Log in as one of:"]
        lines += [f"  {email:<27} {name}" for email, name in PEOPLE.items()]
    print(*lines, "Press Ctrl+C to stop.", sep="\n", flush=True)


def server_of(portal: Portal) -> uvicorn.Server:
    """Return the server; it logs no requests, as the addresses of callbacks hold codes."""
    return uvicorn.Server(
        uvicorn.Config(
            create_app(portal),
            access_log=False,
            log_level="warning",
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=_GRACE_S,
        )
    )


def _serve(portal: Portal, listener: socket.socket) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        # The server stops by these signals, and sends them to this process again when it has stopped.
        signal.signal(number, lambda *_: None)
    server_of(portal).run(sockets=[listener])


if __name__ == "__main__":
    sys.exit(main())
