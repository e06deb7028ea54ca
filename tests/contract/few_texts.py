"""The clauses about many texts with a few of them, for stores over a backend that has proven them all."""

from __future__ import annotations

from typing import Any, Final

import pytest

from zoho_tokenstore.testing import TokenStoreContract

FEW_TEXTS: Final = ("NUL", "NFD", "very long and wide")
FEW_PAIRS: Final = ("case", "NFC and NFD", "NUL at the end", "long with one difference")
FEW_INJECTIONS: Final = ("SQL text condition", "glob", "document query", "path")


class FewTexts(TokenStoreContract):
    """Mixed in before a contract."""

    @pytest.mark.parametrize("name", FEW_TEXTS)
    def test_hostile_texts_come_back(self, store: Any, name: str) -> None:
        super().test_hostile_texts_come_back(store, name)

    @pytest.mark.parametrize("pair", FEW_PAIRS)
    @pytest.mark.parametrize("field", ["id", "user_name", "access_token"])
    def test_lookalikes_are_different(self, store: Any, field: str, pair: str) -> None:
        super().test_lookalikes_are_different(store, field, pair)

    @pytest.mark.parametrize("pair", FEW_PAIRS)
    @pytest.mark.parametrize("key", ["refresh_token", "grant_token"])
    def test_lookalike_credentials_are_different(self, store: Any, key: str, pair: str) -> None:
        super().test_lookalike_credentials_are_different(store, key, pair)

    @pytest.mark.parametrize("name", FEW_INJECTIONS)
    def test_injections_do_nothing(self, store: Any, name: str) -> None:
        super().test_injections_do_nothing(store, name)

    @pytest.mark.parametrize("name", FEW_INJECTIONS)
    def test_injections_are_saved_as_text(self, store: Any, name: str) -> None:
        super().test_injections_are_saved_as_text(store, name)
