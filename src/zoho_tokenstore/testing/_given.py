"""The contract of the store that an option of pytest names; collected only with one of them."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.testing._abilities import ORDINARY, parse_abilities
from zoho_tokenstore.testing._remote_store import RemoteStore
from zoho_tokenstore.testing._token_store import TokenStoreContract

FACTORY = "zoho_token_store"
DRIVER = "zoho_token_store_driver"
ABILITIES = "zoho_abilities"


class GivenStore:
    """What makes the store under test.

    Arguments:
        name: ``package.module:factory``; or the command of a driver, quoted as in a shell. The factory is
            called with an empty folder, or with nothing; then it returns another empty place each time, which
            nobody can open again.
        is_driver: which of the two.

    Raises:
        ConfigurationError: there is no such factory, or it cannot be called like this; or the command is
            empty, or a quote is not closed.
    """

    def __init__(self, name: str, *, is_driver: bool = False) -> None:
        self.name, self.is_driver = name, is_driver
        self._make: Callable[..., Any] = partial(RemoteStore, _words(name)) if is_driver else _factory(name)
        self.takes_folder = is_driver or _takes_folder(name, self._make)

    def open(self, folder: Path) -> Any:
        """Return a store on the tokens of a folder."""
        return self._make(folder) if self.takes_folder else self._make()

    def new(self, folder: Path) -> Any:
        """Return a store without tokens.

        Raises:
            ConfigurationError: it has some. It may be a real one, so they are left alone. Or it is no store.
        """
        store = self.open(folder)
        if not (hasattr(store, "save_token") or hasattr(store, "find_token")):
            raise ConfigurationError(
                f"{self.name} returned no token store: a {type(store).__name__} has neither save_token nor "
                "find_token."
            )
        if _has_tokens(store):
            raise ConfigurationError(
                f"{self.name} returned a store with tokens. Every clause needs a new, empty one: let the "
                "factory take a folder and keep them there, or return another place each time."
            )
        return store


class TestGivenStore(TokenStoreContract):
    """The contract, over that store."""

    given: GivenStore

    @pytest.fixture(scope="class")
    def named(self, request: pytest.FixtureRequest) -> GivenStore:
        factory, driver = (request.config.getoption(option) for option in (FACTORY, DRIVER))
        return GivenStore(factory or driver, is_driver=not factory)

    @pytest.fixture(autouse=True)
    def _options(self, request: pytest.FixtureRequest, named: GivenStore) -> None:
        self.given = named
        declared = request.config.getoption(ABILITIES)
        self.abilities = ORDINARY if declared is None else parse_abilities(declared)
        if not self.given.takes_folder:
            self.abilities = self.abilities - ORDINARY

    def make_store(self, folder: Path) -> Any:
        return self.given.new(folder)

    def reopen(self, store: Any, folder: Path) -> Any:
        return self.given.open(folder) if self.given.takes_folder else store

    def opener(self, folder: Path) -> Callable[[], Any]:
        return partial(_open, self.given.name, self.given.is_driver, folder)


def contract_over(name: str, *, is_driver: bool = False) -> TestGivenStore:
    """Return the contract over the store of a factory, for the examples of clauses that failed."""
    contract = TestGivenStore()
    contract.given = GivenStore(name, is_driver=is_driver)
    return contract


def _open(name: str, is_driver: bool, folder: Path) -> Any:
    return GivenStore(name, is_driver=is_driver).open(folder)


def _has_tokens(store: Any) -> bool:
    try:
        return bool(list(store.get_tokens()))
    except Exception:  # noqa: BLE001  # there are clauses about that
        return False


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigurationError(f"The command {command!r} can't be read: {error}.") from error
    if not words:
        raise ConfigurationError("The command of the driver is empty.")
    return words


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
