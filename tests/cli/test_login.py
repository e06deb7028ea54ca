"""`zoho-tokens login`: with a browser, on another device and with a code, and whatever gets in the way."""

from __future__ import annotations

import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.cli.conftest import Site, free_port
from tests.support.terminal import Terminal
from zoho_tokenstore.cli._logging_in import server_of
from zoho_tokenstore.cli._loopback import Loopback, place_of
from zoho_tokenstore.errors import AccountsUnavailableError, ConfigurationError

pytestmark = pytest.mark.clear
PATRICIA = "patricia@zylker.example:20000000001"


def by_browser(site: Site, script: str, *arguments: str) -> tuple[str, str, int]:
    return site.run("login", "--redirect-url", site.redirect_url, *arguments, BROWSER=site.browser(script))


def secrets_of(site: Site) -> list[str]:
    found = [site.zoho.default_client.client_secret]
    for record in site.records():
        found += [text for text in (record.refresh_token, record.access_token) if text]
    return found


def test_with_a_browser(site: Site) -> None:
    """The login is stored with its user and redirect URL; id, user and scopes are printed, no secret is."""
    out, err, status = by_browser(site, "get(url)")
    assert status == 0, err
    (record,) = site.records()
    assert (record.user_name, record.redirect_url) == (PATRICIA, site.redirect_url)
    assert record.identified_at_ms is not None
    assert out.startswith(f"Logged in: {record.id}\n  user    {PATRICIA}\n")
    assert "ZohoCRM.users.READ ZohoCRM.org.READ" in out
    assert [secret for secret in secrets_of(site) if secret in out + err] == []
    assert site.zoho.is_live(record.refresh_token or "")


def test_the_code_is_bound_to_this_login(site: Site) -> None:
    """The address has a state and a challenge (RFC 7636, S256); without the verifier, the code is no good."""
    _, err, status = by_browser(site, "pass", "--timeout", "1s")
    asked = dict(parse_qsl(urlsplit(re.findall(r"http\S+/auth\S+", err)[0]).query))
    assert len(asked["state"]) >= 40
    assert (asked["code_challenge_method"], len(asked["code_challenge"])) == ("S256", 43)
    assert (status, site.records()) == (1, [])
    assert "Nobody logged in within 1 s" in err


def test_a_refusal(site: Site) -> None:
    """Zoho's word for it is shown, nothing is stored, and the exit code is 3."""
    _, err, status = by_browser(
        site, "get(asked['redirect_uri'] + '?error=access_denied&state=' + asked['state'])"
    )
    assert (status, site.records()) == (3, [])
    assert "Zoho did not grant the login: access_denied" in err


OTHERS = """
import urllib.error
back = asked["redirect_uri"]
def refused(url, **headers):
    try:
        urllib.request.urlopen(urllib.request.Request(url, headers=headers))
    except urllib.error.HTTPError as error:
        print("refused", error.code)
state = asked["state"]
refused(back.replace("/callback", "/favicon.ico"))
refused(back + "?code=stolen&state=guessed")
refused(back + "?code=stolen")
refused(back + "?state=" + state)
refused(back + "?code=one&code=two&state=" + state)
refused(back + "?code=stolen&state=" + state, Host="evil.example")
get(url)
refused(back + "?code=late&state=" + state)
"""


def test_requests_of_others_change_nothing(site: Site) -> None:
    """A favicon, another state, none, no code, two codes, another host's name: refused; the login goes on."""
    out, err, status = by_browser(site, OTHERS)
    assert status == 0, err
    assert re.findall(r"refused (\d+)", out + err)[:6] == ["404", "400", "400", "400", "400", "404"]
    assert [record.user_name for record in site.records()] == [PATRICIA]


def test_the_first_answer_decides() -> None:
    """A second one with the right state is refused, and changes nothing."""
    url = f"http://127.0.0.1:{free_port()}/callback"
    with Loopback(url, "the-state") as loopback:
        urllib.request.urlopen(f"{url}?code=one&state=the-state", timeout=30).close()
        with pytest.raises(urllib.error.HTTPError, match="409"):
            urllib.request.urlopen(f"{url}?code=two&state=the-state", timeout=30)
        assert loopback.wait(30) == {"code": "one", "state": "the-state"}
        with pytest.raises(AccountsUnavailableError):
            loopback.wait(0.5)


@pytest.mark.parametrize("port", ["", ":80"])
def test_the_port_of_http_is_in_no_host(port: str) -> None:
    """Browsers leave it out of what they ask for, whether the redirect URL has it or not."""
    assert place_of(f"http://localhost{port}/callback") == ("127.0.0.1", 80, "localhost", "/callback")


def test_an_idle_connection_blocks_nobody(site: Site) -> None:
    """Browsers open connections that they do not use."""
    script = (
        "import socket\nparts = urllib.parse.urlsplit(asked['redirect_uri'])\n"
        "idle = socket.create_connection((parts.hostname, parts.port))\nget(url)"
    )
    assert by_browser(site, script)[2] == 0


def test_an_accounts_server_of_somebody_else_gets_nothing(site: Site) -> None:
    """Not the code, and not the client's secret: neither is sent anywhere."""
    answer = "?code=c&accounts-server=https%3A%2F%2Fevil.example&state="
    script = f"get(asked['redirect_uri'] + '{answer}' + asked['state'])"
    _, err, status = by_browser(site, script)
    assert (status, site.zoho.counters().count("token"), site.records()) == (1, 0, [])
    assert "unknown accounts server" in err


US, EU, LOCAL = "https://accounts.zoho.com", "https://accounts.zoho.eu", "http://127.0.0.1:8085"


@pytest.mark.parametrize(
    ("asked", "answer", "server"),
    [
        (US, {}, US),
        (US, {"location": "eu"}, EU),
        (US, {"location": "us", "accounts-server": EU}, EU),
        (US, {"accounts-server": "https://ACCOUNTS.zoho.eu/"}, EU),
        (f"{US}/oauth/v2/token", {"location": "eu", "accounts-server": EU}, EU),
        (f"{US}/oauth/v2/token", {}, US),
        (US, {"accounts-server": "https://accounts.zoho.eu.evil.example"}, None),
        (US, {"accounts-server": LOCAL}, None),
        (US, {"location": "mars"}, None),
        (LOCAL, {"location": "us"}, LOCAL),
        (LOCAL, {"location": "us", "accounts-server": LOCAL}, LOCAL),
        (f"{LOCAL}/oauth/v2/token", {"accounts-server": LOCAL}, f"{LOCAL}/oauth/v2/token"),
        (LOCAL, {"accounts-server": US}, None),
    ],
)
def test_where_the_code_is_exchanged(asked: str, answer: Mapping[str, str], server: str | None) -> None:
    """In the user's data centre, if it is one of Zoho's; with the local Zoho, only there."""
    if server is None:
        with pytest.raises(ConfigurationError, match="unknown accounts server"):
            server_of(asked, answer)
    else:
        assert server_of(asked, answer) == server


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:8400/callback",
        "http://portal.example/callback",
        "http://127.0.0.1.evil.example:8400/",
        "http://0.0.0.0:8400/",
        "http://user@127.0.0.1:8400/",
        "http://127.0.0.1:8400/callback?a=b",
        "http://127.0.0.1:99999/",
        "http://[::1/",
        "nonsense",
    ],
)
def test_a_redirect_url_leads_to_this_computer(url: str) -> None:
    """Everything else is refused before a browser is opened."""
    with pytest.raises(ConfigurationError, match="must lead to this computer"):
        place_of(url)


def test_a_port_in_use(site: Site) -> None:
    """It says which, and what to do; no browser is opened."""
    port = urlsplit(site.redirect_url).port
    with socket.create_server(("127.0.0.1", port or 0)):
        out, err, status = by_browser(site, "get(url)")
    assert (status, out, site.zoho.counters().count("auth")) == (1, "", 0)
    assert f"The port {port} of 127.0.0.1 cannot be used" in err


def test_ctrl_c_while_waiting(site: Site) -> None:
    """It ends at once with 130, and nothing is stored."""
    arguments = ["login", "--no-browser", "--redirect-url", site.redirect_url]
    with Terminal(arguments, env=site.env, cwd=site.folder) as terminal:
        terminal.see("Ctrl+C stops")
        terminal.type("\x03")
        text, status = terminal.end()
    assert (status, site.records()) == (130, [])
    assert "Traceback" not in text
    assert "Stopped." in text


def test_ctrl_c_during_the_exchange(site: Site) -> None:
    """What Zoho grants is stored before the command ends: no tokens are alive that nobody has."""
    site.zoho.fault("users", "slow", times=1, seconds=2)
    arguments = ["login", "--no-browser", "--redirect-url", site.redirect_url]
    with Terminal(arguments, env=site.env, cwd=site.folder) as terminal:
        text = terminal.see("Ctrl+C stops")
        urllib.request.urlopen(re.sub(r"\s", "", re.findall(r"http\S+/auth\S+", text)[0]), timeout=30).close()
        while not site.zoho.counters().exchanges:  # Zoho has granted it, and nothing is stored yet
            time.sleep(0.01)
        terminal.type("\x03")
        text, status = terminal.end()
    assert status == 130, text
    assert [record.user_name for record in site.records()] == [PATRICIA]


def test_a_login_that_cannot_be_kept_is_an_error(site: Site) -> None:
    """The database is deleted while Zoho answers: the command does not say that it succeeded, but why not."""
    site.zoho.fault("token:authorization_code", "slow", times=1, seconds=3)
    file = str(site.folder / "tokens.db")
    script = f"get(url)\nimport pathlib, time\ntime.sleep(1.5)\npathlib.Path({file!r}).unlink()"
    out, err, status = by_browser(site, script)
    assert (status, out) == (1, "")
    assert "deleted or replaced" in err


def test_on_another_device(site: Site) -> None:
    """Address and code are shown; the command waits until the user has accepted there."""
    site.zoho.reset()
    with Terminal(["login", "--device"], env=site.env, cwd=site.folder) as terminal:
        text, status = terminal.end()
    assert status == 0, text
    assert f"Go to {site.zoho.url}/oauth/v3/device" in text
    assert re.search(r"and enter \S+ within 5 min", text)
    assert [record.user_name for record in site.records()] == [PATRICIA]


@pytest.mark.parametrize("is_typed", [True, False])
def test_with_a_code(site: Site, is_typed: bool) -> None:
    """It is read from standard input, or from a terminal that does not show it."""
    code = site.zoho.mint_code()
    if is_typed:
        with Terminal(["login", "--code"], env=site.env, cwd=site.folder) as terminal:
            terminal.see("Code: ")
            terminal.type(f"{code}\n")
            text, status = terminal.end()
    else:
        out, err, status = site.run("login", "--code", text=f"{code}\n")
        text = out + err
    assert status == 0, text
    assert code not in text
    assert [record.user_name for record in site.records()] == [PATRICIA]


def test_the_same_user_again(site: Site) -> None:
    """The login is replaced under the same id."""
    ids = set()
    for _ in range(2):
        out, err, status = site.run("login", "--code", "--json", text=site.zoho.mint_code())
        assert status == 0, err
        ids.add(out)
    (record,) = site.records()
    assert all(f'"id": "{record.id}"' in line for line in ids)


def test_a_name_of_ones_own(site: Site) -> None:
    """`--user` is kept, and Zoho is not asked for one; without the scopes for that, it says what to do."""
    code = site.zoho.mint_code(scopes=["ZohoCRM.modules.ALL"])
    assert site.run("login", "--code", "--user", "robot", text=code).status == 0
    code = site.zoho.mint_code(scopes=["ZohoCRM.modules.ALL"])
    done = site.run("login", "--code", text=code)
    assert "With --user NAME" in done.err
    assert {record.user_name for record in site.records()} == {"robot", None}


def test_where_the_secret_comes_from(site: Site) -> None:
    """A variable, a file, or a prompt that does not show it; never from the command line."""
    secret = site.zoho.default_client.client_secret
    (site.folder / "secret").write_text(f"{secret}\n")
    site.env["PORTAL"] = secret
    del site.env["ZOHO_CLIENT_SECRET"]
    for place in ("env:PORTAL", f"file:{site.folder}/secret"):
        done = site.run("login", "--code", "--client-secret", place, text=site.zoho.mint_code())
        assert done.status == 0, done.err
    done = site.run("login", "--client-secret", secret)
    assert (done.status, secret in done.err) == (2, False)
    with Terminal(["login", "--code"], env=site.env, cwd=site.folder) as terminal:
        terminal.see("Client secret: ")
        terminal.type(f"{secret}\n")
        terminal.see("Code: ")
        terminal.type(f"{site.zoho.mint_code()}\n")
        text, status = terminal.end()
    assert (status, secret in text) == (0, False), text


@pytest.mark.parametrize(
    ("arguments", "missing", "said"),
    [
        (["--code"], "ZOHO_CLIENT_ID", "Client id is missing. Pass --client-id, or set ZOHO_CLIENT_ID."),
        (["--code"], "ZOHO_CLIENT_SECRET", "Client secret is missing."),
        (["--code"], "", "The code is missing."),
        (["--client-secret", "env:NOBODY"], "", "The environment variable NOBODY is not set."),
        (["--client-secret", "env:"], "", "env: is not followed by the name"),
        (["--client-secret", "file:nowhere"], "", "cannot be read from nowhere"),
        (["--accounts-url", "http://evil.example"], "", "The accounts URL cannot be used."),
        (["--redirect-url", "http://portal.example/"], "", "must lead to this computer"),
    ],
)
def test_what_is_missing_is_said(site: Site, arguments: list[str], missing: str, said: str) -> None:
    """In a sentence, with exit code 1, and without waiting for anybody."""
    site.env.pop(missing, None)
    done = site.run("login", *arguments)
    assert (done.status, done.out) == (1, "")
    assert said in done.err


@pytest.mark.parametrize(
    "arguments", [["--dc", "mars"], ["--dc", "eu", "--accounts-url", "x"], ["--code", "--device"]], ids=str
)
def test_wrong_usage(site: Site, arguments: list[str]) -> None:
    """Ends with 2."""
    assert site.run("login", *arguments).status == 2
