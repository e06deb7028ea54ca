"""What a converted memory store still holds in its pages."""

from __future__ import annotations

import pytest

from zoho_tokenstore.backends.memory import MemoryBackend
from zoho_tokenstore.backends.sqlite._connections import SQLiteHandle
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.repository import TokenRepository
from zoho_tokenstore.sealing import Keyset, SealingKey, reseal
from zoho_tokenstore.sealing._keyset import CLEAR


@pytest.mark.clear
def test_nothing_clear_is_left() -> None:
    """After a conversion no page of the database has a clear secret, nor what was deleted before."""
    backend = MemoryBackend()
    clear = TokenRepository(backend)
    secrets = []
    for number in range(300):
        one, two = (f"1000.{number:032x}.{number + start:032x}" for start in (7, 1000))
        saved = clear.save(
            TokenRecord(user_name=f"user{number}", client_id="c", refresh_token=one, access_token=two)
        )
        secrets += [one, two]
        if number % 3 == 0:
            clear.delete(saved.id or "")
    assert secrets[-1].encode() in image(backend)
    key = SealingKey.generate()
    reseal(backend, Keyset([key, CLEAR]))
    assert len(list(TokenRepository(backend, keys=[key]).scan())) == 200
    left = image(backend)
    assert not [secret for secret in secrets if secret.encode() in left]


def image(backend: MemoryBackend) -> bytes:
    """Return all pages of the database."""
    return backend._connections.run(_image)


def _image(handle: SQLiteHandle) -> bytes:
    return handle.open().serialize()
