"""Stores that understand, cut or fold texts."""

from __future__ import annotations

import unicodedata
from fnmatch import fnmatchcase
from typing import Any

from tests.contract.broken.base import Broken, fails
from zoho_tokenstore import TokenRecord
from zoho_tokenstore.sdk._tokens import put, record_of
from zoho_tokenstore.testing import fields_of, make_token
from zoho_tokenstore.testing._tokens import FIELDS


@fails("hostile-texts-come-back", "lookalikes-are-different", "lookalike-credentials-are-different")
class FoldsTexts(Broken):
    def find_token(self, token: Any) -> Any:
        return super().find_token(self._folded(token))

    def save_token(self, token: Any) -> None:
        super().save_token(self._folded(token))

    def _folded(self, token: Any) -> Any:
        record = record_of(token)
        texts: dict[str, Any] = {name: getattr(record, name) for name in FIELDS if name != "expires_in"}
        for name, text in texts.items():
            texts[name] = text and unicodedata.normalize("NFKC", text).casefold().strip()
        put(TokenRecord(**texts), token)
        return token


@fails("lone-surrogates-are-refused")
class DropsSurrogates(Broken):
    def save_token(self, token: Any) -> None:
        fields = fields_of(token).items()
        clean = make_token(**{n: t and t.encode("utf-8", "ignore").decode() for n, t in fields})
        super().save_token(clean)
        token.set_id(clean.get_id())


@fails("injections-do-nothing", "injections-are-saved-as-text", "by-id-never-guesses")
class TakesPatterns(Broken):
    def find_token(self, token: Any) -> Any:
        record = record_of(token)
        pattern = (record.user_name or "").replace("%", "*")
        if not pattern or record.id:
            return super().find_token(token)
        found = [row for row in self.rows if fnmatchcase(row.user_name or "", pattern)]
        others = [row for row in found if row.user_name != record.user_name]
        return self.filled(token, next(iter(others or found), None))

    def find_token_by_id(self, id: str) -> Any:  # noqa: A002
        found = self.first(lambda row: fnmatchcase(row.id, id))
        return super().find_token_by_id(id if found is None else found.id)
