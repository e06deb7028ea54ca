"""The store for Zoho's Office Integrator SDK.

It is a `TokenStore` with the six methods of that SDK. What they raise is also its `SDKException`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

from zoho_tokenstore._arguments import checked
from zoho_tokenstore._options import StoreOptions
from zoho_tokenstore.errors import MissingDependencyError
from zoho_tokenstore.registry import open_as
from zoho_tokenstore.renewal._steps import Origin
from zoho_tokenstore.sdk._family import Family
from zoho_tokenstore.sdk._six_methods import SixMethods
from zoho_tokenstore.sdk._twins import make_twins

try:
    from officeintegrator.src.com.zoho.api.authenticator.oauth2 import OAuth2
    from officeintegrator.src.com.zoho.api.authenticator.store import TokenStore
    from officeintegrator.src.com.zoho.officeintegrator.exception import SDKException
    from officeintegrator.src.com.zoho.officeintegrator.initializer import Initializer
    from officeintegrator.src.com.zoho.officeintegrator.user_signature import UserSignature
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        f"Zoho's Office Integrator SDK for Python cannot be imported: {error}. Install it with: "
        "pip install office-integrator-sdk legacy-cgi (the latter for Python 3.13 and newer)."
    ) from error

__all__ = ["RepositoryStore", "open_store"]


class OfficeIntegratorFamily(Family):
    """The Office Integrator SDK. Each of its tokens knows its accounts server."""

    def origin(self, token: Any = None) -> Origin:
        """Return where the SDK would send its own requests for a token now, in this thread.

        Without a token: for the first that it was initialized with.
        """
        initializer = Initializer.get_initializer()
        environment = None if initializer is None else initializer.environment
        tokens = [token] if token is not None else getattr(initializer, "tokens", None) or []
        schemas = (each.get_authentication_schema() for each in tokens if isinstance(each, OAuth2))
        accounts_url = next((schema.get_token_url() for schema in schemas if schema is not None), None)
        api_domain = None if environment is None else environment.get_url()
        return Origin(accounts_url, api_domain, may_move=False)


class RepositoryStore(SixMethods, TokenStore):  # type: ignore[misc]  # the SDK has no types
    """A `TokenStore` for Zoho's Office Integrator SDK.

    It may be shared by all threads. Its six methods raise what is both an `SDKException` and one of
    `zoho_tokenstore.errors`; besides those they name: `BackendError` if the storage fails,
    `InvalidTokenError` for anything that is not an `OAuth2`, or not an id.

    The arguments and errors are those of `zoho_tokenstore.RepositoryStore`.
    """

    family: ClassVar[Family] = OfficeIntegratorFamily(
        "officeintegrator", OAuth2, UserSignature, OAuth2.get_token, make_twins(SDKException, __name__)
    )


@checked
def open_store(url: str | None = None, **options: Unpack[StoreOptions]) -> RepositoryStore:
    """Open the tokens at a URL as a `TokenStore` for the Office Integrator SDK.

    The arguments and errors are those of `zoho_tokenstore.open_store`.
    """
    return open_as(RepositoryStore, url, **options)
