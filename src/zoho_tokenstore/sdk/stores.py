"""The stores by name. Those that need a driver load it when one of them is made."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.backends.memory import MemoryBackend
from zoho_tokenstore.backends.sqlite import DEFAULT_TIMEOUT, SQLiteBackend
from zoho_tokenstore.policies import RefreshPolicy
from zoho_tokenstore.repository import TokenRepository
from zoho_tokenstore.sdk.token_store import RepositoryStore


class SQLiteStore(RepositoryStore):
    """Tokens in a SQLite file, shared by all threads and processes of a host.

    Arguments:
        path: the database; created if there is none, taken over in place if Zoho's published
            SQLite sample wrote it.
        timeout: how long to wait for other connections' locks, in seconds.
        refresh: when tokens are refreshed, and by whom.
        options: those of `TokenRepository`.

    Raises:
        ConfigurationError: the path is a folder, or its folder does not exist.
        BackendError: the file is no database, damaged, of a newer release, or cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = "zohooauth.db",
        *,
        timeout: float = DEFAULT_TIMEOUT,
        refresh: RefreshPolicy | None = None,
        **options: Any,
    ) -> None:
        super().__init__(TokenRepository(SQLiteBackend(path, timeout=timeout), **options), refresh=refresh)


class InMemoryStore(RepositoryStore):
    """Tokens in SQLite's memory mode, for all threads of one process; gone when it ends.

    Arguments:
        refresh: when tokens are refreshed, and by whom.
        options: those of `TokenRepository`.
    """

    def __init__(self, *, refresh: RefreshPolicy | None = None, **options: Any) -> None:
        super().__init__(TokenRepository(MemoryBackend(), **options), refresh=refresh)


class ListStore(RepositoryStore):
    """Tokens in a plain list, for all threads of one process; for a handful of them, and for tests.

    Arguments:
        refresh: when tokens are refreshed, and by whom.
        options: those of `TokenRepository`.
    """

    def __init__(self, *, refresh: RefreshPolicy | None = None, **options: Any) -> None:
        super().__init__(TokenRepository(ListBackend(), **options), refresh=refresh)


class CSVStore(RepositoryStore):
    """Tokens in the file of the SDK's own `FileStore`, shared by all threads and processes of a host.

    Arguments:
        path: the file; created if there is none, taken over in place if `FileStore` wrote it.
        timeout: how long to wait for another process that is writing, in seconds.
        refresh: when tokens are refreshed, and by whom.
        options: those of `TokenRepository`.

    Raises:
        MissingDependencyError: the extra `csv` is not installed.
        ConfigurationError: the path is a folder, or its folder does not exist.
        BackendError: the file cannot be read as tokens, or cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = "sdk_tokens.txt",
        *,
        timeout: float = DEFAULT_TIMEOUT,
        refresh: RefreshPolicy | None = None,
        **options: Any,
    ) -> None:
        from zoho_tokenstore.backends.csv import CSVBackend

        super().__init__(TokenRepository(CSVBackend(path, timeout=timeout), **options), refresh=refresh)


class SQLStore(RepositoryStore):
    """Tokens in a table of a database server, shared by all hosts that reach it.

    Arguments:
        url: ``postgresql://user@host/database``, ``mysql://…``, ``mariadb://…``, or ``sql+`` and the
            URL of any dialect of SQLAlchemy. TLS and other options of the driver go into its query.
        refresh: when tokens are refreshed, and by whom.
        options: those of `TokenRepository`, and of `SQLBackend`:
            `table`, `timeout` (seconds), `pool_size`.

    Raises:
        MissingDependencyError: the extra of the database is not installed.
        ConfigurationError: the URL cannot be used.
        BackendError: the database cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        refresh: RefreshPolicy | None = None,
        **options: Any,
    ) -> None:
        from zoho_tokenstore.backends.sql import SQLBackend

        super().__init__(_repository(SQLBackend, url, options), refresh=refresh)


class RedisStore(RepositoryStore):
    """Tokens in Redis, shared by all hosts that reach it.

    Arguments:
        url: ``redis://host:6379/0``, ``rediss://`` for TLS, ``redis+sentinel://``, ``redis+cluster://``.
        refresh: when tokens are refreshed, and by whom.
        options: those of `TokenRepository`, and of `RedisBackend`:
            `prefix`, `timeout` (seconds), `allow_eviction`; with TLS `ssl_ca_certs`, `ssl_ca_path`,
            `ssl_certfile`, `ssl_keyfile`, `ssl_password`, `ssl_cert_reqs`, `ssl_check_hostname`; with
            Sentinels that have a login of their own `sentinel_username`, `sentinel_password`.

    Raises:
        MissingDependencyError: the extra `redis` is not installed.
        ConfigurationError: the URL cannot be used, or the server may evict tokens.
        BackendError: the server cannot be used.
    """

    def __init__(
        self,
        url: str = "redis://localhost:6379/0",
        *,
        refresh: RefreshPolicy | None = None,
        **options: Any,
    ) -> None:
        from zoho_tokenstore.backends.redis import RedisBackend

        super().__init__(_repository(RedisBackend, url, options), refresh=refresh)


class DynamoDBStore(RepositoryStore):
    """Tokens in a DynamoDB table, shared by everything in AWS that may use it.

    Arguments:
        table: the name of the table.
        refresh: when tokens are refreshed, and by whom.
        options: those of `TokenRepository`, and of `DynamoDBBackend`:
            `region`, `endpoint_url`, `create`, `timeout`.

    Raises:
        MissingDependencyError: the extra `dynamodb` is not installed.
        ConfigurationError: there is no such table, no region, or only half of the credentials.
        BackendError: DynamoDB cannot be used; `BackendUnavailableError` also if there are no credentials.
    """

    def __init__(
        self,
        table: str,
        *,
        refresh: RefreshPolicy | None = None,
        **options: Any,
    ) -> None:
        from zoho_tokenstore.backends.dynamodb import DynamoDBBackend

        super().__init__(_repository(DynamoDBBackend, table, options), refresh=refresh)


class SecretsManagerStore(RepositoryStore):
    """Tokens in AWS Secrets Manager, a secret each.

    Arguments:
        prefix: what the names of the secrets begin with.
        refresh: when tokens are refreshed, and by whom.
        options: those of `TokenRepository`, and of `SecretsManagerBackend`:
            `region`, `endpoint_url`, `kms_key_id`, `timeout`.

    Raises:
        MissingDependencyError: the extra `secretsmanager` is not installed.
        ConfigurationError: the prefix cannot be used; there is no region, or only half of the credentials.
        BackendError: Secrets Manager cannot be used; `BackendUnavailableError` also if there are no
            credentials.
    """

    def __init__(
        self,
        prefix: str,
        *,
        refresh: RefreshPolicy | None = None,
        **options: Any,
    ) -> None:
        from zoho_tokenstore.backends.secretsmanager import SecretsManagerBackend

        super().__init__(_repository(SecretsManagerBackend, prefix, options), refresh=refresh)


_POLICY: Final = ("keys", "on_event", "clock")


def _repository(backend: Callable[..., Backend], place: str, options: dict[str, Any]) -> TokenRepository:
    """Return a repository over a backend; the options that are not its own are the backend's."""
    own = {name: options.pop(name) for name in _POLICY if name in options}
    return TokenRepository(backend(place, **options), **own)
