"""The contract of a backend, over both stores on AWS, played by moto."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws.support import make_dynamodb, make_secretsmanager, reopen_dynamodb, reopen_secretsmanager
from tests.aws.test_policies import TO_CREATE, allowed, needed
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import COLUMNS, Row
from zoho_tokenstore.testing import BackendContract
from zoho_tokenstore.testing._backend import assert_kept
from zoho_tokenstore.testing._hostile import STORABLE_TEXTS, short_id


class TestDynamoDB(BackendContract):
    @pytest.fixture(autouse=True)
    def _needs_no_more_than_the_policy(self, operations: set[str]) -> Iterator[None]:
        yield
        assert needed("dynamodb", operations - TO_CREATE) <= allowed("dynamodb")

    def make_backend(self, folder: Path) -> Backend:
        return make_dynamodb(folder)

    def reopen(self, backend: Backend, folder: Path) -> Backend:
        return reopen_dynamodb(folder)


class TestSecretsManager(BackendContract):
    @pytest.fixture(autouse=True)
    def _needs_no_more_than_the_policy(self, operations: set[str]) -> Iterator[None]:
        yield
        assert needed("secretsmanager", operations) <= allowed("secretsmanager")

    def make_backend(self, folder: Path) -> Backend:
        return make_secretsmanager(folder)

    def reopen(self, backend: Backend, folder: Path) -> Backend:
        return reopen_secretsmanager(folder)

    def test_hostile_texts_are_kept(self, backend: Backend) -> None:
        """Every hostile text is kept; a row of more than the 64 KB of a secret is refused as a whole."""
        for text in STORABLE_TEXTS.values():
            if len(text) * len(COLUMNS) < 65_536:
                assert_kept(backend, text)
            else:
                assert_too_long(backend, text)


def assert_too_long(backend: Backend, text: str) -> None:
    """Assert that a row full of a text is refused, and that the text is kept where it fits alone."""
    row = Row(**dict.fromkeys(COLUMNS, text))._replace(id=short_id(text))  # type: ignore[arg-type]
    with pytest.raises(BackendError, match=r"would take \d+ bytes, and AWS keeps at most 65536"):
        backend.write(row, expect=None)
    assert backend.load(row.id) is None
    assert list(backend.scan()) == []
    for column in (name for name in COLUMNS[1:] if len(text) < 20_000 and len(text.encode()) < 60_000):
        row = Row(f"{column} {len(text.encode())}")._replace(**{column: text})  # type: ignore[arg-type]
        backend.write(row, expect=None)
        loaded = backend.load(row.id)
        assert loaded is not None
        assert getattr(loaded, column) == text
        backend.remove(row.id)
