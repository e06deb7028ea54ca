"""A Secret Service, where a Linux desktop keeps passwords: GNOME Keyring on a message bus of its own.

It has nothing to do with the bus and the keyring of whoever runs the tests: other folders, another
address, and nothing is started by asking for it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from typing import Final

from tests.support.servers import Unavailable
from tests.support.servers._process import PATIENCE, ServerProcess, folder_for

_PROGRAMS: Final = ("dbus-daemon", "gnome-keyring-daemon")
_NAME: Final = "org.freedesktop.secrets"

_CONFIG: Final = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


class SecretService:
    """A message bus, and on it a keyring that is open.

    `environment` is what a process needs to use it, and nothing else of the bus that there may be.
    """

    def __init__(self) -> None:
        missing = [name for name in _PROGRAMS if shutil.which(name) is None]
        if missing:
            raise Unavailable(f"{' and '.join(missing)} not on the PATH (Debian: dbus-daemon gnome-keyring)")
        user = pwd.getpwuid(os.geteuid()).pw_name
        self._folder = folder_for(user)
        self.url = f"unix:path={self._folder / 'bus'}"
        self.environment = self._environment()
        (self._folder / "bus.conf").write_text(_CONFIG.format(socket=self._folder / "bus"))
        self._bus = ServerProcess(
            ["dbus-daemon", f"--config-file={self._folder / 'bus.conf'}", "--nofork", "--nopidfile"],
            user=user,
            folder=self._folder,
            stop="TERM",
        )
        self._keyring: subprocess.Popen[bytes] | None = None
        self._bus.start((self._folder / "bus").exists)
        self._open_keyring()
        self.about = f"{_version()} on a message bus of its own"

    def __enter__(self) -> SecretService:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def keyring_pid(self) -> int:
        """The process that holds the keyring."""
        assert self._keyring
        return self._keyring.pid

    def stop(self) -> None:
        """End both, and remove their folder. The keyring ends with its bus, should we not get here."""
        keyring, self._keyring = self._keyring, None
        if keyring is not None:
            keyring.send_signal(signal.SIGTERM)
            keyring.wait(PATIENCE)
        self._bus.stop()

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "PYTHONPATH")}
        folders = {
            "HOME": self._folder,
            "XDG_RUNTIME_DIR": self._folder / "run",
            "XDG_DATA_HOME": self._folder / "data",
            "XDG_CONFIG_HOME": self._folder / "config",
            "XDG_CACHE_HOME": self._folder / "cache",
        }
        for folder in folders.values():
            folder.mkdir(mode=0o700, exist_ok=True)
        return {**kept, **{name: str(folder) for name, folder in folders.items()},
                "DBUS_SESSION_BUS_ADDRESS": self.url}  # fmt: skip

    def _open_keyring(self) -> None:
        """Start it with its password, which opens it and which it reads to the end of its input."""
        with (self._folder / "keyring.log").open("wb") as log:
            self._keyring = keyring = subprocess.Popen(
                ["gnome-keyring-daemon", "--foreground", "--components=secrets", "--unlock"],
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
            )
        assert keyring.stdin
        keyring.stdin.write(b"the keyring's password\n")
        keyring.stdin.close()
        deadline = time.monotonic() + PATIENCE
        while not self._is_there():
            if keyring.poll() is not None or time.monotonic() > deadline:
                told = (self._folder / "keyring.log").read_text()
                self.stop()
                raise AssertionError(f"the keyring does not start:\n{told}")
            time.sleep(0.02)

    def _is_there(self) -> bool:
        from jeepney import DBusAddress, new_method_call  # type: ignore[import-untyped]
        from jeepney.io.blocking import open_dbus_connection  # type: ignore[import-untyped]

        bus = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")
        with open_dbus_connection(bus=self.url) as connection:
            answer = connection.send_and_get_reply(new_method_call(bus, "NameHasOwner", "s", (_NAME,)))
        owned: bool = answer.body[0]
        return owned


def start() -> SecretService:
    """Return the one that all tests share."""
    return SecretService()


def _version() -> str:
    told = subprocess.run(
        ["gnome-keyring-daemon", "--version"], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return told.stdout.splitlines()[0].replace("gnome-keyring-daemon:", "GNOME Keyring")
