"""The tutorials about logins lead where they say, in an empty folder, with the package as it is published."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import httpx2
import pytest

from tests.docs.pages import DOCS, Page
from tests.docs.tutorials import Reader, wheel
from tests.support import wait_until

PAGES: Final = [Page(DOCS / "tutorials" / f"login-{name}.md") for name in ("fastapi", "flask")]
PAGE_LOAD: Final = {"Accept": "text/html"}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel once, for all workers of pytest-xdist, whose folders are beside each other."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "wheel"
    folder.mkdir(exist_ok=True)
    return wheel(folder)


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def reader(request: pytest.FixtureRequest, tmp_path: Path, built: Path) -> Iterator[Reader]:
    folder = tmp_path / "empty"
    folder.mkdir()
    with ExitStack() as opened:
        yield Reader(request.param, folder, built, opened)


class Browser:
    """A browser that follows every redirect; at Zoho, somebody picks a user and accepts."""

    def __init__(self, http: httpx2.Client, zoho: str) -> None:
        self._http = http
        self._zoho = zoho

    def open(self, url: str, user: str) -> str:
        """Open a page; log in if that leads to Zoho."""
        page = self._http.get(url, headers=PAGE_LOAD)
        ticket = re.search(r'name="ticket" value="([0-9a-f]+)"', page.text)
        if ticket is not None:
            form = {"ticket": ticket[1], "user": user, "decision": "accept"}
            page = self._http.post(f"{self._zoho}/oauth/v2/auth", data=form, headers=PAGE_LOAD)
        assert page.status_code == 200
        return page.text

    def add(self, url: str, name: str) -> str:
        return self._http.post(url, data={"name": name}, headers=PAGE_LOAD).text


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_tutorial(reader: Reader) -> None:
    """Two users log in and add leads, each under their own name; a log-out ends at Zoho, too."""
    reader.follow()
    zoho, site = (f"http://{host}:{reader.ports[port]}" for host, port in _PLACES)
    wait_until(lambda: _answers(f"{zoho}/_emulator/") and _answers(f"{site}/login"), 60)
    with httpx2.Client(follow_redirects=True) as one, httpx2.Client(follow_redirects=True) as other:
        patricia, rajesh = Browser(one, zoho), Browser(other, zoho)
        page = patricia.open(f"{site}/leads", "patricia@zylker.example")
        assert "You are patricia@zylker.example" in page
        assert "<li>" not in page
        assert "<li>Kumar</li>" in patricia.add(f"{site}/leads", "Kumar")
        assert "<li>Kumar</li>" in rajesh.open(f"{site}/leads", "rajesh@zylker.example")
        assert "<li>Iyer</li>" in rajesh.add(f"{site}/leads", "Iyer")
        assert 'name="ticket"' in one.post(f"{site}/logout", headers=PAGE_LOAD).text  # at Zoho again
        assert "You are rajesh@zylker.example" in rajesh.open(f"{site}/leads", "")
        journal = one.get(f"{zoho}/_emulator/journal").json()["entries"]
    assert [entry["user"].partition("@")[0] for entry in journal if entry["endpoint"] == "create"] == [
        "patricia",
        "rajesh",
    ]
    assert [entry["status"] for entry in journal if entry["endpoint"] == "revoke"] == [200]


_PLACES: Final = (("127.0.0.1", "8085"), ("localhost", "8000"))


def _answers(url: str) -> bool:
    with suppress(httpx2.TransportError):
        return httpx2.get(url).status_code < 400
    return False
