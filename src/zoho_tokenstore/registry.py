"""From a URL to a store: which scheme is served by which backend.

Backends are named by text and imported when they are asked for, so that importing this package
loads no driver. Backends of other packages are entry points of the group `ENTRY_POINTS`: the name
is the URL scheme, the object a class with `from_url`.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult

from zoho_tokenstore.backend import Backend
from zoho_tokenstore.errors import ConfigurationError, TokenStoreError
from zoho_tokenstore.policies import RefreshPolicy
from zoho_tokenstore.repository import TokenRepository
from zoho_tokenstore.urls import parts_of

if TYPE_CHECKING:
    from zoho_tokenstore.sdk import RepositoryStore

URL_VARIABLE: Final = "ZOHO_TOKENSTORE_URL"

ENTRY_POINTS: Final = "zoho_tokenstore.backends"

_SQL: Final = "zoho_tokenstore.backends.sql:SQLBackend"
_REDIS: Final = "zoho_tokenstore.backends.redis:RedisBackend"

_BACKENDS: Final = {
    "csv": "zoho_tokenstore.backends.csv:CSVBackend",
    "dynamodb": "zoho_tokenstore.backends.dynamodb:DynamoDBBackend",
    "list": "zoho_tokenstore.backends.list:ListBackend",
    "memory": "zoho_tokenstore.backends.memory:MemoryBackend",
    "mysql": _SQL,
    "postgresql": _SQL,
    "redis": _REDIS,
    "secretsmanager": "zoho_tokenstore.backends.secretsmanager:SecretsManagerBackend",
    "sql": _SQL,
    "sqlite": "zoho_tokenstore.backends.sqlite:SQLiteBackend",
}

_ALIASES: Final = {
    "mariadb": "mysql",
    "rediss": "redis",
    "redis+cluster": "redis",
    "rediss+cluster": "redis",
    "redis+sentinel": "redis",
    "rediss+sentinel": "redis",
}
"""Other words for a scheme. Beside them, ``sql+`` and a dialect of SQLAlchemy is ``sql``."""


def schemes() -> list[str]:
    """Return the URL schemes of this package's own backends, sorted, without other words for them."""
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
    """Open only the storage behind a URL; see `open_repository`.

    Raises:
        MissingDependencyError: its driver is not installed; the message names the extra.
    """
    parts = _split(url)
    backend: Backend = _class_for(parts.scheme).from_url(parts)
    return backend


def _class_for(scheme: str) -> Any:
    word = "sql" if scheme.startswith("sql+") else _ALIASES.get(scheme, scheme)
    target = _BACKENDS.get(word)
    if target is not None:
        module, _, name = target.partition(":")
        return getattr(import_module(module), name)
    others = _of_other_packages()
    if scheme in others:
        return _loaded(scheme, others[scheme])
    raise ConfigurationError(
        f"No store is known by the scheme {scheme!r}. Known: {', '.join(sorted({*_BACKENDS, *others}))}."
    )


def _of_other_packages() -> dict[str, list[EntryPoint]]:
    """Return what installed packages offer, by scheme. None of it takes the place of one of ours."""
    offers: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=ENTRY_POINTS):
        if point.name not in {*_BACKENDS, *_ALIASES}:
            offers.setdefault(point.name, []).append(point)
    return offers


def _loaded(scheme: str, offers: list[EntryPoint]) -> Any:
    packages = ", ".join(sorted(point.dist.name if point.dist else "?" for point in offers))
    if len(offers) > 1:
        raise ConfigurationError(
            f"Several packages offer a backend for {scheme}://: {packages}. Uninstall all but one."
        )
    try:
        found = offers[0].load()
    except TokenStoreError:  # it says by itself what is missing
        raise
    except Exception as error:  # whatever the import of that package raises
        raise ConfigurationError(
            f"The backend for {scheme}:// cannot be loaded: {offers[0].value} of the package {packages} "
            f"raises {type(error).__name__}: {error}. Install that package again, or a newer one."
        ) from error
    if not hasattr(found, "from_url"):
        raise ConfigurationError(
            f"The backend for {scheme}://, {offers[0].value} of the package {packages}, has no from_url. "
            "It was made for something else; ask its author."
        )
    return found


def _split(url: str | None) -> SplitResult:
    text = os.environ.get(URL_VARIABLE) if url is None else url
    if not text:
        raise ConfigurationError(f"There is no store URL: pass one, or set {URL_VARIABLE}.")
    parts = parts_of(text)
    if parts is None:
        raise ConfigurationError(
            "The store URL cannot be read. In a password, write special characters as %XX."
        )
    if not parts.scheme or "://" not in text:
        # The text is not shown: what is no URL may be a secret pasted by mistake.
        raise ConfigurationError("The store URL has no scheme. It looks like sqlite:///zohooauth.db.")
    return parts
