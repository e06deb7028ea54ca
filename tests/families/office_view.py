"""The store for Office Integrator, seen as one for the CRM SDK."""

from __future__ import annotations

from typing import Any, ClassVar

from officeintegrator.src.com.zoho.api.authenticator.oauth2 import OAuth2
from officeintegrator.src.com.zoho.officeintegrator.dc import DataCenter
from officeintegrator.src.com.zoho.officeintegrator.exception import SDKException
from officeintegrator.src.com.zoho.officeintegrator.initializer import Initializer
from officeintegrator.src.com.zoho.officeintegrator.user_signature import UserSignature

from tests.families.view import View
from zoho_tokenstore.sdk.office_integrator import RepositoryStore


class OfficeView(View):
    """The methods are the same; the tokens are not."""

    sdk_exception: ClassVar[type[Exception]] = SDKException
    store: RepositoryStore

    def blank(self) -> Any:
        token = OAuth2(id="the constructor insists on a key")
        token.set_id(None)
        return token

    def user_of(self, token: Any) -> str | None:
        signature = token.get_user_signature()
        return None if signature is None else signature.get_name()

    def put_user(self, token: Any, name: str | None) -> None:
        token.set_user_signature(None if name is None else UserSignature(name))

    def work_at(self, api_domain: str | None) -> None:
        initializer = Initializer()
        initializer.environment = DataCenter.Production(api_domain or "")
        Initializer.LOCAL.init = None if api_domain is None else initializer

    def find(self, token: Any) -> Any:
        found = self.store.find_token(token)
        assert found in (None, token)
        return found

    def save(self, token: Any) -> None:
        self.store.save_token(token)

    def delete(self, token_id: Any) -> None:
        self.store.delete_token(token_id)

    def by_id(self, token_id: Any) -> Any:
        return self.store.find_token_by_id(token_id)
