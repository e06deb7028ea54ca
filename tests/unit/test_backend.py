"""What a backend can do beside the protocol is declared, and never guessed from a name."""

from __future__ import annotations

import pytest

from tests.support.leaseless import LeaselessBackend
from zoho_tokenstore import ConfigurationError, TokenRepository
from zoho_tokenstore.backend import SupportsCount, SupportsLeases
from zoho_tokenstore.backends.list import ListBackend


class Undeclared(ListBackend):
    """Counts, and says nothing of it."""

    def count(self) -> int:
        return 0


class Misspelt(LeaselessBackend, SupportsLeases):
    """Keeps leases, under another name."""

    lease = None


class Abstract(ListBackend, SupportsCount):
    """Says that it counts, and does not."""


def test_what_is_no_backend_is_refused() -> None:
    """A URL, for instance."""
    with pytest.raises(ConfigurationError, match="needs a backend, not str"):
        TokenRepository("sqlite:///tokens.db")  # type: ignore[arg-type]


def test_an_ability_has_to_be_declared() -> None:
    """The error names what to inherit from."""
    with pytest.raises(ConfigurationError, match="must inherit from SupportsCount"):
        TokenRepository(Undeclared())


def test_a_declared_ability_has_to_be_there() -> None:
    """A misspelt `leases` is an error at opening, not one renewal for each process."""
    with pytest.raises(ConfigurationError, match="declares SupportsLeases, but has no 'leases'"):
        TokenRepository(Misspelt())


def test_a_declared_method_has_to_be_there() -> None:
    """Python itself refuses it."""
    with pytest.raises(TypeError, match="count"):
        Abstract()  # type: ignore[abstract]
