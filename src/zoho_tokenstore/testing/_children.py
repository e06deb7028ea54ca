"""Other processes, each with a handle of its own on the store under test."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple

Work = Callable[..., Iterator[Any]]
"""What a process is asked to do: a generator function of a module, called with the store and arguments."""

PRELOADED: Final = ["zoho_tokenstore.testing._token_store"]
"""What all processes import; imported once, where processes can be forked off a server."""

_TIMEOUT_S: Final = 30.0
_READY: Final = "ready"


class _Failure(NamedTuple):
    """What went wrong in another process."""

    text: str


class Child:
    """A process that works with the store, and is killed when the `with` block is left."""

    def __init__(self, opener: Callable[[], Any]) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        place = (dict(os.environ), os.getcwd())  # noqa: PTH109  # chdir takes a string
        self._process = _context().Process(target=_serve, args=(opener, place, theirs), daemon=True)
        try:
            self._process.start()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise AssertionError(
                f"The store can't be opened in another process, because {error}. "
                "Define opener(self, folder) in the contract: it returns what can be pickled."
            ) from error
        theirs.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()

    def wait_until_open(self) -> None:
        """Wait until it has opened the store."""
        assert self.hear() == _READY

    def begin(self, work: Work, *arguments: Any) -> None:
        """Let it work; what the work yields can be heard."""
        self._pipe.send((work, arguments))

    def ask(self, work: Work, *arguments: Any) -> Any:
        """Let it work, and return the first thing that the work yields."""
        self.begin(work, *arguments)
        return self.hear()

    def has_spoken(self) -> bool:
        """Return whether there is something to be heard."""
        return self._pipe.poll()

    def hear(self) -> Any:
        """Return the next thing that its work has yielded."""
        assert self._pipe.poll(_TIMEOUT_S), f"a process has not answered within {_TIMEOUT_S:.0f} s"
        try:
            said = self._pipe.recv()
        except EOFError:
            self._process.join(_TIMEOUT_S)
            raise AssertionError(f"a process has ended (exit status {self._process.exitcode})") from None
        assert not isinstance(said, _Failure), said.text
        return said

    def kill(self) -> list[Any]:
        """Kill it, and return what it has said before and nobody has heard."""
        self._process.kill()
        self._process.join(_TIMEOUT_S)
        said: list[Any] = []
        try:
            while self._pipe.poll():
                said.append(self._pipe.recv())
        except (EOFError, OSError):  # killed while it spoke
            pass
        return said


def in_processes(opener: Callable[[], Any], count: int, work: Work) -> list[Any]:
    """Return what `work` yields first for 0, 1, …, each in a process of its own, all let go at once."""
    children = [Child(opener) for _ in range(count)]
    try:
        for child in children:
            child.wait_until_open()
        for number, child in enumerate(children):
            child.begin(work, number)
        return [child.hear() for child in children]
    finally:
        for child in children:
            child.kill()


def _context() -> Any:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _serve(opener: Callable[[], Any], place: tuple[dict[str, str], str], pipe: Connection) -> None:
    environment, folder = place  # those of the server are older
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    try:
        store = opener()
        pipe.send(_READY)
        while True:
            work, arguments = pipe.recv()
            for said in work(store, *arguments):
                pipe.send(said)
    except EOFError:
        pass
    except BaseException:  # noqa: BLE001  # all of it goes to the test
        pipe.send(_Failure(f"in another process: {traceback.format_exc()}"))
