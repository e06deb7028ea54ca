"""What the tests of the stores on AWS share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.aws import support
from tests.aws.between import Between
from zoho_tokenstore.backends._aws import driver
from zoho_tokenstore.backends.dynamodb import DynamoDBBackend
from zoho_tokenstore.backends.secretsmanager import SecretsManagerBackend


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dynamodb(tmp_path: Path) -> Iterator[DynamoDBBackend]:
    """A backend on a new table."""
    backend = support.make_dynamodb(tmp_path)
    yield backend
    backend.close()


@pytest.fixture
def secretsmanager(tmp_path: Path) -> Iterator[SecretsManagerBackend]:
    """A backend on new secrets."""
    backend = support.make_secretsmanager(tmp_path)
    yield backend
    backend.close()


@pytest.fixture
def between() -> Iterator[Between]:
    """A proxy in front of the shared server."""
    with Between(support.endpoint()) as proxy:
        yield proxy


@pytest.fixture
def far_dynamodb(dynamodb: DynamoDBBackend, tmp_path: Path, between: Between) -> Iterator[DynamoDBBackend]:
    """Another handle on the table of `dynamodb`, behind the proxy."""
    backend = support.reopen_dynamodb(tmp_path, endpoint_url=between.url)
    between.seen.clear()
    yield backend
    backend.close()


@pytest.fixture
def far_secretsmanager(
    secretsmanager: SecretsManagerBackend, tmp_path: Path, between: Between
) -> Iterator[SecretsManagerBackend]:
    """Another handle on the secrets of `secretsmanager`, behind the proxy."""
    backend = support.reopen_secretsmanager(tmp_path, endpoint_url=between.url)
    between.seen.clear()
    yield backend
    backend.close()


@pytest.fixture
def operations(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The operations that all backends made in this test have sent, by AWS's names."""
    sent: set[str] = set()
    original = driver.new_client

    def new_client(*args: Any, **options: Any) -> Any:
        client = original(*args, **options)
        client.meta.events.register("before-call", lambda model, **_: sent.add(model.name))
        return client

    monkeypatch.setattr("zoho_tokenstore.backends._aws.client.new_client", new_client)
    return sent
