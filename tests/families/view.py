"""The stores of other SDKs, seen as those of the CRM SDK 5 to 8: so the contract of these runs over them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature

from zoho_tokenstore.sdk._base_store import BaseStore
from zoho_tokenstore.testing import fields_of, make_token
from zoho_tokenstore.testing._tokens import FIELDS, Fields, OAuthToken, SDKException

_OWN = [name for name in FIELDS if name not in ("user_name", "api_domain")]
"""The fields with the same accessors in every SDK."""


class View(ABC):
    """The six methods since SDK 5, over a store of another SDK.

    A token's API domain, which these SDKs' tokens cannot hold, is that of the SDK's environment
    during the call; of a token that is found, it is the row's.
    """

    sdk_exception: ClassVar[type[Exception]]

    def __init__(self, store: BaseStore) -> None:
        self.store = store

    @abstractmethod
    def blank(self) -> Any:
        """Return a token of the SDK without any field."""

    @abstractmethod
    def user_of(self, token: Any) -> str | None: ...
    @abstractmethod
    def put_user(self, token: Any, name: str | None) -> None: ...
    @abstractmethod
    def work_at(self, api_domain: str | None) -> None:
        """Let the SDK work in an environment, or in none."""

    @abstractmethod
    def find(self, token: Any) -> Any: ...
    @abstractmethod
    def save(self, token: Any) -> None: ...
    @abstractmethod
    def delete(self, token_id: Any) -> None: ...
    @abstractmethod
    def by_id(self, token_id: Any) -> Any: ...

    def find_token(self, token: Any) -> Any:
        with self._calling(token):
            theirs = self._theirs(token)
            found = self.find(theirs)
        if found is not None:
            self._put(token, found)
        return None if found is None else token

    def save_token(self, token: Any) -> None:
        with self._calling(token):
            theirs = self._theirs(token)
            self.save(theirs)
        domain = token.get_api_domain()
        self._put(token, theirs)
        token.set_api_domain(domain)

    def delete_token(self, token_id: Any) -> None:
        with self._calling():
            self.delete(token_id)

    def get_tokens(self) -> list[Any]:
        with self._calling():
            return [self._ours(token) for token in self.store.get_tokens()]

    def delete_tokens(self) -> None:
        with self._calling():
            self.store.delete_tokens()

    def find_token_by_id(self, token_id: Any) -> Any:
        with self._calling():
            found = self.by_id(token_id)
        return None if found is None else self._ours(found)

    def close(self) -> None:
        self.store.close()

    @contextmanager
    def _calling(self, token: Any = None) -> Iterator[None]:
        self.work_at(token.get_api_domain() if isinstance(token, OAuthToken) else None)
        try:
            yield
        except self.sdk_exception as error:
            raise SDKException(str(error)) from error
        finally:
            self.work_at(None)

    def _theirs(self, token: Any) -> Any:
        """Return a token of the SDK with the same fields; what is none, as it is."""
        if not isinstance(token, OAuthToken):
            return token
        theirs, fields = self.blank(), fields_of(token)
        for name in _OWN:
            getattr(theirs, f"set_{name}")(fields[name])
        self.put_user(theirs, fields["user_name"])
        return theirs

    def _ours(self, theirs: Any) -> Any:
        token = make_token()
        self._put(token, theirs)
        return token

    def _put(self, token: Any, theirs: Any) -> None:
        assert isinstance(theirs, self.store.family.token_class)
        fields: Fields = {name: getattr(theirs, f"get_{name}")() for name in _OWN}
        for name, value in fields.items():
            getattr(token, f"set_{name}")(value)
        user = self.user_of(theirs)
        token.set_user_signature(None if user is None else UserSignature(user))
        if not token.get_api_domain():
            record = self.store.repository.get(fields["id"])
            token.set_api_domain(None if record is None else record.api_domain)
