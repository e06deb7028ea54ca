"""All of boto3 that we use. It has no types, so mypy is silenced once, here."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from boto3.session import Session  # type: ignore[import-untyped]
from botocore import exceptions  # type: ignore[import-untyped]
from botocore import session as core
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]

__all__ = [
    "BotoCoreError",
    "ClientError",
    "Config",
    "ResponseParserError",
    "exceptions",
    "is_session",
    "new_client",
]


def new_client(service: str, session: Any = None, **options: Any) -> Any:
    """Return a client of a session; by default of a new one, which looks for credentials again."""
    if isinstance(session, core.Session):
        return session.create_client(service, **options)
    return (session or _new_session()).client(service, **options)


def is_session(value: object) -> bool:
    """Return whether this is a boto3 or botocore session."""
    return isinstance(value, Session | core.Session)


def _new_session() -> Session:
    session = core.get_session()
    session.register_component("data_loader", _loader())
    return Session(botocore_session=session)


@lru_cache(maxsize=1)
def _loader() -> Any:
    """Return the loader of boto3's service descriptions: loading takes a tenth of a second per client."""
    return core.get_session().get_component("data_loader")
