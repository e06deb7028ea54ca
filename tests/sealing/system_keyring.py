"""What a process does with keys in the operating system's keyring; run by test_system_keyring.

Arguments: the names of functions here. Prints what each of them returns, by its name, as JSON.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.sealing import support
from zoho_tokenstore import Keyset, TokenRecord, TokenRepository, TokenStoreError
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.registry import open_backend
from zoho_tokenstore.sealing import SealingKey
from zoho_tokenstore.sealing import _sources as sources

OLD, NEW, FOREIGN = (key.to_text() for key in (support.OLD, support.NEW, support.FOREIGN))
LONGEST = 20.0  # seconds for one call; only a failing test takes so long
put = sources.put_into_system_keyring


def tried(work: Callable[[], object]) -> list[str]:
    """What goes wrong: the error, what it says, and its cause."""
    began = time.monotonic()
    try:
        return ["nothing went wrong", repr(work())]
    except TokenStoreError as error:
        return [type(error).__name__, str(error), type(error.__cause__).__name__]
    finally:
        assert time.monotonic() - began < LONGEST


def of(access_token: str, **fields: Any) -> TokenRecord:
    return TokenRecord(user_name="alice", access_token=access_token, **fields)


def at_once(service: str) -> Keyset:
    """A ring that takes nothing as current."""
    return Keyset(source=sources.Fetched(sources.from_system_keyring(service), timedelta(0)))


def come_back() -> Any:
    put("portal", f"{NEW}\n{OLD}\n# remark\nclear\n")
    put(sources.DEFAULT_SERVICE, OLD)
    os.environ[sources.VARIABLE] = "keyring:portal"
    backend = ListBackend()
    saved = TokenRepository(backend).save(of("1000.a"))
    assert TokenRepository(backend, keys=NEW).get(saved.id or "") == saved
    rings = [
        Keyset.from_keyring("portal"),
        Keyset.of("keyring:portal"),
        Keyset.from_environment(),
        Keyset.from_keyring(),
        Keyset.named("keyring:"),
    ]
    del os.environ[sources.VARIABLE]
    return [ring.ids for ring in rings]


def names() -> Any:
    texts = ["portal:8080", "a b", "é", "e\u0301", "Portal2", "portal2", "x" * 300, "'\"", "a/b"]
    made = {name: SealingKey.generate() for name in texts}
    for name, key in made.items():
        put(name, key.to_text())
    found = [name for name, key in made.items() if Keyset.named(f"keyring:{name}").ids == (key.id,)]
    put("a b", NEW)
    return [list(made), found, Keyset.from_keyring("a b").ids]


def picks_up() -> Any:
    class Time:
        now = 1000.0

        def monotonic(self) -> float:
            return self.now

    clock = Time()
    setattr(sources, "time", clock)  # noqa: B010
    try:
        put("running", OLD)
        ring, backend = Keyset.from_keyring("running"), ListBackend()
        saved = TokenRepository(backend, keys=f"{NEW},{OLD}").save(of("1000.a"))
        put("running", f"{NEW} {OLD}")
        seen = [ring.ids]
        clock.now += 1
        assert TokenRepository(backend, keys=ring).get(saved.id or "") == saved
        seen.append(ring.ids)
        put("running", f"{FOREIGN} {NEW}")
        clock.now += 59
        assert not ring.reload()
        clock.now += 1
        assert ring.reload()
        return [*seen, ring.ids]
    finally:
        setattr(sources, "time", time)  # noqa: B010


def no_keys() -> Any:
    found = [tried(lambda: Keyset.from_keyring("nobodys"))]
    for text in (OLD[:-1], "clear", " "):
        put("wrong", text)
        found.append(tried(lambda: Keyset.from_keyring("wrong")))
    return found


def command() -> Any:
    from typer.testing import CliRunner

    from zoho_tokenstore.cli._app import app

    def keys(*arguments: str, place: str = "keyring:command") -> list[Any]:
        done = CliRunner().invoke(app, ["keys", *arguments, "--keys", place])
        return [done.exit_code, done.output]

    made = [keys("generate"), keys("generate")]
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/tokens.db"
        open_backend(url).close()
        status = keys("status", "--store", url)
    return [
        [*made, status, Keyset.from_keyring("command").ids],
        [keys("generate", place="keyring:"), Keyset.from_keyring().ids, Keyset.named("keyring:").ids],
    ]


def locked() -> Any:
    import secretstorage

    logging.disable()
    put("portal", OLD)
    backend = ListBackend()
    tokens = TokenRepository(backend, keys=at_once("portal"))
    saved = tokens.save(of("1000.a"))
    secretstorage.get_default_collection(secretstorage.dbus_init()).lock()
    going_on = tokens.save(of("1000.b")).access_token
    TokenRepository(backend, keys=f"{NEW} {OLD}").save(of("1000.c"))
    return [
        tried(lambda: Keyset.from_keyring("portal")),
        tried(lambda: put("portal", NEW)),
        going_on,
        tried(lambda: tokens.get(saved.id or "")),
    ]


def killed() -> Any:
    logging.disable()
    put("portal", OLD)
    tokens = TokenRepository(ListBackend(), keys=at_once("portal"))
    os.kill(int(os.environ["KEYRING_PID"]), signal.SIGKILL)
    time.sleep(0.2)
    going_on = tokens.save(of("1000.a"))
    return [tokens.get(going_on.id or "") == going_on, *nothing_there()]


def nothing_there() -> Any:
    return [tried(lambda: Keyset.from_keyring("portal")), tried(lambda: put("portal", OLD))]


def not_installed() -> Any:
    class Blocker:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name.partition(".")[0] == "keyring":
                raise ModuleNotFoundError(name, name=name)

    sys.meta_path.insert(0, Blocker())
    for name in [name for name in sys.modules if name.partition(".")[0] == "keyring"]:
        del sys.modules[name]
    return nothing_there()


def main() -> None:
    print(json.dumps({name: globals()[name]() for name in sys.argv[1:]}))


if __name__ == "__main__":
    main()
