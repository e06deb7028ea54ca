"""The options that the public constructors and functions share, with their types."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from zoho_tokenstore._matching import SpentCodes
    from zoho_tokenstore._policies import RefreshPolicy, SessionPolicy
    from zoho_tokenstore._util.clock import Clock
    from zoho_tokenstore.events import OnEvent
    from zoho_tokenstore.sealing import KeysArg


class RepositoryOptions(TypedDict, total=False):
    """Those of `TokenRepository`."""

    keys: KeysArg | None
    spent_codes: SpentCodes
    on_event: OnEvent | None
    audit: bool | None
    clock: Clock


class StoreOptions(RepositoryOptions, total=False):
    """Those of every store."""

    refresh: RefreshPolicy | None
    sessions: SessionPolicy | None
    spool: str | os.PathLike[str] | None


class TokensOptions(RepositoryOptions, total=False):
    """Those of `open_tokens`."""

    refresh: RefreshPolicy
    sessions: SessionPolicy | None
    spool: str | os.PathLike[str] | None
    accounts_url: str | None


class RedisConnectionOptions(TypedDict, total=False):
    """Those of redis-py for TLS, and the login of the Sentinels, if they have their own."""

    ssl_ca_certs: str | os.PathLike[str] | None
    ssl_ca_path: str | os.PathLike[str] | None
    ssl_certfile: str | os.PathLike[str] | None
    ssl_keyfile: str | os.PathLike[str] | None
    ssl_password: str | None
    ssl_cert_reqs: Any
    ssl_check_hostname: bool | None
    sentinel_username: str | None
    sentinel_password: str | None


class RedisStoreOptions(StoreOptions, RedisConnectionOptions, total=False):
    """Those of `RedisStore`, besides its own."""


def split(options: Mapping[str, Any], kind: type) -> tuple[Any, Any]:
    """Return the options of one kind, and all others."""
    mine = {name: value for name, value in options.items() if name in kind.__annotations__}
    return mine, {name: value for name, value in options.items() if name not in mine}
