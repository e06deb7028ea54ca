"""The contracts of a token store and of a backend, as tests to inherit.

A store is proven by a subclass of `TokenStoreContract` that says how to make one; a backend of
this package by a subclass of `BackendContract`, and its leases by one of `LeasesContract`.
docs/how-to/prove-your-own-store.md begins with a complete example, docs/reference/contract.md lists
every clause.

`TokenStoreContract`, `make_token` and `fields_of` are loaded when they are first used, because they
import Zoho's SDK; the rest works without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from zoho_tokenstore.errors import MissingDependencyError

try:
    import pytest
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        "The contract is a set of pytest tests, and pytest is not installed. "
        'Install it with: pip install "zoho-tokenstore[testing]".'
    ) from error

# Before the modules are imported: only then does a failed assert of theirs show its values.
pytest.register_assert_rewrite(
    *(
        f"{__name__}.{name}"
        for name in (
            "_rows",
            "backend",
            "backend_bulk",
            "backend_shared",
            "deleting",
            "finding",
            "hostility",
            "leases",
            "saving",
            "sharing",
            "tokens",
        )
    )
)

from zoho_tokenstore.testing.backend import BackendContract  # noqa: E402  # after the rewrite
from zoho_tokenstore.testing.clauses import clauses  # noqa: E402
from zoho_tokenstore.testing.hostile import HOSTILE_TEXTS, INJECTIONS, LOOKALIKES  # noqa: E402
from zoho_tokenstore.testing.leases import LeasesContract  # noqa: E402

if TYPE_CHECKING:
    from zoho_tokenstore.testing.token_store import TokenStoreContract
    from zoho_tokenstore.testing.tokens import fields_of, make_token

__all__ = [
    "HOSTILE_TEXTS",
    "INJECTIONS",
    "LOOKALIKES",
    "BackendContract",
    "LeasesContract",
    "TokenStoreContract",
    "clauses",
    "fields_of",
    "make_token",
]

_WITH_THE_SDK: Final = {"TokenStoreContract": "token_store", "fields_of": "tokens", "make_token": "tokens"}


def __getattr__(name: str) -> Any:
    if name in _WITH_THE_SDK:
        return getattr(import_module(f"{__name__}.{_WITH_THE_SDK[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
