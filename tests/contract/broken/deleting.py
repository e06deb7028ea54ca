"""Stores that are wrong about ids, and about deleting."""

from __future__ import annotations

from typing import Any

from tests.contract.broken.base import Broken, fails
from zoho_tokenstore import TokenRecord
from zoho_tokenstore.sdk._tokens import new_token


@fails("by-id-gives-all-fields", "save-sets-the-id")
class DropsTheDomain(Broken):
    def find_token_by_id(self, id: str) -> Any:  # noqa: A002
        token = super().find_token_by_id(id)
        if token is not None:
            token.set_api_domain(None)
        return token


@fails("by-id-of-a-missing-token", "by-id-never-guesses", "injections-do-nothing")
class InventsTokens(Broken):
    def find_token_by_id(self, id: str) -> Any:  # noqa: A002
        found = self.first(lambda row: row.id == id)
        return new_token(TokenRecord(id=id)) if found is None else super().find_token_by_id(id)


@fails("by-id-never-guesses")
class ReadsIdsAsNumbers(Broken):
    def find_token_by_id(self, id: str) -> Any:  # noqa: A002
        try:
            return super().find_token_by_id(str(int(id)))
        except ValueError:
            return super().find_token_by_id(id)


@fails("delete-by-id", "save-after-delete", "hostile-texts-come-back")
class DeletesNothing(Broken):
    def delete_token(self, id: str) -> None:  # noqa: A002
        pass


@fails("deleted-tokens-stay-deleted", "save-revives-no-id")
class RetiresNothing(Broken):
    def delete_token(self, id: str) -> None:  # noqa: A002
        super().delete_token(id)
        self.repository._backend.retired.prune(2**62)


@fails("delete-of-a-missing-token")
class RaisesOnDelete(Broken):
    def delete_token(self, id: str) -> None:  # noqa: A002
        if not self.repository.delete(id):
            raise LookupError("no such token")


@fails("delete-without-an-id")
class NoneDeletesAll(Broken):
    def delete_token(self, id: str) -> None:  # noqa: A002
        if not id:
            self.delete_tokens()
        else:
            super().delete_token(id)


@fails("delete-tokens", "handles-delete-for-all", "threads-may-use-a-store")
class ClearsNothing(Broken):
    def delete_tokens(self) -> None:
        pass


@fails("get-tokens-of-an-empty-store")
class NoneForNoTokens(Broken):
    def get_tokens(self) -> Any:
        return super().get_tokens() or None


@fails("get-tokens-gives-all")
class GivesSomeTokens(Broken):
    def get_tokens(self) -> list[Any]:
        return super().get_tokens()[1:]
