"""The stores on servers and services, by name. Each loads its driver when created."""

from __future__ import annotations

from typing import Any, Unpack

from zoho_tokenstore._arguments import checked, read_spent_codes
from zoho_tokenstore._options import RedisConnectionOptions, RedisStoreOptions, StoreOptions, split
from zoho_tokenstore._util.urls import canonical
from zoho_tokenstore.sdk._stores import OpeningStore


class SQLStore(OpeningStore):
    """Tokens in a table of a database server, shared by all hosts that reach it.

    What the URL says after its ``?`` overrides the argument of that name.

    Arguments:
        url: ``postgresql://user@host/database``, ``mysql://…``, ``mariadb://…``, or ``sql+`` and the
            URL of any SQLAlchemy dialect. TLS and other driver options go into its query.
        engine: a SQLAlchemy engine that makes the store's connections, instead of a URL. It stays the
            caller's; its own pool is not used.
        table: the name of the tokens' table.
        timeout: how long to wait for a connection, a lock or an answer, in seconds; 10 by default.
        pool_size: the maximum number of connections per process.
        keys, refresh, sessions, spool, spent_codes, on_event, audit, clock: docs/reference/stores.md.

    Raises:
        MissingDependencyError: the extra of the database is not installed.
        ConfigurationError: the URL, the engine or another argument cannot be used.
        BackendError: the database cannot be used.
    """

    @checked
    def __init__(
        self,
        url: str | None = None,
        *,
        engine: Any = None,
        table: str = "oauthtoken",
        timeout: float | None = None,
        pool_size: int = 5,
        **options: Unpack[StoreOptions],
    ) -> None:
        from zoho_tokenstore.backends.sql import SQLBackend

        if url is not None:
            url, options["spent_codes"] = read_spent_codes(
                canonical(url), options.get("spent_codes", "self-client")
            )

        super().__init__(
            lambda: SQLBackend(url, engine=engine, table=table, timeout=timeout, pool_size=pool_size),
            **options,
        )


class RedisStore(OpeningStore):
    """Tokens in Redis, shared by all hosts that reach it.

    What the URL says after its ``?`` overrides the argument of that name.

    Arguments:
        url: ``redis://host:6379/0``, ``rediss://`` for TLS, ``redis+sentinel://``, ``redis+cluster://``;
            by default ``redis://localhost:6379/0``.
        client: a ``redis.Redis`` or ``redis.cluster.RedisCluster`` instead of `url`, `timeout` and the
            options for TLS and Sentinels. The caller closes it.
        prefix: the beginning of all the store's keys, in braces.
        timeout: how long each wait on the network may take, in seconds.
        allow_eviction: open the store even if the server may evict tokens when it is full.
        ssl_ca_certs, ssl_ca_path, ssl_certfile, ssl_keyfile, ssl_password, ssl_cert_reqs,
            ssl_check_hostname: redis-py options for TLS.
        sentinel_username, sentinel_password: the login of the Sentinels, if they have their own.
        keys, refresh, sessions, spool, spent_codes, on_event, audit, clock: docs/reference/stores.md.

    Raises:
        MissingDependencyError: the extra `redis` is not installed.
        ConfigurationError: the URL, the client or another argument cannot be used, or the server may
            evict tokens.
        BackendError: the server cannot be used.
    """

    @checked
    def __init__(
        self,
        url: str | None = None,
        *,
        client: Any = None,
        prefix: str = "zoho-tokens",
        timeout: float = 5.0,
        allow_eviction: bool = False,
        **options: Unpack[RedisStoreOptions],
    ) -> None:
        from zoho_tokenstore.backends.redis import RedisBackend

        if url is not None:
            url, options["spent_codes"] = read_spent_codes(
                canonical(url), options.get("spent_codes", "self-client")
            )
        connection, others = split(options, RedisConnectionOptions)
        super().__init__(
            lambda: RedisBackend(
                url,
                client=client,
                prefix=prefix,
                timeout=timeout,
                allow_eviction=allow_eviction,
                **connection,
            ),
            **others,
        )


class DynamoDBStore(OpeningStore):
    """Tokens in a DynamoDB table, shared by everything that may use it.

    Arguments:
        table: the name of the table.
        region: the AWS region; by default the one that boto3 is configured for.
        endpoint_url: where to send requests instead of AWS's own address for the region.
        session: a boto3 or botocore session that has the credentials and the region, such as one of an
            assumed role; by default boto3's own.
        create: create the table if there is none, billed on demand, and wait until it can be used.
        timeout: how long one call may take, with all its requests and retries, in seconds.
        keys, refresh, sessions, spool, spent_codes, on_event, audit, clock: docs/reference/stores.md.

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
        session: Any = None,
        create: bool = False,
        timeout: float = 10.0,
        **options: Unpack[StoreOptions],
    ) -> None:
        from zoho_tokenstore.backends.dynamodb import DynamoDBBackend

        super().__init__(
            lambda: DynamoDBBackend(
                table,
                region=region,
                endpoint_url=endpoint_url,
                session=session,
                create=create,
                timeout=timeout,
            ),
            **options,
        )


class SecretsManagerStore(OpeningStore):
    """Tokens in AWS Secrets Manager, one secret each.

    Arguments:
        prefix: the beginning of the secrets' names.
        region: the AWS region; by default the one that boto3 is configured for.
        endpoint_url: where to send requests instead of AWS's own address for the region.
        session: a boto3 or botocore session that has the credentials and the region, such as one of an
            assumed role; by default boto3's own.
        kms_key_id: the key that encrypts new secrets; by default ``aws/secretsmanager``.
        timeout: how long one call may take, with all its requests and retries, in seconds.
        keys, refresh, sessions, spool, spent_codes, on_event, audit, clock: docs/reference/stores.md.

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
        session: Any = None,
        kms_key_id: str | None = None,
        timeout: float = 10.0,
        **options: Unpack[StoreOptions],
    ) -> None:
        from zoho_tokenstore.backends.secretsmanager import SecretsManagerBackend

        super().__init__(
            lambda: SecretsManagerBackend(
                prefix,
                region=region,
                endpoint_url=endpoint_url,
                session=session,
                kms_key_id=kms_key_id,
                timeout=timeout,
            ),
            **options,
        )
