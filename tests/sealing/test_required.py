"""What is said when a store is opened: that there must be keys, and that clear rows are accepted."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.sealing.support import ALICE, NEW, OLD, repository, rows
from zoho_tokenstore import (
    ConfigurationError,
    Keyset,
    ListStore,
    SQLiteStore,
    TokenRepository,
    open_repository,
)
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.sealing import _cipher
from zoho_tokenstore.sealing._format import is_sealed
from zoho_tokenstore.sealing._sources import VARIABLE


class TestRequired:
    @pytest.mark.usefixtures("no_keys")
    def test_a_store_without_its_keys_is_not_opened(self, tmp_path: Path) -> None:
        """The variable did not arrive: nothing is ever stored in clear."""
        with pytest.raises(ConfigurationError, match=f"required for list://.*{VARIABLE} is not set"):
            TokenRepository(ListBackend(), keys="required")
        for open_ in (
            lambda: SQLiteStore(tmp_path / "tokens.db", keys="required"),
            lambda: ListStore(keys="required"),
            lambda: open_repository("list://", keys="required"),
        ):
            with pytest.raises(ConfigurationError, match="required"):
                open_()

    @pytest.mark.parametrize("value", ["", " ", "ztk1_", "1234"])
    def test_a_variable_without_a_key_is_none(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        """Set and empty is how a key looks that did not arrive."""
        monkeypatch.setenv(VARIABLE, value)
        with pytest.raises(ConfigurationError):
            TokenRepository(ListBackend(), keys="required")

    def test_with_them_it_seals(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """They are those of the variable."""
        monkeypatch.setenv(VARIABLE, OLD.to_text())
        backend = ListBackend()
        saved = TokenRepository(backend, keys="required").save(ALICE)
        assert is_sealed(rows(backend)[0].client_secret or "")
        assert repository(backend, OLD).get(saved.id or "") == saved

    @pytest.mark.clear
    @pytest.mark.usefixtures("no_keys")
    def test_without_being_asked_there_need_be_none(self) -> None:
        """Sealing is a choice: no keys, and no variable, is a store in clear."""
        backend = ListBackend()
        TokenRepository(backend).save(ALICE)
        assert rows(backend)[0].client_secret == ALICE.client_secret


class TestClearAccepted:
    @pytest.fixture(autouse=True)
    def _nothing_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_cipher, "_told_of_clear", set())

    @pytest.mark.parametrize("keys", [[OLD, "clear"], ["clear", OLD], [NEW, "clear", OLD]])
    def test_it_is_told_at_opening(
        self, caplog: pytest.LogCaptureFixture, keys: list[object], tmp_path: Path
    ) -> None:
        """Once for each store, with its place and what to do; not again for each time it is opened."""
        for _ in range(3):
            TokenRepository(ListBackend(), keys=Keyset(keys))  # type: ignore[arg-type]
            SQLiteStore(tmp_path / "tokens.db", keys=Keyset(keys))  # type: ignore[arg-type]
        told = [record for record in caplog.records if record.name == "zoho_tokenstore"]
        assert [record.levelno for record in told] == [logging.WARNING] * 2
        assert "list://" in told[0].getMessage()
        assert "tokens.db" in told[1].getMessage()
        assert "Remove 'clear' when all rows are sealed" in told[0].getMessage()

    def test_without_it_nothing_is_told(self, caplog: pytest.LogCaptureFixture) -> None:
        """A store that only seals has nothing to warn of."""
        TokenRepository(ListBackend(), keys=Keyset([NEW, OLD]))
        assert caplog.records == []
