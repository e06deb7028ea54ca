"""From a URL to a store: which scheme is served by which backend.

Backends are named by text and imported when they are asked for, so that importing this package
loads no driver.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, urlsplit

from zoho_tokenstore.backend import Backend
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.policies import RefreshPolicy
from zoho_tokenstore.repository import TokenRepository

if TYPE_CHECKING:
    from zoho_tokenstore.sdk import RepositoryStore

URL_VARIABLE: Final = "ZOHO_TOKENSTORE_URL"

_BACKENDS: Final = {
    "list": "zoho_tokenstore.backends.list:ListBackend",
    "memory": "zoho_tokenstore.backends.memory:MemoryBackend",
    "sqlite": "zoho_tokenstore.backends.sqlite:SQLiteBackend",
}


def schemes() -> list[str]:
    """Return the URL schemes that can be opened, sorted."""
    return sorted(_BACKENDS)


def open_repository(url: str | None = None, **options: Any) -> TokenRepository:
    """Open the tokens at a URL, without the SDK.

    Arguments:
        url: for example ``sqlite:///zohooauth.db`` (relative path), ``sqlite:////var/lib/x.db``
            (absolute), ``memory://`` or ``list://``; by default what the environment variable
            ``ZOHO_TOKENSTORE_URL`` holds.
        options: those of `TokenRepository`.

    Raises:
        ConfigurationError: there is no URL, or it cannot be used.
        BackendError: the storage cannot be opened.
    """
    return TokenRepository(open_backend(url), **options)


def open_store(
    url: str | None = None, *, refresh: RefreshPolicy | None = None, **options: Any
) -> RepositoryStore:
    """Open the tokens at a URL as a `TokenStore` for Zoho's SDK.

    The arguments and errors are those of `open_repository`; besides, `refresh` says when tokens
    are refreshed, and by whom.

    Raises:
        MissingDependencyError: Zoho's SDK is not installed.
    """
    from zoho_tokenstore.sdk import RepositoryStore  # the SDK takes half a second to import

    return RepositoryStore(open_repository(url, **options), refresh=refresh)


def open_backend(url: str | None = None) -> Backend:
    """Open only the storage behind a URL; see `open_repository`."""
    parts = _split(url)
    target = _BACKENDS.get(parts.scheme)
    if target is None:
        raise ConfigurationError(
            f"No store is known by the scheme {parts.scheme!r}. Known: {', '.join(schemes())}."
        )
    module, _, name = target.partition(":")
    backend: Backend = getattr(import_module(module), name).from_url(parts)
    return backend


def _split(url: str | None) -> SplitResult:
    text = os.environ.get(URL_VARIABLE) if url is None else url
    if not text:
        raise ConfigurationError(f"There is no store URL: pass one, or set {URL_VARIABLE}.")
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise ConfigurationError("The store URL cannot be read.") from error
    if not parts.scheme or "://" not in text:
        # The text is not shown: what is no URL may be a secret pasted by mistake.
        raise ConfigurationError("The store URL has no scheme. It looks like sqlite:///zohooauth.db.")
    return parts
