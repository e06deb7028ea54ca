"""The contract of the store that an option of pytest names; collected only with one of them."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import pytest

from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.testing._remote_store import RemoteStore
from zoho_tokenstore.testing._subject import close_store
from zoho_tokenstore.testing._token_store import TokenStoreContract

FACTORY = "zoho_token_store"
DRIVER = "zoho_token_store_driver"
ONE_PROCESS = "zoho_one_process"


class GivenStore:
    """What makes the store under test.

    Arguments:
        name: what its user calls it.
        make: called with an empty folder, or with nothing; then it returns another empty place each
            time, which cannot be opened twice.
        takes_folder: which of the two.
    """

    def __init__(self, name: str, make: Any, *, takes_folder: bool = True) -> None:
        self.name = name
        self._make = make
        self.takes_folder = takes_folder

    @classmethod
    def of_factory(cls, name: str) -> Self:
        """Return what a factory makes.

        Arguments:
            name: ``package.module:factory``.

        Raises:
            ConfigurationError: there is no such factory, or it cannot be called like this.
        """
        make = _factory(name)
        return cls(name, make, takes_folder=_takes_folder(name, make))

    @classmethod
    def of_driver(cls, command: str) -> Self:
        """Return the store of another language, behind a driver.

        Arguments:
            command: the driver and its arguments, quoted as in a shell.

        Raises:
            ConfigurationError: it is empty, or a quote is not closed.
        """
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise ConfigurationError(f"The command {command!r} can't be read: {error}.") from error
        if not words:
            raise ConfigurationError("The command of the driver is empty.")
        return cls(command, partial(RemoteStore, words))

    def open(self, folder: Path) -> Any:
        """Return a store on the tokens of a folder."""
        return self._make(folder) if self.takes_folder else self._make()

    def new(self, folder: Path) -> Any:
        """Return a store without tokens.

        Raises:
            ConfigurationError: it has some. It may be a real one, so they are left alone.
        """
        store = self.open(folder)
        if _has_tokens(store):
            raise ConfigurationError(
                f"{self.name} returned a store with tokens. Every clause needs a new, empty one: let the "
                "factory take a folder and keep them there, or return another place each time."
            )
        return store


class TestGivenStore(TokenStoreContract):
    """The contract, over that store."""

    @pytest.fixture(scope="class")
    def given(self, request: pytest.FixtureRequest) -> GivenStore:
        factory = request.config.getoption(FACTORY)
        if factory:
            return GivenStore.of_factory(factory)
        return GivenStore.of_driver(request.config.getoption(DRIVER))

    @pytest.fixture
    def store(self, given: GivenStore, tmp_path: Path) -> Iterator[Any]:
        store = given.new(tmp_path)
        yield store
        close_store(store)

    @pytest.fixture
    def other(
        self,
        request: pytest.FixtureRequest,
        given: GivenStore,
        store: Any,  # noqa: ARG002  # made first: it may empty the place
        tmp_path: Path,
    ) -> Iterator[Any]:
        if request.config.getoption(ONE_PROCESS) or not given.takes_folder:
            pytest.skip("the store is said to be for one process, or its factory takes no folder")
        other = given.open(tmp_path)
        yield other
        close_store(other)


def _has_tokens(store: Any) -> bool:
    try:
        return bool(store.get_tokens())
    except Exception:  # noqa: BLE001  # there are clauses about that
        return False


def _factory(name: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        found: Any = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"There is no factory {name!r}: {error}. Write package.module:factory."
        ) from error
    if not attribute or not callable(found):
        raise ConfigurationError(f"{name!r} names no function or class. Write package.module:factory.")
    return found


def _takes_folder(name: str, make: Any) -> bool:
    needed = [
        parameter
        for parameter in inspect.signature(make).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    if len(needed) > 1:
        raise ConfigurationError(
            f"{name} needs {len(needed)} arguments. A factory takes a folder, or nothing."
        )
    return len(needed) == 1
