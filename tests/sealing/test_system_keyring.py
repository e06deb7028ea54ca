"""Keys in the operating system's keyring: a real Secret Service, open, closed, empty, and not there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.sealing.support import FOREIGN, NEW, OLD
from tests.support import servers
from tests.support.processes import ROOT

NO_SERVICE = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere/bus", "XDG_RUNTIME_DIR": "/nowhere"}


def run(environment: dict[str, str], *names: str) -> dict[str, Any]:
    """Run functions of `tests.sealing.system_keyring` in a process; return what they told, without keys."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.sealing.system_keyring", *names],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert not [key for key in (OLD, NEW, FOREIGN) if key.to_text()[5:15] in done.stdout + done.stderr]
    return told


@pytest.fixture(scope="module")
def service() -> Any:
    """The Secret Service that all tests share."""
    return servers.server("secretservice")


@pytest.fixture(scope="module")
def told(service: Any) -> dict[str, Any]:
    """What a process told that used the open keyring in many ways."""
    return run(service.environment, "come_back", "names", "picks_up", "no_keys", "command")


def test_keys_come_back(told: dict[str, Any]) -> None:
    """Several keys under a name, one under the default name; by each way to say where they are."""
    several, default = [NEW.id, OLD.id, "clear"], [OLD.id]
    assert told["come_back"] == [several, several, several, default, default]


def test_names_of_all_kinds_are_kept_apart(told: dict[str, Any]) -> None:
    """A service's name may hold anything that a text may; what is put there replaces what was there."""
    names, found, replaced = told["names"]
    assert found == names
    assert replaced == [NEW.id]


def test_a_running_process_picks_up_a_new_key(told: dict[str, Any]) -> None:
    """When it meets the key, and otherwise after a minute."""
    assert told["picks_up"] == [[OLD.id], [NEW.id, OLD.id], [FOREIGN.id, NEW.id]]


def test_what_is_not_there_or_no_key_is_told(told: dict[str, Any]) -> None:
    """A missing entry with the command that makes one; a wrong one without its text, and without a cause."""
    missing, *wrong = told["no_keys"]
    assert missing[0] == "ConfigurationError"
    assert "has no sealing keys under 'nobodys'" in missing[1]
    assert "zoho-tokens keys generate --keys keyring:nobodys" in missing[1]
    assert [(error[0], error[2]) for error in wrong] == [("ConfigurationError", "NoneType")] * 3


def test_the_command_makes_and_uses_keys(told: dict[str, Any]) -> None:
    """`zoho-tokens keys generate --keys keyring:…` twice, and a command that needs the keys."""
    first, second, status, ids = told["command"][0]
    assert len(ids) == 2
    assert first == [0, f"Key {ids[1]} was made, and is first in keyring:command.\n"]
    assert second == [0, f"Key {ids[0]} was made, and is first in keyring:command.\n"]
    assert status[0] == 0
    assert f"{ids[0]}  newest" in status[1]


def test_the_command_writes_where_keys_are_read(told: dict[str, Any]) -> None:
    """`keyring:` without a service is the default one for both; those that were there stay."""
    made, ids, named = told["command"][1]
    assert made == [0, f"Key {ids[0]} was made, and is first in keyring:zoho-tokenstore.\n"]
    assert ids[1:] == [OLD.id]
    assert named == ids


def test_a_locked_keyring_is_told_in_time(service: Any) -> None:
    """Nobody is there to unlock it: reading and writing end with what to do, and nothing hangs.

    A store that has its keys already goes on; a key that is missing then is a refusal.
    """
    with type(service)() as own:
        read, written, going_on, missing = run(own.environment, "locked")["locked"]
    assert read[0] == written[0] == "ConfigurationError"
    assert "cannot be read (KeyringLocked). Unlock it, or keep the keys in a file." in read[1]
    assert "cannot be written (KeyringLocked). Unlock it, or keep the keys in a file." in written[1]
    assert going_on == "1000.b"
    assert missing[0] == "SealingError"
    assert "cannot be read (KeyringLocked)" in missing[1]


def test_a_service_that_ends_stops_nobody(service: Any) -> None:
    """Whoever has the keys goes on. Others, on a bus without a keyring, get our error, not one of D-Bus."""
    with type(service)() as own:
        environment = {**own.environment, "KEYRING_PID": str(own.keyring_pid)}
        going_on, *errors = run(environment, "killed")["killed"]
    assert going_on is True
    for error in errors:
        assert error[0] == "ConfigurationError"
        assert "keep the keys in a file" in error[1]


def test_without_a_desktop_the_file_is_named() -> None:
    """On a server there is no bus to ask: reading and writing say so, and where else keys can be."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON_KEYRING_BACKEND"}
    for error in run({**environment, **NO_SERVICE}, "nothing_there")["nothing_there"]:
        assert error[0] == "ConfigurationError"
        assert "keep the keys in a file" in error[1]


def test_a_keyring_that_keeps_nothing_is_told() -> None:
    """Some backends of the package keyring take everything and keep nothing: the key would be lost.

    Where the package is not installed, the error names the extra.
    """
    environment = {**os.environ, "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
    told = run(environment, "nothing_there", "not_installed")
    read, written = told["nothing_there"]
    assert read[0] == written[0] == "ConfigurationError"
    assert "has no sealing keys" in read[1]
    assert "does not keep what is put into it" in written[1]
    for error in told["not_installed"]:
        assert error[0] == "MissingDependencyError"
        assert 'pip install "zoho-tokenstore[keyring]"' in error[1]
