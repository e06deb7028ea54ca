"""What the portal is told by its environment, where its secrets are, and how it starts and stops."""

from __future__ import annotations

import ast
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from demos.portal_web.centers import CENTERS, place_of
from demos.portal_web.portal import Portal, open_portal
from demos.portal_web.settings import Settings, SettingsError, read_secret, settings_from, signing_key
from tests.portal.support import serving
from tests.support.processes import ROOT
from zoho_tokenstore import Client, TokenRecord
from zoho_tokenstore.renewal._datacenters import DATA_CENTERS

OWN = {"ZOHO_CLIENT_ID": "1000.OWN", "ZOHO_CLIENT_SECRET": "secret"}


class TestEnvironment:
    """What each variable does."""

    def test_nothing_is_needed(self) -> None:
        """Without any, the local Zoho is used, at port 8000."""
        settings = settings_from({})
        assert settings.client is None
        assert (settings.url, settings.redirect_url) == (
            "http://localhost:8000",
            "http://localhost:8000/callback",
        )

    def test_all_of_them(self) -> None:
        """The client, the data centre, the address, the coordinators and the limit."""
        settings = settings_from(
            {
                **OWN,
                "ZOHO_DATA_CENTER": "EU",
                "PORTAL_URL": "https://portal.example/",
                "PORTAL_PORT": "9000",
                "PORTAL_DATA": "/srv/portal",
                "PORTAL_COORDINATORS": "Deepa@zylker.example, ,lee@zylker.example:7",
                "PORTAL_IDLE_MINUTES": "30",
            }
        )
        assert settings == Settings(
            url="https://portal.example",
            folder=Path("/srv/portal"),
            client=Client("1000.OWN", "secret"),
            accounts_url="https://accounts.zoho.eu",
            coordinators=frozenset({"deepa@zylker.example", "lee@zylker.example:7"}),
            idle=timedelta(minutes=30),
            port=9000,
        )
        assert settings.is_secure
        assert settings_from({"PORTAL_URL": "HTTPS://portal.example"}).is_secure
        assert "secret" not in repr(settings)

    @pytest.mark.parametrize(
        ("wrong", "says"),
        [
            ({"ZOHO_CLIENT_ID": "1000.OWN"}, "ZOHO_CLIENT_SECRET"),
            ({**OWN, "ZOHO_DATA_CENTER": "mars"}, "ZOHO_DATA_CENTER is 'mars'"),
            *(
                ({"PORTAL_URL": url}, f"PORTAL_URL is {url!r}")
                for url in ("portal.example", "https://[", "ftp://x", "https://portal.example/sub", "")
            ),
            ({"PORTAL_PORT": "http"}, "PORTAL_PORT is 'http'"),
            ({"PORTAL_PORT": "0"}, "PORTAL_PORT is '0'"),
            ({"PORTAL_IDLE_MINUTES": "-5"}, "PORTAL_IDLE_MINUTES is '-5'"),
            (
                {"ZOHO_CLIENT_ID": "1000.OWN", "ZOHO_CLIENT_SECRET_FILE": "/nowhere"},
                "/nowhere cannot be read",
            ),
        ],
    )
    def test_what_is_wrong_is_named(self, wrong: dict[str, str], says: str) -> None:
        """The sentence names the variable."""
        with pytest.raises(SettingsError, match=re.escape(says)):
            settings_from(wrong)

    def test_the_page_lists_every_variable(self) -> None:
        """docs/how-to/try-the-portal.md has those that exist, no more."""
        page = (ROOT / "docs" / "how-to" / "try-the-portal.md").read_text("utf-8")
        source = (ROOT / "demos" / "portal_web" / "settings.py").read_text("utf-8")
        listed = re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE)
        assert sorted(listed) == sorted(set(re.findall(r'"((?:ZOHO|PORTAL)_[A-Z_]+)"', source)))

    def test_the_data_centres_are_those_of_the_package(self) -> None:
        """Their accounts servers and API domains are the same."""
        ours = [(center.code, center.accounts_url, f"https://www.{center.api_domain}") for center in CENTERS]
        assert ours == [(one.location, one.accounts_url, one.production) for one in DATA_CENTERS]
        assert place_of("https://sandbox.zohoapis.eu") == "Europe"
        assert place_of("http://127.0.0.1:8085") == "Local Zoho (127.0.0.1)"


@pytest.mark.skipif(os.name != "posix", reason="rights of files")
class TestSecrets:
    """Who can read them."""

    def test_the_signing_key_is_made_once(self, tmp_path: Path) -> None:
        """It is long, only its owner can read it, and it stays."""
        key = signing_key(tmp_path)
        assert len(key) >= 43
        assert stat.S_IMODE((tmp_path / "signing-key").stat().st_mode) == 0o600
        assert signing_key(tmp_path) == key

    @pytest.mark.parametrize("mode", [0o604, 0o640, 0o666])
    def test_a_key_that_others_can_read_is_refused(self, tmp_path: Path, mode: int) -> None:
        """The sentence says how to mend it."""
        signing_key(tmp_path)
        (tmp_path / "signing-key").chmod(mode)
        with pytest.raises(SettingsError, match="chmod 600"):
            signing_key(tmp_path)

    def test_an_empty_key_is_refused(self, tmp_path: Path) -> None:
        """Cookies are never signed with nothing."""
        path = tmp_path / "signing-key"
        path.touch(0o600)
        with pytest.raises(SettingsError, match="is empty"):
            read_secret(path)

    def test_the_client_secret_can_be_in_a_file(self, tmp_path: Path) -> None:
        """Its line end does not count."""
        path = tmp_path / "secret"
        path.touch(0o600)
        path.write_text("from a file\n")
        settings = settings_from({"ZOHO_CLIENT_ID": "1000.OWN", "ZOHO_CLIENT_SECRET_FILE": str(path)})
        assert settings.client == Client("1000.OWN", "from a file")


def test_the_portal_uses_public_names_only() -> None:
    """What it does, anybody's portal can do."""
    names = []
    for path in sorted((ROOT / "demos").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("zoho_tokenstore"):
                names += [*(node.module or "").split("."), *(alias.name for alias in node.names)]
    assert len(names) > 20
    assert [name for name in names if name.startswith("_")] == []


class TestOpening:
    """What a portal is made of."""

    def test_with_a_client_of_zoho_there_is_no_local_one(self, tmp_path: Path) -> None:
        """Users begin at the accounts server of the setting."""
        settings = replace(settings_from({**OWN, "ZOHO_DATA_CENTER": "in"}), folder=tmp_path / "data")
        with open_portal(settings) as portal:
            assert portal.zoho is None
            assert portal.flow.start().url.startswith("https://accounts.zoho.in/oauth/v2/auth?")
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700

    def test_what_an_earlier_local_zoho_knew_is_forgotten(self, tmp_path: Path) -> None:
        """Its logins would all be dead; the file of the real ones is left alone."""
        settings = Settings(url="http://localhost:8000", folder=tmp_path)
        (tmp_path / "zohooauth.db").touch()
        with open_portal(settings) as portal:
            portal.store.repository.save(TokenRecord(user_name="a", access_token="b"))
        with open_portal(settings) as portal:
            assert list(portal.store.tokens.scan()) == []
        assert (tmp_path / "zohooauth.db").stat().st_size == 0

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("deepa@zylker.example:1", True),
            ("DEEPA@zylker.example:1", True),
            ("lee@zylker.example:7", True),
            ("lee@zylker.example:8", False),
            ("deepa@zyl\N{KELVIN SIGN}er.example:1", False),
            ("rajesh@zylker.example:1", False),
            (None, False),
        ],
    )
    def test_who_is_a_coordinator(self, tmp_path: Path, name: str | None, expected: bool) -> None:
        """Those whom the setting names, by address or by address and organisation."""
        names = frozenset({"deepa@zylker.example", "lee@zylker.example:7"})
        settings = replace(settings_from(OWN), folder=tmp_path, coordinators=names)
        with open_portal(settings) as portal:
            assert Portal.is_coordinator(portal, TokenRecord(user_name=name)) is expected

    def test_https_is_remembered_where_there_is_https(self, tmp_path: Path) -> None:
        """With an address of HTTPS, browsers are told to use nothing else, and the cookie is secure."""
        with serving(tmp_path, url="https://portal.example") as running:
            local = f"http://127.0.0.1:{running.port}"
            with httpx2.Client(headers={"Host": "portal.example"}) as http:
                answer = http.get(f"{local}/login")
        assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
        assert "secure" in answer.headers["set-cookie"].lower()


@contextmanager
def program(folder: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("ZOHO", "PORTAL"))
    }
    with subprocess.Popen(
        [sys.executable, "-m", "demos.portal_web"],
        env={**environment, "PORTAL_DATA": str(folder), **variables},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
class TestProgram:
    """`make portal`."""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_it_prints_where_it_is_and_ends_cleanly(self, tmp_path: Path, number: int) -> None:
        """The address answers, the people to log in as are named, and Ctrl+C leaves no traceback."""
        with program(tmp_path) as process:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if line.startswith("Press Ctrl+C"):
                    break
            text = "".join(lines)
            (url,) = re.findall(r"portal is at (http://localhost:\d+)\n", text)
            answer = httpx2.HTTPTransport(retries=5)
            with httpx2.Client(transport=answer) as http:
                page = http.get(url)
            process.send_signal(number)
            rest, errors = process.communicate(timeout=30)
        assert "Log in with Zoho" in page.text
        assert "coordinator@zylker.example" in text
        assert (process.returncode, rest, errors) == (0, "", "")

    def test_a_port_in_use_is_named(self, tmp_path: Path) -> None:
        """Status 2, and what to set."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            with program(tmp_path, PORTAL_PORT=port) as process:
                _, errors = process.communicate(timeout=30)
        assert process.returncode == 2
        assert errors == f"The portal can't start. Port {port} is in use. Set PORTAL_PORT to a free one.\n"
