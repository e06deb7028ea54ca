"""From a URL to a store: which scheme is served by which backend.

Backends are named by strings and imported on demand, so that importing this package
loads no driver. Backends of other packages are entry points of the group `ENTRY_POINTS`: the name
is the URL scheme, the object a class with `from_url`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack
from urllib.parse import SplitResult

from zoho_tokenstore._arguments import checked, hint, read_spent_codes
from zoho_tokenstore._inspection import Inspection, OpenedInspection
from zoho_tokenstore._matching import SpentCodes
from zoho_tokenstore._options import RepositoryOptions, StoreOptions, TokensOptions, split
from zoho_tokenstore._policies import DEFAULT_POLICY, RefreshPolicy, SessionPolicy
from zoho_tokenstore._util.clock import Clock, now_ms
from zoho_tokenstore._util.urls import SAME, URL_VARIABLE, canonical, parts_of, taken_out
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.errors import ConfigurationError, TokenStoreError
from zoho_tokenstore.events import OnEvent
from zoho_tokenstore.lifecycle._lifecycle import Lifecycle
from zoho_tokenstore.renewal._renewer import Renewer
from zoho_tokenstore.renewal._steps import Origin
from zoho_tokenstore.repository import TokenRepository
from zoho_tokenstore.tokens import AsyncTokens, Tokens

if TYPE_CHECKING:
    from zoho_tokenstore.sdk import RepositoryStore
    from zoho_tokenstore.sdk._base_store import BaseStore
    from zoho_tokenstore.sealing import KeysArg

__all__ = [
    "ENTRY_POINTS",
    "URL_VARIABLE",
    "open_async_tokens",
    "open_backend",
    "open_repository",
    "open_store",
    "open_tokens",
    "schemes",
]

S = TypeVar("S", bound="BaseStore")

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

_INSPECTED: Final = ("csv", "mysql", "postgresql", "redis", "sql", "sqlite")
"""Those with a module that looks at a storage without opening it. Opening any other kind changes nothing."""

_IN_A_PROCESS: Final = ("list", "memory")
_CREATES: Final = "create"
"""The option of a URL by which opening makes what is not there."""

_ALIASES: Final = {
    "mariadb": "mysql",
    "rediss": "redis",
    "redis+cluster": "redis",
    "rediss+cluster": "redis",
    "redis+sentinel": "redis",
    "rediss+sentinel": "redis",
}
"""Aliases of schemes. In addition, ``sql+`` and a SQLAlchemy dialect is ``sql``."""


def schemes() -> list[str]:
    """Return the URL schemes of this package's own backends, sorted, without aliases."""
    return sorted(_BACKENDS)


@checked
def open_repository(
    url: str | None = None,
    *,
    keys: KeysArg | None = None,
    spent_codes: SpentCodes = "self-client",
    on_event: OnEvent | None = None,
    audit: bool | None = None,
    clock: Clock = now_ms,
) -> TokenRepository:
    """Open the tokens at a URL, without the SDK.

    Arguments:
        url: for example ``sqlite:///zohooauth.db`` (relative path), ``sqlite:////var/lib/x.db``
            (absolute), ``memory://`` or ``list://``; by default what the environment variable
            ``ZOHO_TOKENSTORE_URL`` holds.
        keys, on_event, audit, clock: those of `TokenRepository`.
        spent_codes: likewise, unless the URL says so, as ``?spent_codes=refuse``.

    Raises:
        ConfigurationError: there is no URL, or it or another argument cannot be used.
        BackendError: the storage cannot be opened.
    """
    text, spent_codes = read_spent_codes(_text(url), spent_codes)
    backend = _open(text)
    try:
        return TokenRepository(
            backend, keys=keys, spent_codes=spent_codes, on_event=on_event, audit=audit, clock=clock
        )
    except BaseException:
        backend.close()
        raise


@checked
def open_store(
    url: str | None = None,
    *,
    refresh: RefreshPolicy | None = DEFAULT_POLICY,
    sessions: SessionPolicy | None = None,
    spool: str | os.PathLike[str] | None = None,
    **options: Unpack[RepositoryOptions],
) -> RepositoryStore:
    """Open the tokens at a URL as a `TokenStore` for Zoho's SDK.

    The arguments and errors are those of `open_repository`; besides:

    Arguments:
        refresh: when tokens are refreshed, and by whom (`None`: by the SDK alone).
        sessions: how long logins last; by default until they are revoked.
        spool: a folder for tokens that could not be saved, which the next process then saves.

    Raises:
        MissingDependencyError: Zoho's SDK is not installed.
    """
    from zoho_tokenstore.sdk import RepositoryStore  # the SDK takes half a second to import

    return open_as(RepositoryStore, url, refresh=refresh, sessions=sessions, spool=spool, **options)


def open_as(kind: type[S], url: str | None, **options: Unpack[StoreOptions]) -> S:
    """Open the tokens at a URL as a store of some kind; see `open_store`."""
    policy, renewal = split(options, RepositoryOptions)
    repository = open_repository(url, **policy)
    try:
        return kind(repository, **renewal)
    except BaseException:
        repository.close()
        raise


@checked
def open_tokens(
    url: str | None = None,
    *,
    refresh: RefreshPolicy = DEFAULT_POLICY,
    sessions: SessionPolicy | None = None,
    spool: str | os.PathLike[str] | None = None,
    accounts_url: str | None = None,
    **options: Unpack[RepositoryOptions],
) -> Tokens:
    """Open the tokens at a URL for any program, without the SDK.

    The arguments and errors are those of `open_repository`; besides:

    Arguments:
        refresh: when tokens are renewed.
        sessions: how long logins last; by default until they are revoked.
        spool: a folder for tokens that could not be saved, which the next process then saves.
        accounts_url: the accounts server of tokens whose API domain is not Zoho's.
    """
    if not isinstance(refresh, RefreshPolicy):  # stores accept None
        raise ConfigurationError(
            "open_tokens: refresh must be a RefreshPolicy: without the SDK, nobody else renews."
        )
    repository = open_repository(url, **options)
    try:
        known = Origin(accounts_url=accounts_url)
        lifecycle = Lifecycle(Renewer(repository, refresh, spool=spool), sessions, lambda: known)
        return Tokens(lifecycle, accounts_url=accounts_url, is_owner=True)
    except BaseException:
        repository.close()
        raise


@checked
def open_async_tokens(url: str | None = None, **options: Unpack[TokensOptions]) -> AsyncTokens:
    """Open the tokens at a URL for a program with an event loop; the arguments are those of `open_tokens`."""
    return AsyncTokens(open_tokens(url, **options))


@checked
def open_backend(url: str | None = None) -> Backend:
    """Open only the storage behind a URL; see `open_repository`.

    Raises:
        MissingDependencyError: its driver is not installed; the message names the extra.
    """
    return _open(read_spent_codes(_text(url), "self-client")[0])


def inspector_of(url: str | None) -> Callable[[float], Inspection]:
    """Return what looks at the storage behind a URL, which is not opened as a store; nothing is created.

    The driver is loaded now, but nobody is asked yet. What is returned takes how long each question may take,
    in seconds.

    Arguments:
        url: as for `open_repository`.

    Raises:
        ConfigurationError: the URL cannot be used, or the store exists only in its own process.
        MissingDependencyError: its driver is not installed.
    """
    text, _ = taken_out(read_spent_codes(_text(url), "self-client")[0], _CREATES)
    parts = _split(text)
    word, kind = _word(parts.scheme), _class_for(parts.scheme)
    if word in _IN_A_PROCESS:
        raise ConfigurationError(
            f"A {word} store exists only in its own process; nobody else can look at it."
        )
    if word in _INSPECTED:
        return partial(import_module(f"{kind.__module__}._inspection").inspect, parts)
    return lambda _: OpenedInspection(kind.from_url(parts), seals_itself=word == "secretsmanager")


def _open(text: str) -> Backend:
    parts = _split(text)
    backend: Backend = _class_for(parts.scheme).from_url(parts)
    return backend


def _class_for(scheme: str) -> Any:
    target = _BACKENDS.get(_word(scheme))
    if target is not None:
        module, _, name = target.partition(":")
        return getattr(import_module(module), name)
    others = _of_other_packages()
    if scheme in others:
        return _loaded(scheme, others[scheme])
    raise _unknown(scheme, sorted({*_BACKENDS, *others}))


def _word(scheme: str) -> str:
    """Return the name of a scheme's backend."""
    return "sql" if scheme.startswith("sql+") else _ALIASES.get(scheme, scheme)


def _unknown(scheme: str, known: list[str]) -> ConfigurationError:
    """Return the error for an unknown scheme, with the one that may be meant.

    SQLAlchemy's ``mysql+pymysql`` names the driver, which is chosen here; the part before it is meant.
    """
    words = [*known, *_ALIASES, *SAME]
    near = hint(scheme, words) or hint(scheme.partition("+")[0], words)
    return ConfigurationError(
        f"No store is known by the scheme {scheme!r}.{near} Known: {', '.join(known)}; sql+DIALECT for other "
        "databases that SQLAlchemy knows."
    )


def _of_other_packages() -> dict[str, list[EntryPoint]]:
    """Return what installed packages offer, by scheme. None replaces one of ours."""
    offers: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=ENTRY_POINTS):
        if point.name not in {*_BACKENDS, *_ALIASES, *SAME}:
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
    except TokenStoreError:  # it says itself what is missing
        raise
    except Exception as error:  # whatever importing that package raises
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


def _text(url: str | None) -> str:
    text = os.environ.get(URL_VARIABLE) if url is None else url
    text = (text or "").strip()  # what a file or an editor has added would be part of a name
    if not text:
        raise ConfigurationError(f"There is no store URL: pass one, or set {URL_VARIABLE}.")
    if set(text) & set("\t\r\n"):  # they would be left out, and lead to another store
        raise ConfigurationError("The store URL has a line break or a tab in it. Write it as %0A or %09.")
    return canonical(text)


def _split(text: str) -> SplitResult:
    parts = parts_of(text)
    if parts is None:
        raise ConfigurationError(
            "The store URL cannot be read. In a password, write special characters as %XX."
        )
    if not parts.scheme or "://" not in text:
        # The text is not shown: what is not a URL may be a secret pasted by mistake.
        raise ConfigurationError("The store URL has no scheme. It looks like sqlite:///zohooauth.db.")
    return parts
