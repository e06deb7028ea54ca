"""The stores on servers and services, by name. Each loads its driver when one is made."""

from __future__ import annotations

import os
from typing import Any

from zoho_tokenstore.arguments import checked, read_spent_codes
from zoho_tokenstore.clock import Clock, now_ms
from zoho_tokenstore.events import OnEvent
from zoho_tokenstore.matching import SpentCodes
from zoho_tokenstore.policies import DEFAULT_POLICY, RefreshPolicy
from zoho_tokenstore.sdk.stores import OpeningStore
from zoho_tokenstore.urls import canonical


class SQLStore(OpeningStore):
    """Tokens in a table of a database server, shared by all hosts that reach it.

    What the URL says behind its ``?`` takes the place of the argument of that name.

    Arguments:
        url: ``postgresql://user@host/database``, ``mysql://…``, ``mariadb://…``, or ``sql+`` and the
            URL of any dialect of SQLAlchemy. TLS and other options of the driver go into its query.
        table: the name of the tokens' table.
        timeout: how long to wait for a connection, a lock or an answer, in seconds.
        pool_size: how many connections a process has at most.
        keys, refresh, spool, spent_codes, on_event, clock: as in every store; docs/reference/stores.md.

    Raises:
        MissingDependencyError: the extra of the database is not installed.
        ConfigurationError: the URL or another argument cannot be used.
        BackendError: the database cannot be used.
    """

    @checked
    def __init__(
        self,
        url: str,
        *,
        table: str = "oauthtoken",
        timeout: float = 10.0,
        pool_size: int = 5,
        keys: Any = None,
        refresh: RefreshPolicy | None = DEFAULT_POLICY,
        spool: str | os.PathLike[str] | None = None,
        spent_codes: SpentCodes = "self-client",
        on_event: OnEvent | None = None,
        clock: Clock = now_ms,
    ) -> None:
        from zoho_tokenstore.backends.sql import SQLBackend

        url, spent_codes = read_spent_codes(canonical(url), spent_codes)

        super().__init__(
            lambda: SQLBackend(url, table=table, timeout=timeout, pool_size=pool_size),
            refresh=refresh,
            spool=spool,
            keys=keys,
            spent_codes=spent_codes,
            on_event=on_event,
            clock=clock,
        )


class RedisStore(OpeningStore):
    """Tokens in Redis, shared by all hosts that reach it.

    What the URL says behind its ``?`` takes the place of the argument of that name.

    Arguments:
        url: ``redis://host:6379/0``, ``rediss://`` for TLS, ``redis+sentinel://``, ``redis+cluster://``.
        prefix: what all keys of the store begin with, in braces.
        timeout: how long each wait on the network may take, in seconds.
        allow_eviction: open the store even if the server may throw tokens away when it is full.
        ssl_ca_certs, ssl_ca_path, ssl_certfile, ssl_keyfile, ssl_password, ssl_cert_reqs,
            ssl_check_hostname: options of redis-py for TLS.
        sentinel_username, sentinel_password: the login of the Sentinels, if they have one of their own.
        keys, refresh, spool, spent_codes, on_event, clock: as in every store; docs/reference/stores.md.

    Raises:
        MissingDependencyError: the extra `redis` is not installed.
        ConfigurationError: the URL or another argument cannot be used, or the server may evict tokens.
        BackendError: the server cannot be used.
    """

    @checked
    def __init__(
        self,
        url: str = "redis://localhost:6379/0",
        *,
        prefix: str = "zoho-tokens",
        timeout: float = 5.0,
        allow_eviction: bool = False,
        ssl_ca_certs: str | os.PathLike[str] | None = None,
        ssl_ca_path: str | os.PathLike[str] | None = None,
        ssl_certfile: str | os.PathLike[str] | None = None,
        ssl_keyfile: str | os.PathLike[str] | None = None,
        ssl_password: str | None = None,
        ssl_cert_reqs: Any = None,
        ssl_check_hostname: bool | None = None,
        sentinel_username: str | None = None,
        sentinel_password: str | None = None,
        keys: Any = None,
        refresh: RefreshPolicy | None = DEFAULT_POLICY,
        spool: str | os.PathLike[str] | None = None,
        spent_codes: SpentCodes = "self-client",
        on_event: OnEvent | None = None,
        clock: Clock = now_ms,
    ) -> None:
        from zoho_tokenstore.backends.redis import RedisBackend

        url, spent_codes = read_spent_codes(canonical(url), spent_codes)
        extra = _given(
            ssl_ca_certs=ssl_ca_certs,
            ssl_ca_path=ssl_ca_path,
            ssl_certfile=ssl_certfile,
            ssl_keyfile=ssl_keyfile,
            ssl_password=ssl_password,
            ssl_cert_reqs=ssl_cert_reqs,
            ssl_check_hostname=ssl_check_hostname,
            sentinel_username=sentinel_username,
            sentinel_password=sentinel_password,
        )

        super().__init__(
            lambda: RedisBackend(url, prefix=prefix, timeout=timeout, allow_eviction=allow_eviction, **extra),
            refresh=refresh,
            spool=spool,
            keys=keys,
            spent_codes=spent_codes,
            on_event=on_event,
            clock=clock,
        )


class DynamoDBStore(OpeningStore):
    """Tokens in a DynamoDB table, shared by everything in AWS that may use it.

    Arguments:
        table: the name of the table.
        region: the AWS region; by default the one that boto3 is configured for.
        endpoint_url: where to send requests instead of AWS's own address for the region.
        create: create the table if there is none, billed on demand, and wait until it can be used.
        timeout: how long one call may take, with all its requests and repetitions, in seconds.
        keys, refresh, spool, spent_codes, on_event, clock: as in every store; docs/reference/stores.md.

    Raises:
        MissingDependencyError: the extra `dynamodb` is not installed.
        ConfigurationError: there is no such table, no region, or only half of the credentials; or an
            argument is of the wrong kind.
        BackendError: DynamoDB cannot be used; `BackendUnavailableError` also if there are no credentials.
    """

    @checked
    def __init__(
        self,
        table: str,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        create: bool = False,
        timeout: float = 10.0,
        keys: Any = None,
        refresh: RefreshPolicy | None = DEFAULT_POLICY,
        spool: str | os.PathLike[str] | None = None,
        spent_codes: SpentCodes = "self-client",
        on_event: OnEvent | None = None,
        clock: Clock = now_ms,
    ) -> None:
        from zoho_tokenstore.backends.dynamodb import DynamoDBBackend

        super().__init__(
            lambda: DynamoDBBackend(
                table, region=region, endpoint_url=endpoint_url, create=create, timeout=timeout
            ),
            refresh=refresh,
            spool=spool,
            keys=keys,
            spent_codes=spent_codes,
            on_event=on_event,
            clock=clock,
        )


class SecretsManagerStore(OpeningStore):
    """Tokens in AWS Secrets Manager, a secret each.

    Arguments:
        prefix: what the names of the secrets begin with.
        region: the AWS region; by default the one that boto3 is configured for.
        endpoint_url: where to send requests instead of AWS's own address for the region.
        kms_key_id: the key that encrypts new secrets; by default ``aws/secretsmanager``.
        timeout: how long one call may take, with all its requests and repetitions, in seconds.
        keys, refresh, spool, spent_codes, on_event, clock: as in every store; docs/reference/stores.md.

    Raises:
        MissingDependencyError: the extra `secretsmanager` is not installed.
        ConfigurationError: the prefix cannot be used; there is no region, or only half of the credentials;
            or an argument is of the wrong kind.
        BackendError: Secrets Manager cannot be used; `BackendUnavailableError` also if there are no
            credentials.
    """

    @checked
    def __init__(
        self,
        prefix: str,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        kms_key_id: str | None = None,
        timeout: float = 10.0,
        keys: Any = None,
        refresh: RefreshPolicy | None = DEFAULT_POLICY,
        spool: str | os.PathLike[str] | None = None,
        spent_codes: SpentCodes = "self-client",
        on_event: OnEvent | None = None,
        clock: Clock = now_ms,
    ) -> None:
        from zoho_tokenstore.backends.secretsmanager import SecretsManagerBackend

        super().__init__(
            lambda: SecretsManagerBackend(
                prefix, region=region, endpoint_url=endpoint_url, kms_key_id=kms_key_id, timeout=timeout
            ),
            refresh=refresh,
            spool=spool,
            keys=keys,
            spent_codes=spent_codes,
            on_event=on_event,
            clock=clock,
        )


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
