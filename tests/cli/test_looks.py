"""`list`, `show` and `status`: on terminals of any width, through a pipe, as JSON, with anything stored."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import httpx2
import pytest

from tests.cli.conftest import IN_2100, Site
from tests.support.terminal import COMMAND
from zoho_tokenstore import Keyset
from zoho_tokenstore.cli._texts import masked
from zoho_tokenstore.cli._times import in_words, ms_of, rfc3339
from zoho_tokenstore.records import Row

pytestmark = pytest.mark.clear

STYLES = re.compile(r"\x1b\[[01]?m")
"""What the titles are made bold with; nothing else of the kind is ours."""

HOSTILE = {
    "colour": "\x1b[31mred",
    "title": "\x1b]0;owned\x07",
    "eight-bit": "\x9b31m",
    "return": "all is well\rbad",
    "line": "1\nno\tsecond row",
    "delete": "12\x7f",
    "right-to-left": "\u202etxt.exe",
    "invisible": "1\u200b2",
    "markup": "[bold red]x[/] :smile:",
    "wide": "学院" * 30,
    "long": "x" * 190,
    "quotes": "\"';--",
}


def hostile(number: int, text: str) -> Row:
    return Row(
        id=text,
        user_name=f"{text}@zylker.example:{number}",
        client_id=text,
        client_secret="s" * 42,
        refresh_token=f"1000.{text}",
        access_token=f"1000.{number}.{text}",
        expiry_time=str(IN_2100),
        redirect_url=text,
        api_domain=text,
    )


@pytest.fixture
def strange(site: Site) -> Site:
    site.put(*(hostile(number, text) for number, text in enumerate(HOSTILE.values())))
    return site


def is_harmless(text: str) -> bool:
    """Return whether a terminal obeys nothing in a text but the ends of lines and our bold titles."""
    return all(line.isprintable() for line in STYLES.sub("", text).split("\n"))


def cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(STYLES.sub("", text).rstrip())


@pytest.mark.parametrize(
    "variables", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}, {"PYTHONIOENCODING": "ascii"}], ids=str
)
@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("command", ["list", "status"])
def test_a_table_fits_its_terminal(
    strange: Site, command: str, columns: int, variables: dict[str, str]
) -> None:
    """No line is wider, no column vanishes, nothing in a value is obeyed, and ids can be read in full."""
    text, status = strange.show(command, columns=columns, **variables)
    assert status == 0, text
    assert is_harmless(text)
    if "PYTHONIOENCODING" in variables:
        assert text.isascii()
    width = 80 if variables.get("TERM") == "dumb" else columns
    assert [line for line in text.splitlines() if cells(line) > width] == []
    titles = STYLES.sub("", text).splitlines()[0].split()
    assert (titles[:2], "EXPIRES" in titles or columns == 40) == (["ID", "USER"], True)
    assert STYLES.sub("", text).count("x") >= 190


def test_without_colours(strange: Site) -> None:
    """`NO_COLOR` and a dumb terminal get no escape at all; others get bold titles and no colours."""
    assert "\x1b" not in strange.show("list", NO_COLOR="1").text
    assert "\x1b" not in strange.show("list", TERM="dumb").text
    assert set(re.findall(r"\x1b\[[^m]*m", strange.show("list").text)) == {"\x1b[1m", "\x1b[0m"}


def test_an_ordinary_table(site: Site) -> None:
    """All is on one line, in words, and sorted by id."""
    first, second = site.log_in(0), site.log_in(1)
    lines = site.show("list", columns=200, NO_COLOR="1").text.splitlines()
    assert lines[0].split() == ["ID", "USER", "CLIENT", "API", "DOMAIN", "EXPIRES"]
    assert [line.split()[0] for line in lines[1:]] == sorted([first, second])
    assert all(re.search(r" in [\d,]+ days *$", line) for line in lines[1:])


def test_through_a_pipe(strange: Site) -> None:
    """A line for each login, with whole values between tabs; nothing is obeyed by whoever looks at it."""
    out, err, status = strange.run("list")
    assert (status, err) == (0, "")
    rows = [line.split("\t") for line in out.splitlines()]
    assert len(rows) == len(HOSTILE)
    assert {len(row) for row in rows} == {5}
    assert all(cell.isprintable() for row in rows for cell in row)
    assert {row[4] for row in rows} == {"2100-01-01T00:00:00.000Z"}
    assert "x" * 190 in [row[0] for row in rows]


@pytest.mark.parametrize("command", [["list"], ["status"], ["show"]], ids=lambda words: words[0])
def test_json(strange: Site, command: list[str]) -> None:
    """One object a line in printable ASCII, that gives every value back as it is stored."""
    names = list(HOSTILE.values())
    runs = [["show", "--", name] for name in names] if command == ["show"] else [command]
    lines = []
    for words in runs:
        out, err, status = strange.run(words[0], "--json", *words[1:])
        assert (status, err) == (0, "")
        lines += out.splitlines()
    assert all(line.isascii() and line.isprintable() for line in lines)
    assert sorted(json.loads(line)["id"] for line in lines) == sorted(names)
    assert [line for line in lines if "s" * 42 in line or "1000.0" in line] == []


def test_the_fields_of_json(site: Site) -> None:
    """Those that the documentation lists; times are in RFC 3339, what is missing is null."""
    token_id = site.save(user_name="robot", refresh_token=None, api_domain=None)
    shown = json.loads(site.run("show", "--json", token_id).out)
    listed = json.loads(site.run("list", "--json").out)
    assert list(listed) == [
        *("id", "user_name", "client_id", "api_domain", "redirect_url", "expires_at"),
        *("created_at", "updated_at", "last_used_at", "identified_at"),
    ]
    assert (listed["expires_at"], listed["api_domain"]) == ("2100-01-01T00:00:00.000Z", None)
    assert shown.items() >= listed.items()
    assert shown["secrets"]["access_token"] == "…cdef"
    assert shown["secrets"]["refresh_token"] is None
    assert shown["status"] == json.loads(site.run("status", "--json", token_id).out)


def test_show_on_a_terminal(strange: Site) -> None:
    """Every field, in order; secrets are masked, and nothing is obeyed."""
    for text in HOSTILE.values():
        shown, status = strange.show("show", "--", text)
        assert status == 0, shown
        assert is_harmless(shown)
        assert "client_secret  …ssss" in shown
        assert "s" * 5 not in shown
        assert f"1000.{text}" not in shown


def test_filters_and_a_limit(site: Site) -> None:
    """By name, e-mail address or client, exactly; nothing found is said, and is no failure."""
    first, second = site.log_in(0), site.log_in(1)
    other = site.save(user_name="patricia@zylker.example.org:1", client_id="another", refresh_token="r")

    def ids(*options: str) -> set[str]:
        return {line.partition("\t")[0] for line in site.run("list", *options).out.splitlines()}

    assert ids("--user", "patricia@zylker.example") == {first}
    assert ids("--user", "rajesh@zylker.example:20000000001") == {second}
    assert ids("--client", "another") == {other}
    assert ids("--user", "patricia@zylker.example", "--client", "another") == set()
    assert len(ids("--limit", "2")) == 2
    site.save(user_name="patricia:7", refresh_token="s")  # an application's own name begins with no address
    nothing = site.run("list", "--user", "patricia")
    assert (nothing.out, nothing.status) == ("", 0)
    assert "No login was found." in nothing.err


def test_a_pipe_that_is_closed(site: Site) -> None:
    """`zoho-tokens list | head -1` shows one line, and no traceback."""
    site.put(*(hostile(number, f"{number}-{'x' * 150}") for number in range(2000)))
    done = subprocess.run(
        ["bash", "-c", f"{' '.join(COMMAND)} list | head -1"],
        env=site.env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_long_list_takes_little_memory(site: Site) -> None:
    """It is printed while it is read: twenty thousand more logins cost next to nothing."""
    code = (  # not ru_maxrss, which a process has from its parent
        "import sys\nfrom zoho_tokenstore.cli._app import app\nsys.argv[1:] = ['list', '--json']\n"
        "try:\n    app()\nfinally:\n    state = open('/proc/self/status').read()\n"
        "    print(state.partition('VmHWM:')[2].split()[0], file=sys.stderr)"
    )

    def kilobytes() -> int:
        done = subprocess.run(
            [COMMAND[0], "-c", code], env=site.env, capture_output=True, text=True, timeout=100, check=True
        )
        assert len(done.stdout.splitlines()) == len(site.records())
        return int(done.stderr)

    site.put(hostile(0, "first"))
    before = kilobytes()
    site.put(*(hostile(number, f"{number}-{'x' * 100}") for number in range(20_000)))
    assert kilobytes() - before < 8_000


@pytest.mark.parametrize("command", ["list", "status", "export"])
def test_rows_that_cannot_be_read(site: Site, command: str) -> None:
    """They are named, the others are shown, and the command ends with 1."""
    keys = Keyset.generate().to_text()
    site.put(hostile(0, "1"), hostile(1, "2\x1b[1m"))
    assert site.run("keys", "seal", ZOHO_TOKENSTORE_KEYS=keys).status == 0
    site.put(hostile(2, "3"))  # by somebody without keys
    arguments = ["export", "--unsealed", "-"] if command == "export" else [command, "--json"]
    out, err, status = site.run(*arguments, ZOHO_TOKENSTORE_KEYS=keys)
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["1", "2\x1b[1m"]
    assert (status, is_harmless(err)) == (1, True)
    assert "1 row cannot be read: 3\n" in err


def test_a_status_that_needs_a_login(site: Site) -> None:
    """The exit code is 3, and the line says what Zoho said; the others are shown as well."""
    good, bad = site.log_in(0), site.log_in(1)
    assert site.run("status").status == 0
    (token,) = [record.refresh_token for record in site.records() if record.id == bad]
    assert token is not None

    httpx2.post(f"{site.zoho.url}/oauth/v2/token/revoke", data={"token": token})
    assert site.run("refresh", bad).status == 3
    out, _, status = site.run("status")
    assert status == 3
    lines = {line.split("\t")[0]: line.split("\t")[2:] for line in out.splitlines()}
    assert lines[good][0] == "active"
    assert lines[bad][0] == "login_needed"
    assert lines[bad][2] == "log in again (invalid_code)"
    assert site.run("status", good).status == 0


def test_a_status_of_somebody_missing(site: Site) -> None:
    """Is reported, and the exit code is 1; the others are shown."""
    good = site.log_in()
    out, err, status = site.run("status", "nobody", good)
    assert (status, out.startswith(f"{good}\t")) == (1, True)
    assert err.startswith("nobody: There is no token with the id 'nobody'.")


@pytest.mark.parametrize(
    "command", ["list", "status", "show 1", "refresh 1", "delete 1 --yes", "export - --unsealed"]
)
def test_a_store_that_is_not_there(site: Site, command: str) -> None:
    """It is not created: an empty list would say that a mistyped store has no logins."""
    done = site.run(*command.split())
    assert (done.status, done.out) == (1, "")
    assert "There is no store" in done.err
    assert list(site.folder.iterdir()) == []


@pytest.mark.parametrize("url", ["", "memory://", "list://"])
def test_a_store_that_cannot_be_meant(site: Site, url: str) -> None:
    """None, and those that exist in one process only."""
    done = site.run("list", ZOHO_TOKENSTORE_URL=url)
    assert done.status == 1
    assert ("There is no store URL" if not url else "exists only in its own process") in done.err


def test_a_url_in_a_variable_of_ones_own(site: Site) -> None:
    """A password need not stand on the command line."""
    token_id = site.log_in()
    done = site.run("list", "-s", "env:PORTAL", ZOHO_TOKENSTORE_URL="", PORTAL=site.url)
    assert done.out.startswith(token_id)


@pytest.mark.parametrize(
    ("secret", "shown"), [(None, None), ("short", "…"), ("x" * 31, "…"), ("x" * 28 + "abcd", "…abcd")]
)
def test_what_is_shown_of_a_secret(secret: str | None, shown: str | None) -> None:
    """Its last four characters, and none of a short one."""
    assert masked(secret) == shown


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (None, "-"),
        (0, "0 s ago"),
        (400, "in 0 s"),
        (59_000, "in 59 s"),
        (-60_000, "1 min ago"),
        (3_599_000, "in 60 min"),
        (3 * 3_600_000, "in 3 h"),
        (86_400_000, "in 1 day"),
        (-10 * 86_400_000, "10 days ago"),
    ],
)
def test_times_in_words(ms: int | None, words: str) -> None:
    """In the largest unit that it fills, rounded."""
    now = 1_800_000_000_000
    assert in_words(None if ms is None else now + ms, now) == words


@pytest.mark.parametrize("ms", [0, 1, 999, 1_700_000_000_123, 4_102_444_800_000, -1])
def test_times_for_programs(ms: int) -> None:
    """RFC 3339 in UTC, to the millisecond, and back."""
    text = rfc3339(ms) or ""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert ms_of(text) == ms


def test_times_that_no_date_has() -> None:
    """A number out of range in a row does not end a command."""
    assert rfc3339(10**18) is None
    assert rfc3339(-(10**18)) is None
