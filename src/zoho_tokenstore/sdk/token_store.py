"""The six methods of Zoho's `TokenStore`, over a repository."""

from __future__ import annotations

from typing import Any, Final, Self

from zoho_tokenstore import matching
from zoho_tokenstore.errors import TokenNotFoundError
from zoho_tokenstore.records import REMEMBERED, TokenRecord
from zoho_tokenstore.repository import TokenRepository
from zoho_tokenstore.sdk import tokens
from zoho_tokenstore.sdk._zoho import ACCEPTS_MISSING_ID, SDKException, TokenStore


class SDKTokenNotFoundError(TokenNotFoundError, SDKException):  # type: ignore[misc]  # the SDK has no types
    """No token has this id. It is an `SDKException`, as in the SDK's own stores."""

    def __init__(self, token_id: str) -> None:
        SDKException.__init__(
            self, code="TOKEN_STORE", message=f"There is no token with the id {token_id!r}. Log in again."
        )


class RepositoryStore(TokenStore):  # type: ignore[misc]  # the SDK has no types
    """A `TokenStore` for Zoho's CRM SDK 5.0, 6.0, 7.0 and 8.0.

    It may be shared by all threads. What its methods raise beside what they name: `BackendError`
    if the storage fails, `InvalidTokenError` for anything that is no `OAuthToken`.
    """

    def __init__(self, repository: TokenRepository) -> None:
        self.repository: Final = repository
        # The repository hands out the same record while nobody changed it: then its token holds too.
        self._known: dict[str, tuple[TokenRecord, dict[str, Any]]] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.repository.location!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def find_token(self, token: Any) -> Any:
        """Return the passed token with its missing fields filled from the store, or `None`.

        Which stored token is meant: docs/explanation/matching.md. The caller's own fields stay.
        """
        query = tokens.record_of(token)
        found = self.repository.find(query)
        if found is None:
            return None
        tokens.put(matching.fill(query, found), token)
        return token

    def save_token(self, token: Any) -> None:
        """Insert the token or update its owner's row, and set the id of the passed token.

        Raises:
            ConflictError: the token's id is that of another user or client.
        """
        saved = self.repository.save(tokens.record_of(token))
        token.set_id(saved.id)

    def delete_token(self, id: str) -> None:  # noqa: A002  # the SDK's name
        """Delete the token with this id; if there is none, nothing happens."""
        self.repository.delete(id)

    def get_tokens(self) -> list[Any]:
        """Return all tokens."""
        return [tokens.new_token(record) for record in self.repository.scan()]

    def delete_tokens(self) -> None:
        """Delete all tokens, in one step."""
        self.repository.clear()

    def find_token_by_id(self, id: str) -> Any:  # noqa: A002  # the SDK's name
        """Return a new token with all stored fields.

        If there is none, the answer is `None` where the installed SDK goes on with the caller's
        own credentials (8.0 from release 7.0.0 on).

        Raises:
            SDKTokenNotFoundError: there is none, and the installed SDK cannot take `None`.
        """
        record = self.repository.get(id)
        if record is not None:
            return tokens.token_with(self._attributes(record, id))
        if ACCEPTS_MISSING_ID:
            return None
        raise SDKTokenNotFoundError(id)

    def close(self) -> None:
        """Close the store. It cannot be used afterwards."""
        self.repository.close()
        self._known.clear()

    def _attributes(self, record: TokenRecord, token_id: str) -> dict[str, Any]:
        known = self._known.get(token_id)
        if known is not None and known[0] is record:
            return known[1]
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        attributes = tokens.attributes_of(record)
        self._known[token_id] = (record, attributes)
        return attributes
