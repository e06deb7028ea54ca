"""The six methods of Zoho's `TokenStore`, as the SDKs have them since 5.0."""

from __future__ import annotations

from typing import Any

from zoho_tokenstore.errors import TokenStoreError
from zoho_tokenstore.records import not_an_id
from zoho_tokenstore.sdk._base_store import BaseStore
from zoho_tokenstore.sdk._twins import raises_sdk_errors, to_sdk_error


class SixMethods(BaseStore):
    """The six methods, over a repository."""

    @raises_sdk_errors
    def find_token(self, token: Any) -> Any:
        """Return the passed token with its missing fields filled from the store, or `None`.

        Which stored token is meant: docs/explanation/matching.md. The caller's own fields stay. If there
        is none, and the SDK asks for a token with a code or a refresh token, it is logged in with
        that.
        """
        found = self._find(self.family.record_of(token), token)
        if found is None:
            return None
        self.family.put(found, token)
        return token

    @raises_sdk_errors
    def save_token(self, token: Any) -> None:
        """Insert the token or update its owner's row, and set the id of the passed token.

        Raises:
            ConflictError: the token's id belongs to another user or client.
        """
        self._save(self.family.record_of(token), token)

    @raises_sdk_errors
    def delete_token(self, id: str) -> None:  # noqa: A002  # the SDK's name
        """Delete the token with this id; if there is none, nothing happens."""
        if not isinstance(id, str):
            raise not_an_id(id, "delete_token")
        self._delete(id)

    def find_token_by_id(self, id: str) -> Any:  # noqa: A002  # the SDK's name
        """Return a new token with all stored fields.

        If there is none, but the SDK asks for its own token with a code or a refresh token,
        that is logged in under this id. Otherwise the answer is `None` if the installed SDK continues with
        the caller's own access token (8.0 from release 7.0.0 on).

        Raises:
            SDKTokenNotFoundError: there is none, and nothing to log in with.
            SDKRetiredIdError: a token with this id was deleted. The code was not used.
        """
        try:  # as in `raises_sdk_errors`, with one call less: this runs before every API call
            if not isinstance(id, str):
                raise not_an_id(id, "find_token_by_id")
            return self._by_id(id)
        except TokenStoreError as error:
            raise to_sdk_error(error, self.family.twins) from error.__cause__
