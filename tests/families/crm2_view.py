"""The store for SDK 2.0 and 2.1, seen as one for SDK 5 to 8."""

from __future__ import annotations

from typing import Any, ClassVar

from zcrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zcrmsdk.src.com.zoho.crm.api.dc.data_center import DataCenter
from zcrmsdk.src.com.zoho.crm.api.exception import SDKException
from zcrmsdk.src.com.zoho.crm.api.initializer import Initializer
from zcrmsdk.src.com.zoho.crm.api.user_signature import UserSignature

from tests.families.view import View
from zoho_tokenstore.sdk.crm2 import RepositoryStore


class AnyUser(UserSignature):  # type: ignore[misc]  # the SDK has no types
    """A user whose name need not be an address."""

    def __init__(self, name: str) -> None:
        self._name = name

    def get_email(self) -> str:
        return self._name


class CRM2View(View):
    """The user is passed beside the token, as the SDK does it."""

    sdk_exception: ClassVar[type[Exception]] = SDKException
    store: RepositoryStore

    def blank(self) -> Any:
        token = OAuthToken(id="the constructor insists on a key")
        token.set_id(None)
        return token

    def user_of(self, token: Any) -> str | None:
        mail: str | None = token.get_user_mail()
        return mail

    def put_user(self, token: Any, name: str | None) -> None:
        token.set_user_mail(name)

    def work_at(self, api_domain: str | None) -> None:
        initializer = Initializer()
        initializer.environment = DataCenter.Environment(api_domain, None, None, "test")
        Initializer.LOCAL.init = None if api_domain is None else initializer

    def find(self, token: Any) -> Any:
        return self.store.get_token(self._user(token), token)

    def save(self, token: Any) -> None:
        self.store.save_token(self._user(token), token)

    def delete(self, token_id: Any) -> None:
        token = self.blank()
        token.set_id(token_id)
        self.store.delete_token(token)

    def by_id(self, token_id: Any) -> Any:
        return self.store.get_token_by_id(token_id, self.blank())

    def _user(self, token: Any) -> Any:
        name = self.user_of(token) if isinstance(token, OAuthToken) else None
        return None if name is None else AnyUser(name)
