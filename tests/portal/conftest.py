"""A portal, Chromium, and people with browsers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.portal.support import Person, Running, serving
from tests.support.servers import server

NewPerson = Callable[..., Person]


def pytest_itemcollected(item: pytest.Item) -> None:
    """A browser takes seconds: these tests are long."""
    if "browser" in getattr(item, "fixturenames", ()):
        item.add_marker("long")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """This system's Chromium. Playwright's loop belongs to a module: other tests have loops of their own."""
    program = server("chromium").url
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(autouse=True)
def _quiet_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's log calls are malformed, and pytest would raise what logging only prints."""
    monkeypatch.setattr(logging, "raiseExceptions", False)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with serving(tmp_path / "portal") as running:
        yield running


@pytest.fixture
def new_person(browser: Browser, running: Running) -> Iterator[NewPerson]:
    """Return how somebody with a browser of their own comes."""
    with ExitStack() as people:

        def come(**options: object) -> Person:
            return people.enter_context(Person(browser, running, **options))

        yield come


@pytest.fixture
def person(new_person: NewPerson) -> Person:
    return new_person()
