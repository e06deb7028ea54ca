"""Which packages are installed, and what to say of those that are not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib.util import find_spec

from zoho_tokenstore.errors import MissingDependencyError


def is_installed(package: str) -> bool:
    """Return whether a package can be imported, without importing it."""
    try:
        return find_spec(package) is not None
    except ImportError:  # raised by a hook that blocks imports
        return False


@contextlib.contextmanager
def needed_by(what: str, package: str, extra: str) -> Iterator[None]:
    """Raise an error that names the extra, if the package that the block imports is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"{what} needs {package}, which is not installed. "
            f'Install it with: pip install "zoho-tokenstore[{extra}]".'
        ) from error
