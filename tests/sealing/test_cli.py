"""`zoho-tokens keys`: what it does, what it shows, and what it never shows."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.sealing.stores import bytes_on_disk, fill, refresh_token, row_of, token_id
from tests.support import processes
from zoho_tokenstore import Keyset, TokenRepository
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.cli import _key_places as key_places
from zoho_tokenstore.cli._app import app
from zoho_tokenstore.sealing import _sources as sources

KEY = re.compile(r"ztk1_[\w-]{43}")


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ZOHO_TOKENSTORE_KEYS", raising=False)
    monkeypatch.delenv("ZOHO_TOKENSTORE_URL", raising=False)
    monkeypatch.chdir(tmp_path)


class MemoryKeyring:
    """In the place of the package keyring: what it does with services and passwords."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, user: str) -> str | None:
        return self.kept.get((service, user))

    def set_password(self, service: str, user: str, text: str) -> None:
        self.kept[service, user] = text


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> MemoryKeyring:
    """Takes the place of the operating system's."""
    keyring = MemoryKeyring()
    monkeypatch.setattr(sources, "_keyring", lambda: keyring)
    return keyring


def keys(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments], env={"COLUMNS": "200", "TERM": "dumb"})


def succeeded(*arguments: str) -> str:
    done = keys(*arguments)
    assert done.exit_code == 0, done.output
    assert not KEY.search(done.output)
    assert "1000." not in done.output
    return done.output


def files(folder: Path) -> list[str]:
    """Return the names in a folder, but for lock files, which stay."""
    return [path.name for path in folder.iterdir() if path.suffix != ".lock"]


def failed(*arguments: str, status: int = 1) -> str:
    done = keys(*arguments)
    assert done.exit_code == status, done.output
    assert "Traceback" not in done.output
    return " ".join(done.output.replace("│", " ").split())


@pytest.mark.parametrize("command", ["status", "seal", "rotate"])
@pytest.mark.parametrize("url", ["sqlite:///no.db", "csv:///no.csv"])
def test_a_store_that_is_not_there_is_not_made(command: str, url: str, tmp_path: Path) -> None:
    """Else "0 rows" would say that a mistyped store is sealed."""
    succeeded("generate", "--keys", "file:k")
    assert "There is no store" in failed(command, "--store", url, "--keys", "file:k")
    assert files(tmp_path) == ["k"]


@pytest.mark.parametrize("command", [["generate", "--keys", "file:k"], ["status"], ["seal"], ["rotate"]])
def test_without_cryptography_it_says_what_to_install(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a sentence, like every other error."""
    for name in ("_keys", "_keyset", "_resealing"):
        monkeypatch.delitem(sys.modules, f"zoho_tokenstore.sealing.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    assert "zoho-tokenstore[sealing]" in failed(*command)


def test_generate_makes_a_file_that_is_the_owners_alone(tmp_path: Path) -> None:
    """Mode 0600 under any umask; the output names the key's id, and shows no key."""
    told = succeeded("generate", "--keys", "file:portal.keys")
    file = tmp_path / "portal.keys"
    assert file.stat().st_mode & 0o777 == 0o600
    assert Keyset.from_file(file).ids[0] in told
    assert files(tmp_path) == ["portal.keys"]


def test_generate_puts_a_new_key_first_or_last(tmp_path: Path) -> None:
    """The others stay, remarks too; `--standby` puts the new one last."""
    file = tmp_path / "portal.keys"
    succeeded("generate", "--keys", "file:portal.keys")
    file.write_text("# of the portal\n" + file.read_text())
    (first,) = Keyset.from_file(file).ids
    succeeded("generate", "--keys", "file:portal.keys")
    second = Keyset.from_file(file).ids[0]
    succeeded("generate", "--keys", "file:portal.keys", "--standby")
    assert Keyset.from_file(file).ids[:2] == (second, first)
    assert "# of the portal\n" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_generate_shows_a_key_only_when_told_to() -> None:
    """`--reveal` prints a key that is kept nowhere; without a place and without it there is none made."""
    done = keys("generate", "--reveal")
    assert done.exit_code == 0
    assert KEY.fullmatch(done.output.strip())
    assert Keyset.from_text(done.output).ids
    assert "--reveal" in failed("generate")
    assert "--reveal" in failed("generate", "--reveal", "--keys", "file:portal.keys")


@pytest.mark.parametrize("mode", [0o644, 0o660])
def test_generate_does_not_touch_a_file_that_others_can_read(tmp_path: Path, mode: int) -> None:
    """It refuses, and leaves the file as it was."""
    file = tmp_path / "portal.keys"
    text = Keyset.generate().to_text()
    file.write_text(text)
    file.chmod(mode)
    assert "chmod 600" in failed("generate", "--keys", "file:portal.keys")
    assert file.read_text() == text


def test_generate_does_not_replace_what_it_cannot_read(tmp_path: Path) -> None:
    """A file that holds something else is refused, not shown, and left as it was."""
    file = tmp_path / "portal.keys"
    file.write_text("something precious")
    file.chmod(0o600)
    assert "precious" not in failed("generate", "--keys", "file:portal.keys")
    assert file.read_text() == "something precious"


@pytest.mark.parametrize("standby", [[], ["--standby"]])
@pytest.mark.parametrize(
    "content", ["{key}", "{key} # remark", "\ufeff{key}\r\n", "\ufeff# Schlüssel\n{key}"]
)
def test_generate_adds_to_texts_of_all_editors(tmp_path: Path, content: str, standby: list[str]) -> None:
    """With a byte order mark or without, and without an end to the last line: what is read is added to."""
    old, file = Keyset.generate(), tmp_path / "portal.keys"
    file.write_bytes(content.format(key=old.to_text().strip()).encode())
    file.chmod(0o600)
    succeeded("generate", "--keys", "file:portal.keys", *standby)
    ids = Keyset.from_file(file).ids
    assert len(ids) == 2
    assert ids[0 if standby else 1] == old.ids[0]
    assert "\ufeff" not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("standby", [[], ["--standby"]])
def test_generate_adds_to_a_keyring_without_a_last_line_end(
    keyring: MemoryKeyring, standby: list[str]
) -> None:
    """Desktop programs that keep such a text cut the end off, as `echo -n` does."""
    old = Keyset.generate()
    keyring.set_password("portal", sources.KEYRING_USER, old.to_text().strip())
    succeeded("generate", "--keys", "keyring:portal", *standby)
    ids = Keyset.from_keyring("portal").ids
    assert len(ids) == 2
    assert ids[0 if standby else 1] == old.ids[0]


@pytest.mark.parametrize("place", ["keyring:", "keyring: "])
def test_generate_writes_where_keys_are_read(keyring: MemoryKeyring, place: str) -> None:
    """Without a service it is the default one, which the output names."""
    told = succeeded("generate", "--keys", place)
    assert [service for service, _ in keyring.kept] == ["zoho-tokenstore"]
    assert "first in keyring:zoho-tokenstore." in told
    assert Keyset.named(place).ids == Keyset.from_keyring().ids
    SQLiteBackend("tokens.db").close()
    succeeded("status", "--store", "sqlite:///tokens.db", "--keys", place)


@pytest.mark.parametrize("call", ["os.fsync", "os.replace"])
def test_a_killed_run_leaves_its_key_no_longer_than_to_the_next(tmp_path: Path, call: str) -> None:
    """The file is as it was; the copy beside it, which had keys in it, is gone after the next run."""
    succeeded("generate", "--keys", "file:portal.keys")
    file = tmp_path / "portal.keys"
    before = file.read_text()
    code = (
        "import os, pathlib, signal\nfrom zoho_tokenstore.cli._app import app\n"
        "def die(*_):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"{call} = die\n"
        "app(['keys', 'generate', '--keys', 'file:portal.keys'])\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert file.read_text() == before
    (left,) = tmp_path.glob(".*.new")
    assert left.stat().st_mode & 0o777 == 0o600
    assert KEY.search(left.read_text())
    succeeded("generate", "--keys", "file:portal.keys")
    assert files(tmp_path) == ["portal.keys"]
    assert len(Keyset.from_file(file).ids) == 2
    assert file.read_text().endswith(before)


@pytest.mark.parametrize("exists", [False, True])
def test_no_run_at_the_same_moment_loses_a_key(tmp_path: Path, exists: bool) -> None:
    """They wait for one another: each ends well, and its key is in the file."""
    file = tmp_path / "portal.keys"
    if exists:
        succeeded("generate", "--keys", "file:portal.keys")
    before = len(Keyset.from_file(file).ids) if exists else 0
    told = processes.together(5, "tests.sealing.key_maker", file)
    assert [status for made in told for status, _ in made] == [0] * 15
    ids = Keyset.from_file(file).ids
    assert len(ids) == before + 15
    assert {output.split()[1] for made in told for _, output in made} <= set(ids)
    assert files(tmp_path) == ["portal.keys"]


@pytest.mark.parametrize("place", ["file:portal.keys", "keyring:portal"])
def test_a_run_that_others_keep_waiting_says_so(
    keyring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch, place: str, tmp_path: Path
) -> None:
    """It changes nothing, and waits no longer than it has patience."""
    monkeypatch.setattr(key_places, "_LOCK_TIMEOUT", 0.1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    where = sources.parse_location(place)
    assert where is not None
    with key_places._alone(where):
        assert "Somebody else is changing the keys" in failed("generate", "--keys", place)
    assert not keyring.kept
    assert not files(tmp_path)
    succeeded("generate", "--keys", place)


def test_a_folder_that_is_missing_is_named() -> None:
    """With the reason, in a sentence."""
    told = failed("generate", "--keys", "file:missing/portal.keys")
    assert "The keys in file:missing/portal.keys cannot be written: No such file or directory." in told


def test_a_key_on_the_command_line_is_refused_and_not_shown() -> None:
    """Everybody can read a command line; the message does not repeat it."""
    key = Keyset.generate().to_text().strip()
    told = failed("status", "--store", "sqlite:///tokens.db", "--keys", key, status=2)
    assert "do not belong there" in told
    assert key not in told


def test_status_tells_what_a_store_is_sealed_with(tmp_path: Path) -> None:
    """Rows by key; clear rows and those under a missing key make it end with 1."""
    fill(tmp_path / "tokens.db", 7, None)
    succeeded("generate", "--keys", "file:one.keys")
    succeeded("generate", "--keys", "file:two.keys")
    assert re.search(r"clear +7 rows", succeeded("status", "--store", "sqlite:///tokens.db"))
    told = failed("status", "--store", "sqlite:///tokens.db", "--keys", "file:one.keys")
    assert re.search(r"clear NOT in the ring 7 rows", told)
    succeeded("seal", "--store", "sqlite:///tokens.db", "--keys", "file:one.keys")
    told = succeeded("status", "--store", "sqlite:///tokens.db", "--keys", "file:one.keys", "--verify")
    assert re.search(r"newest +7 rows", told)
    assert "NOT in the ring 7 rows" in failed(
        "status", "--store", "sqlite:///tokens.db", "--keys", "file:two.keys"
    )
    assert "Opening rows needs keys" in failed("status", "--store", "sqlite:///tokens.db", "--verify")


def test_status_lists_rows_that_do_not_open(tmp_path: Path) -> None:
    """With `--verify`, which opens all of them; it ends with 1."""
    fill(tmp_path / "tokens.db", 3, None)
    succeeded("generate", "--keys", "file:k")
    succeeded("seal", "--store", "sqlite:///tokens.db", "--keys", "file:k")
    backend = SQLiteBackend(tmp_path / "tokens.db")
    one, two = backend.load(token_id(1)), backend.load(token_id(2))
    assert one is not None
    assert two is not None
    backend.write(one._replace(client_secret=two.client_secret), expect=one.etag)
    backend.close()
    told = failed("status", "--store", "sqlite:///tokens.db", "--keys", "file:k", "--verify")
    assert f"These rows do not open: {token_id(1)}" in told


def test_seal_and_rotate_leave_a_store_that_the_new_key_alone_opens(tmp_path: Path) -> None:
    """In place; the keys and the URL may come from the environment as well."""
    fill(tmp_path / "tokens.db", 20, None)
    succeeded("generate", "--keys", "file:k")
    assert "20 resealed" in succeeded("seal", "--store", "sqlite:///tokens.db", "--keys", "file:k")
    succeeded("generate", "--keys", "file:k")
    newest, old = (tmp_path / "k").read_text().splitlines()
    done = CliRunner().invoke(
        app,
        ["keys", "rotate"],
        env={"ZOHO_TOKENSTORE_URL": "sqlite:///tokens.db", "ZOHO_TOKENSTORE_KEYS": f"{newest},{old}"},
    )
    assert done.exit_code == 0, done.output
    assert "20 resealed" in done.output
    with TokenRepository(SQLiteBackend(tmp_path / "tokens.db"), keys=newest) as tokens:
        assert [token.refresh_token for token in tokens.scan()] == [
            row_of(number).refresh_token for number in range(20)
        ]
    assert f"zts1.{Keyset.from_text(old).ids[0]}".encode() not in bytes_on_disk(tmp_path)


def test_the_url_may_be_in_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One with a password need not stand on the command line, as for `zoho-tokens copy`."""
    fill(tmp_path / "tokens.db", 3, None)
    succeeded("generate", "--keys", "file:k")
    monkeypatch.setenv("PORTAL", "sqlite:///tokens.db")
    assert "3 resealed" in succeeded("seal", "--store", "env:PORTAL", "--keys", "file:k")
    assert "3 rows" in succeeded("rotate", "--store", "env:PORTAL", "--keys", "file:k")
    assert "3 rows" in succeeded("status", "--store", "env:PORTAL", "--keys", "file:k")
    for command in ("seal", "rotate", "status"):
        assert "variable NONE is not set" in failed(command, "--store", "env:NONE", "--keys", "file:k")


@pytest.mark.clear
def test_rotate_goes_on_after_rows_that_do_not_open(tmp_path: Path) -> None:
    """Clear rows are none of a rotation's business: they are listed, and it ends with 1."""
    fill(tmp_path / "tokens.db", 3, None)
    succeeded("generate", "--keys", "file:k")
    told = failed("rotate", "--store", "sqlite:///tokens.db", "--keys", "file:k")
    assert "These rows do not open, and were left as they are" in told
    assert token_id(2) in told
    assert refresh_token(1) in bytes_on_disk(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["seal", "--store", "sqlite:///tokens.db"], "ZOHO_TOKENSTORE_KEYS is not set"),
        (["seal", "--store", "sqlite:///tokens.db", "--keys", "file:missing"], "cannot be read"),
        (["rotate", "--keys", "file:k"], "There is no store URL"),
        (["rotate", "--store", "oracle://x", "--keys", "file:k"], "No store is known by the scheme 'oracle'"),
        (["status", "--store", "sqlite:///nowhere/tokens.db"], "does not exist"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(arguments: list[str], said: str) -> None:
    """Without a traceback, and with status 1."""
    succeeded("generate", "--keys", "file:k")
    assert said in failed(*arguments)


def test_the_key_commands_load_neither_sdk_nor_drivers_of_others() -> None:
    """They answer before an SDK would have been imported."""
    code = (
        "import sys\nfrom zoho_tokenstore.cli._app import app\n"
        "try:\n    app(['keys', 'generate', '--reveal'])\nexcept SystemExit:\n    pass\n"
        "loaded = {'zohocrmsdk', 'sqlalchemy', 'redis', 'boto3', 'starlette'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)
