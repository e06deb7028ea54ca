"""The tutorial for Django, followed by somebody who installs the package into an empty environment."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx2
import pytest

from tests.docs.pages import DOCS, ROOT, Block, Page
from tests.support import network

PAGE: Final = Page(DOCS / "tutorials" / "login-django.md")
MINUTES: Final = 10
PATIENCE: Final = 60.0
RUNS_ON: Final = ("zoho-tokens emulator", "manage.py runserver")


class Reader:
    """Somebody who does what the page says, in an empty folder, with ports that are free."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self.folder, self._opened = folder, opened
        self.ports = {port: _free_port() for port in ("8000", "8085")}
        self.bin = folder.with_name("environment") / "bin"
        _run(
            [*_UV, "venv", "--quiet", "--python", sys.executable, self.bin.parent], folder, network.outside()
        )
        self._wheel = _wheel(folder.with_name("wheel"))
        self._environment = {
            **{
                name: value for name, value in os.environ.items() if not name.startswith(("ZOHO_", "DJANGO_"))
            },
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def here(self, text: str) -> str:
        """Return a text of the page with the ports of this run."""
        for port, free in self.ports.items():
            text = text.replace(f":{port}", f":{free}")
        return text

    def write(self, block: Block) -> None:
        """Put a block into the file that is named before it."""
        before = "\n".join(PAGE.text.splitlines()[: block.line - 2])
        sentence = (
            before.rpartition("\n\n")[2]
            if not before.endswith("\n")
            else before.rstrip().rpartition("\n\n")[2]
        )
        (name,) = re.findall(r"`([a-z/]+\.py)`", sentence)
        with (self.folder / name).open("a" if "to the end of" in sentence else "w", encoding="utf-8") as file:
            file.write("\n" + self.here(block.source))

    def type(self, line: str) -> str:
        """Type a command; return what it prints, or at once if it runs on."""
        line = self.here(line)
        if line.startswith("pip install"):
            (wanted,) = re.findall(r'"zoho-tokenstore(\[.*\])"', line)
            target = f"{self._wheel}{wanted}"
            command = [*_UV, "pip", "install", "--quiet", "--python", self.bin / "python", target]
            return _run(command, self.folder, network.outside())
        if any(words in line for words in RUNS_ON):
            port = self.ports["8085"] if "emulator" in line else self.ports["8000"]
            ending = f" --port {port}" if "emulator" in line else " --noreload"
            self._start(shlex.split(line + ending), int(port))
            return ""
        return _run(["sh", "-c", line], self.folder, self._environment)

    def _start(self, command: list[str], port: int) -> None:
        log = self._opened.enter_context((self.folder.with_name(f"log-{port}")).open("w+"))
        process = subprocess.Popen(
            [str(self.bin / command[0]), *command[1:]],
            cwd=self.folder,
            env=self._environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        self._opened.callback(process.wait)
        self._opened.callback(process.kill)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            assert process.poll() is None, Path(log.name).read_text()
            time.sleep(0.05)
        raise AssertionError(f"{command[0]} does not listen: {Path(log.name).read_text()}")


class Person:
    """A browser, and who decides in it."""

    def __init__(self, reader: Reader, opened: ExitStack) -> None:
        page = {"accept": "text/html"}
        self.http = opened.enter_context(httpx2.Client(headers=page, follow_redirects=True, timeout=PATIENCE))
        self.site = f"http://localhost:{reader.ports['8000']}"
        self.zoho = f"http://127.0.0.1:{reader.ports['8085']}"

    def open(self) -> str:
        return self.http.get(f"{self.site}/").text

    def accept(self, page: str, user: str) -> str:
        """Consent at Zoho; return the page that follows."""
        (ticket,) = re.findall(r'name="ticket" value="([0-9a-f]+)"', page)
        form = {"ticket": ticket, "user": user, "decision": "accept"}
        answer = self.http.post(f"{self.zoho}/oauth/v2/auth", data=form)
        assert answer.status_code == 200, answer.text
        return answer.text

    def send(self, page: str, path: str, **fields: str) -> str:
        """Send a form of Django's."""
        token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[0]
        answer = self.http.post(f"{self.site}{path}", data={"csrfmiddlewaretoken": token, **fields})
        assert answer.status_code == 200, answer.text
        return answer.text


@pytest.fixture(scope="module")
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.long
@pytest.mark.clear
@pytest.mark.timeout(600)
def test_the_tutorial(tmp_path: Path, opened: ExitStack) -> None:
    """From an empty folder to leads and the admin, by what is on the page and nothing else."""
    folder = tmp_path / "portal"
    folder.mkdir()
    began = time.monotonic()
    reader = Reader(folder, opened)
    printed: list[str] = []
    for block in PAGE.blocks("console", "python"):
        if block.language == "python":
            reader.write(block)
            continue
        for line in block.source.splitlines():
            printed.append(reader.type(line))
        if "runserver" in block.source:
            _use(reader, opened)
    logins, examined = printed[-2:]
    assert [line.split("\t")[1].partition("@")[0] for line in logins.splitlines()] == ["rajesh"]
    assert "1 rows read" in examined
    assert time.monotonic() - began < MINUTES * 60


def _use(reader: Reader, opened: ExitStack) -> None:
    """Do in browsers what the page says."""
    patricia, rajesh, other, operator = (Person(reader, opened) for _ in range(4))
    page = patricia.accept(patricia.open(), "patricia@zylker.example")
    assert "Leads of patricia@zylker.example:" in page
    assert "<li>Kumar</li>" in patricia.send(page, "/", name="Kumar")
    theirs = rajesh.accept(rajesh.open(), "rajesh@zylker.example")
    assert "Leads of rajesh@zylker.example:" in theirs

    login_page = operator.http.get(f"{operator.site}/admin/").text
    form = {"username": "operator", "password": "operator", "next": "/admin/"}
    assert "Login with Zoho" in operator.send(login_page, "/admin/login/", **form)
    listed = operator.http.get(f"{operator.site}/admin/zoho_login/login/").text
    assert "patricia@zylker.example:" in listed
    assert "rajesh@zylker.example:" in listed
    assert "End the selected logins, here and at Zoho" in listed
    (chosen,) = re.findall(r'value="(\w+)"[^>]*aria-label="[^"]*patricia', listed)
    ended = operator.send(listed, "/admin/zoho_login/login/", action="end_logins", _selected_action=chosen)
    assert "Ended: patricia@zylker.example" in ended
    assert 'name="ticket"' in patricia.open()  # at Zoho again
    assert "Leads of rajesh@zylker.example:" in rajesh.open()
    assert "Leads of rajesh@zylker.example:" in other.accept(other.open(), "rajesh@zylker.example")
    assert 'name="ticket"' in other.send(other.open(), "/zoho/logout")
    assert "Leads of rajesh@zylker.example:" in rajesh.open()


_UV: Final = (sys.executable, "-m", "uv")


def _run(command: list[object] | list[str], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _wheel(folder: Path) -> Path:
    _run([*_UV, "build", "--quiet", "--wheel", "--out-dir", folder, ROOT], ROOT, network.outside())
    (wheel,) = folder.glob("*.whl")
    return wheel


def _free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])
