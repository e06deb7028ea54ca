"""What the portal's tests share: the portal as it runs, and people with browsers."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page

from demos.portal_web.__main__ import server_of
from demos.portal_web.local_zoho import COORDINATOR
from demos.portal_web.portal import Portal, open_portal
from demos.portal_web.settings import Settings
from zoho_tokenstore import TokenRecord
from zoho_tokenstore.emulator import Emulator

PATRICIA: Final = "patricia@zylker.example"
RAJESH: Final = "rajesh@zylker.example"
AMELIA: Final = "amelia@zylker.example"

__all__ = ["AMELIA", "COORDINATOR", "PATRICIA", "RAJESH", "Clock", "Person", "Running", "serving"]

_TIMEOUT_MS: Final = 10_000
_START_TIMEOUT_S: Final = 20.0
_STOP_TIMEOUT_S: Final = 20.0


class Clock:
    """The portal's clock, and what a test lets pass."""

    def __init__(self) -> None:
        self.passed_ms = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.passed_ms

    def pass_(self, minutes: float) -> None:
        self.passed_ms += int(minutes * 60_000)


@dataclass(frozen=True)
class Running:
    """A portal that serves."""

    portal: Portal
    clock: Clock
    port: int

    @property
    def url(self) -> str:
        return self.portal.settings.url

    @property
    def zoho(self) -> Emulator:
        assert self.portal.zoho is not None
        return self.portal.zoho

    @property
    def logins(self) -> list[TokenRecord]:
        return list(self.portal.store.tokens.scan())

    def login_of(self, email: str) -> TokenRecord | None:
        return next((one for one in self.logins if (one.user_name or "").startswith(f"{email}:")), None)


@contextmanager
def serving(folder: Path, **changes: object) -> Iterator[Running]:
    """Serve a portal with its local Zoho on a free port."""
    clock = Clock()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        settings = replace(Settings(url=f"http://localhost:{port}", folder=folder), **changes)  # type: ignore[arg-type]  # a test's
        with open_portal(settings, clock) as portal, _served(portal, listener):
            yield Running(portal, clock, port)


@contextmanager
def _served(portal: Portal, listener: socket.socket) -> Iterator[None]:
    server = server_of(portal)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.started
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(_STOP_TIMEOUT_S)
        assert not thread.is_alive()


class Person:
    """Somebody with a browser of their own."""

    def __init__(self, browser: Browser, running: Running, **options: object) -> None:
        self.running = running
        self.context: BrowserContext = browser.new_context(**options)  # type: ignore[arg-type]  # Playwright's
        self.context.set_default_timeout(_TIMEOUT_MS)
        self.page: Page = self.context.new_page()
        self.statuses: list[tuple[str, int]] = []
        self.page.on("response", lambda answer: self.statuses.append((answer.url, answer.status)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.context.close()

    @property
    def path(self) -> str:
        """The path of the page that the browser shows."""
        return urlsplit(self.page.url).path

    @property
    def status(self) -> int:
        """The HTTP status of the page that the browser shows."""
        here = self.page.url.partition("#")[0]
        return next(status for url, status in reversed(self.statuses) if url == here)

    @property
    def heading(self) -> str:
        return self.page.locator("h1").inner_text()

    @property
    def text(self) -> str:
        return self.page.locator("main").inner_text()

    def open(self, path: str) -> None:
        self.page.goto(f"{self.running.url}{path}")

    def press(self, name: str) -> None:
        """Press a button or follow a link."""
        both = self.page.get_by_role("button", name=name).or_(self.page.get_by_role("link", name=name))
        both.first.click()

    def ask(self, path: str = "/") -> None:
        """Go to Zoho's page from the welcome page."""
        self.open(path)
        self.press("Log in with Zoho")
        self.page.wait_for_url(f"{self.running.zoho.url}/**")

    def answer(self, email: str, decision: str = "Accept") -> None:
        """Decide on Zoho's page, and wait to be sent back."""
        self.page.locator(f'input[name=user][value="{email}"]').check()
        self.press(decision)
        self.page.wait_for_url(f"{self.running.url}/**")

    def log_in(self, email: str) -> Self:
        self.ask()
        self.answer(email)
        assert self.path == "/courses", self.page.content()
        return self

    @property
    def is_logged_in(self) -> bool:
        """Whether the portal knows who this is, by a page that needs it."""
        self.open("/sessions")
        return self.path == "/sessions"

    def courses(self) -> list[str]:
        self.open("/courses")
        return self.page.locator(".card h2").all_inner_texts()
