"""The installed SDK: the names we use of it, and where its versions differ.

Every release from 5.0 on installs the same package `zohocrmsdk`, so there is one of them at most.
docs/explanation/sdk-behaviour.md tells what was seen of each.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

from zoho_tokenstore.errors import MissingDependencyError

try:
    from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
    from zohocrmsdk.src.com.zoho.api.authenticator.store import TokenStore
    from zohocrmsdk.src.com.zoho.crm.api.exception import SDKException
    from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        "Zoho's CRM SDK for Python (5.0 or newer) is not installed. Install the one you use, for example "
        "with: pip install zohocrmsdk8-0. Without it, use zoho_tokenstore.open_repository()."
    ) from error

__all__ = ["ACCEPTS_MISSING_ID", "OAuthToken", "SDKException", "TokenStore", "UserSignature"]


def _accepts_missing_id() -> bool:
    try:
        return int(version("zohocrmsdk8-0").partition(".")[0]) >= 7
    except (PackageNotFoundError, ValueError):
        return False


ACCEPTS_MISSING_ID: Final = _accepts_missing_id()
"""Whether `find_token_by_id` may answer `None`: in SDK 8.0 from release 7.0.0 on. Older ones fail on it."""
