"""The contracts of a token store and of a backend, as tests to inherit.

A store is proven by a subclass of `TokenStoreContract` that says how to make one; a backend of
this package by a subclass of `BackendContract`, and its leases by one of `LeasesContract`.
docs/how-to/prove-your-own-store.md begins with a complete example, docs/reference/contract.md lists
every clause.

What proves a token store (`TokenStoreContract`, `check`, `RemoteStore`, `make_token` and the like) is
loaded on first use, because it imports Zoho's SDK; the rest works without it. `check` runs the contract over
a store by name, or over one of another language.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from zoho_tokenstore.errors import MissingDependencyError

try:
    import pytest
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        "The contract is a set of pytest tests, and pytest is not installed. "
        'Install it with: pip install "zoho-tokenstore[testing]".'
    ) from error

# Before the modules are imported: only then do their failed asserts show values.
pytest.register_assert_rewrite(*(f"{__name__}.{path.stem}" for path in Path(__file__).parent.glob("*.py")))

from zoho_tokenstore.testing._abilities import ORDINARY, Ability  # noqa: E402  # after the rewrite
from zoho_tokenstore.testing._backend import BackendContract  # noqa: E402
from zoho_tokenstore.testing._catalogue import Clause, Severity, catalogue, clauses  # noqa: E402
from zoho_tokenstore.testing._hostile import HOSTILE_TEXTS, INJECTIONS, LOOKALIKES  # noqa: E402
from zoho_tokenstore.testing._leases import LeasesContract  # noqa: E402

if TYPE_CHECKING:
    from zoho_tokenstore.testing._checking import CheckReport, ClauseResult, check
    from zoho_tokenstore.testing._driver import DriverError
    from zoho_tokenstore.testing._remote_store import RemoteStore, RemoteStoreError
    from zoho_tokenstore.testing._token_store import TokenStoreContract
    from zoho_tokenstore.testing._tokens import fields_of, make_token

__all__ = [
    "HOSTILE_TEXTS",
    "INJECTIONS",
    "LOOKALIKES",
    "ORDINARY",
    "Ability",
    "BackendContract",
    "CheckReport",
    "Clause",
    "ClauseResult",
    "DriverError",
    "LeasesContract",
    "RemoteStore",
    "RemoteStoreError",
    "Severity",
    "TokenStoreContract",
    "catalogue",
    "check",
    "clauses",
    "fields_of",
    "make_token",
]

_WHEN_USED: Final = {
    "CheckReport": "_checking",
    "ClauseResult": "_checking",
    "DriverError": "_driver",
    "RemoteStore": "_remote_store",
    "RemoteStoreError": "_remote_store",
    "TokenStoreContract": "_token_store",
    "check": "_checking",
    "fields_of": "_tokens",
    "make_token": "_tokens",
}


def __getattr__(name: str) -> Any:
    if name in _WHEN_USED:
        return getattr(import_module(f"{__name__}.{_WHEN_USED[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
