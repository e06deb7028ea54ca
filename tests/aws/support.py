"""Stores on the moto server that all tests share, and what looks at them from outside."""

from __future__ import annotations

import atexit
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from tests.support.servers import server
from tests.support.servers.moto import CREDENTIALS, LocalMoto
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends._aws.driver import new_client
from zoho_tokenstore.backends.dynamodb import DynamoDBBackend
from zoho_tokenstore.backends.secretsmanager import SecretsManagerBackend

REGION: Final = "eu-central-1"

_made: Final[set[str]] = set()


def endpoint() -> str:
    """Return where the shared server is. From the first time on its credentials are in the environment."""
    _bring_credentials()
    return server("moto").url


def raw(service: str, endpoint_url: str | None = None) -> Any:
    """Return a client of boto3 itself."""
    return new_client(service, region_name=REGION, endpoint_url=endpoint_url or endpoint())


def name_for(folder: Path) -> str:
    """Return the name of the table, or the prefix of the secrets, that belongs to a test's folder."""
    return f"test-{hashlib.sha256(str(folder).encode()).hexdigest()[:20]}"


def make_dynamodb(folder: Path, **options: Any) -> DynamoDBBackend:
    """Return a backend on a new table of its own."""
    _remove_at_exit(name_for(folder), remove_table)
    return reopen_dynamodb(folder, create=True, **options)


def reopen_dynamodb(folder: Path, **options: Any) -> DynamoDBBackend:
    """Return another handle on that table."""
    return DynamoDBBackend(name_for(folder), **_options(options))


def remove_table(name: str) -> None:
    """Delete a table."""
    with raw_client("dynamodb") as client:
        client.delete_table(TableName=name)


def make_secretsmanager(folder: Path, **options: Any) -> SecretsManagerBackend:
    """Return a backend on a new prefix of its own."""
    _remove_at_exit(name_for(folder), remove_secrets)
    return reopen_secretsmanager(folder, **options)


def reopen_secretsmanager(folder: Path, **options: Any) -> SecretsManagerBackend:
    """Return another handle on those secrets."""
    return SecretsManagerBackend(name_for(folder), **_options(options))


def remove_secrets(prefix: str) -> None:
    """Delete the secrets below a prefix."""
    with raw_client("secretsmanager") as client:
        for name in secret_names(client, prefix):
            client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def secret_names(client: Any, prefix: str) -> list[str]:
    """Return the names of the secrets below a prefix, sorted."""
    pages = client.get_paginator("list_secrets").paginate(Filters=[{"Key": "name", "Values": [f"{prefix}/"]}])
    return sorted(secret["Name"] for page in pages for secret in page["SecretList"])


@contextmanager
def raw_client(service: str) -> Iterator[Any]:
    """A client of boto3 itself, closed afterwards."""
    client = raw(service)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def requests_of(backend: Backend) -> Iterator[list[str]]:
    """Note the operations that a backend sends, by AWS's names for them."""
    client = backend._calls._client._open()  # type: ignore[attr-defined]
    sent: list[str] = []

    def note(model: Any, **_: Any) -> None:
        sent.append(model.name)

    client.meta.events.register("before-call", note)
    try:
        yield sent
    finally:
        client.meta.events.unregister("before-call", note)


def _options(given: dict[str, Any]) -> dict[str, Any]:
    # The timeout is for moto, which copies the whole table for each action of a transaction.
    return {"endpoint_url": endpoint(), "region": REGION, "timeout": 30, **given}


@lru_cache(maxsize=1)  # once: a test may take them away
def _bring_credentials() -> None:
    os.environ.update(CREDENTIALS)


def _remove_at_exit(name: str, remove: Callable[[str], None]) -> None:
    """A server of ours ends with everything in it; one that was given to us is left as it was."""
    if name not in _made and not isinstance(server("moto"), LocalMoto):
        atexit.register(remove, name)
    _made.add(name)
