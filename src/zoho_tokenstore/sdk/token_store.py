"""The six methods of Zoho's `TokenStore`, over a repository."""

from __future__ import annotations

from typing import Any, Final, Self

from zoho_tokenstore import matching
from zoho_tokenstore.coordinator import Coordinator
from zoho_tokenstore.errors import AccountsError, TokenNotFoundError
from zoho_tokenstore.policies import RefreshPolicy
from zoho_tokenstore.records import Recent, TokenRecord
from zoho_tokenstore.repository import TokenRepository
from zoho_tokenstore.sdk import tokens
from zoho_tokenstore.sdk._zoho import ACCEPTS_MISSING_ID, SDKException, TokenStore, is_asked_by_sdk
from zoho_tokenstore.sdk.failures import sdk_error


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

    def __init__(self, repository: TokenRepository, *, refresh: RefreshPolicy | None = None) -> None:
        self.repository: Final = repository
        policy = refresh or RefreshPolicy()
        self._service = (
            Coordinator(repository, policy, is_refresher=is_asked_by_sdk) if policy.enabled else repository
        )
        # The repository hands out the same record while nobody changed it: then its token holds too.
        self._known: Recent[tuple[TokenRecord, Any]] = Recent()

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
        try:
            found = self._service.find(query)
        except AccountsError as error:
            raise sdk_error(error) from error
        if found is None:
            return None
        tokens.put(matching.fill(query, found), token)
        return token

    def save_token(self, token: Any) -> None:
        """Insert the token or update its owner's row, and set the id of the passed token.

        Raises:
            ConflictError: the token's id is that of another user or client.
        """
        given = tokens.record_of(token)
        saved = self._service.save(given)
        token.set_id(saved.id)
        if given.access_token not in (None, saved.access_token):  # another process's newer one stays
            tokens.put(saved, token)

    def delete_token(self, id: str) -> None:  # noqa: A002  # the SDK's name
        """Delete the token with this id; if there is none, nothing happens."""
        self._service.delete(id)

    def get_tokens(self) -> list[Any]:
        """Return all tokens."""
        return [tokens.new_token(record) for record in self.repository.scan()]

    def delete_tokens(self) -> None:
        """Delete all tokens, in one step where the storage can."""
        self._service.clear()

    def find_token_by_id(self, id: str) -> Any:  # noqa: A002  # the SDK's name
        """Return a new token with all stored fields.

        If there is none, the answer is `None` where the installed SDK goes on with the caller's
        own credentials (8.0 from release 7.0.0 on).

        Raises:
            SDKTokenNotFoundError: there is none, and the installed SDK cannot take `None`.
        """
        try:
            record = self._service.get(id)
        except AccountsError as error:
            raise sdk_error(error) from error
        if record is not None:
            return self._token(record, id)
        if ACCEPTS_MISSING_ID:
            return None
        raise SDKTokenNotFoundError(id)

    def close(self) -> None:
        """Close the store. It cannot be used afterwards."""
        if isinstance(self._service, Coordinator):
            self._service.close()
        self.repository.close()
        self._known.clear()

    def _token(self, record: TokenRecord, token_id: str) -> Any:
        known = self._known.get(token_id)
        if known is not None and known[0] is record:
            return tokens.copy_of(known[1])
        token = tokens.new_token(record)
        if self._known.is_asked_again(token_id):
            self._known.keep(token_id, (record, tokens.copy_of(token)))
        return token
