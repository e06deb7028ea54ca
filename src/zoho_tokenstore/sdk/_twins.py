"""Our errors for an SDK: what a store raises to it is also its `SDKException`.

Each error of `zoho_tokenstore.errors` has a twin, which is a class of a module, so that it can be pickled.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

from zoho_tokenstore import errors

if TYPE_CHECKING:
    from zoho_tokenstore.sdk._base_store import BaseStore

CODE: Final = "TOKEN_STORE"
"""The `code` of our exceptions, as the SDK shows it."""

INVALID_TOKEN: Final = "INVALID TOKEN ERROR"  # noqa: S105  # an error's code
"""The SDK's own code for what Zoho refuses."""

_REFUSED: Final = (errors.InvalidGrantError, errors.InvalidClientError)

Twins = Mapping[type[errors.TokenStoreError], type[errors.TokenStoreError]]
"""The twin of each of our errors."""

S = TypeVar("S", bound="BaseStore")
P = ParamSpec("P")
R = TypeVar("R")


class Twin:
    """What all twins share. Among the bases of the first of them, the SDK's exception and ours follow."""

    sdk_exception: Any
    sdk_code = CODE

    def __init__(self, message: str, **details: Any) -> None:
        self.sdk_exception.__init__(self, code=self.sdk_code, message=message)
        ours: Any = super(self.sdk_exception, self)
        ours.__init__(message, **details)  # it sets `args` last

    def __str__(self) -> str:
        return str(vars(self)["error_message"])


def make_twins(sdk_exception: Any, module: str) -> Twins:
    """Make the twins of all our errors for an SDK, as classes of a module."""
    base = {"sdk_exception": sdk_exception}
    twins: dict[type[errors.TokenStoreError], Any] = {}
    for ours in _errors():
        bases = (twins[ours.__bases__[0]], ours) if twins else (Twin, sdk_exception, ours)
        code = {"sdk_code": INVALID_TOKEN} if ours in _REFUSED else {}
        members = {"__module__": module, "__doc__": ours.__doc__, **base, **code}
        twins[ours] = type(f"SDK{ours.__name__}", bases, members)
        setattr(sys.modules[module], f"SDK{ours.__name__}", twins[ours])  # where pickle looks for it
    return twins


def _errors() -> list[type[errors.TokenStoreError]]:
    """Return our errors, each behind those that it is derived from."""
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    return [kind for kind in classes if issubclass(kind, errors.TokenStoreError)]


def to_sdk_error(error: errors.TokenStoreError, twins: Twins) -> errors.TokenStoreError:
    """Return an error's twin, or the nearest one for an error from somebody else's backend."""
    errors.forget_values(error)  # frames hold the opened token that could not be renewed
    if isinstance(error, twins[errors.TokenStoreError]):
        return error
    twin = next(twins[kind] for kind in type(error).__mro__ if kind in twins)
    told = twin(str(error))
    told.__dict__.update(error.__dict__)  # retry_after, row_id, notes
    return told.with_traceback(error.__traceback__)


def raises_sdk_errors(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Make what a store's method raises also the SDK's exception; its cause is the original's."""

    @wraps(method)
    def told(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except errors.TokenStoreError as error:
            raise to_sdk_error(error, self.family.twins) from error.__cause__

    return told
