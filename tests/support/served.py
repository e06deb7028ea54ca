"""What it means that a table is served whole: each row is a token or told, and logins are kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from zoho_tokenstore.backend import Backend
from zoho_tokenstore.errors import UnreadableRowError
from zoho_tokenstore.records import Row, TokenRecord, UnreadableRow
from zoho_tokenstore.repository import TokenRepository


def check_served(open_: Callable[[], Backend], count: Callable[[], int]) -> None:
    """List, find, save, renew and delete beside the rows that are there; a second handle sees it all.

    Arguments:
        open_: opens the store.
        count: how many rows another program counts.
    """
    total, backend = count(), open_()
    with TokenRepository(backend) as tokens:
        bad = _check_all(tokens, backend, total)
        saved = [_log_in(tokens, name) for name in ("new@zylker.example", "second")]
        assert _check_all(tokens, backend, total + 2) == bad
        renewed = [_renewed(tokens, record.id) for record in saved]
        other = open_()
        with TokenRepository(other) as again:
            assert _check_all(again, other, total + 2) == bad
        for row in [row for row in backend.scan() if isinstance(row, Row)]:
            _renewed(tokens, row.id)
        assert tokens.delete(renewed[0].id or "")
        assert tokens.get(renewed[0].id or "") is None
        assert _check_all(tokens, backend, total + 1) == bad


def _log_in(tokens: TokenRepository, name: str) -> TokenRecord:
    record = TokenRecord(
        user_name=name, client_id="c2", refresh_token=f"r {name}", access_token=f"a {name}", expires_at_ms=1
    )
    tokens.prove_writable(record)
    saved = tokens.save(record)
    assert tokens.find(TokenRecord(user_name=name)) == saved
    return saved


def _renewed(tokens: TokenRepository, row_id: str | None) -> TokenRecord:
    renewed = tokens.save(TokenRecord(id=row_id, access_token="x" * 300, expires_at_ms=1700000000001))
    assert tokens.find(TokenRecord(id=row_id)) == renewed
    return renewed


def _check_all(tokens: TokenRepository, backend: Backend, total: int) -> list[UnreadableRow]:
    """Each row is listed, and found by its id and name, or it is told; return those that are told."""
    listed = tokens.scan()
    records = list(listed)
    assert len(records) + len(listed.unreadable) == total
    for record in records:
        assert record.id is not None
        assert tokens.get(record.id) == record
        if record.user_name:
            assert record.id in [row.id for row in backend.find("user_name", record.user_name)]
    for row in listed.unreadable:
        with pytest.raises(UnreadableRowError):
            backend.load(row.id)
    return listed.unreadable
