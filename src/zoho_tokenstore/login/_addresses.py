"""Addresses that come from a browser: none of them is followed unless it is known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from zoho_tokenstore.renewal._addresses import accounts_server, origin_of
from zoho_tokenstore.renewal._datacenters import of_accounts_server, of_location

_PATH: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
_LONGEST: Final = 2000


def safe_path(address: str | None, default: str = "/") -> str:
    """Return a path of this site, or `default` if the address leads elsewhere (an open redirect).

    Browsers read ``//host`` and ``/\\host`` as other hosts, and leave out tabs and line ends.
    """
    if address is None or len(address) > _LONGEST or not _PATH.fullmatch(address):
        return default
    return address


def exchange_server(asked: str, answer: Mapping[str, str]) -> str | None:
    """Return the accounts server where a code must be exchanged, that of the user's data centre.

    Arguments:
        asked: the server that the browser was sent to, or its token endpoint, as the SDK has it.
        answer: the parameters of the redirect. Anyone who sends a browser here can put any server there.

    Returns:
        the server; `None` if the redirect names an unknown one, which must not get the code.
    """
    named, location, own = answer.get("accounts-server"), answer.get("location"), accounts_server(asked)
    if of_accounts_server(own) is None:  # the local Zoho, or a proxy
        return asked if named is None or origin_of(named) == own else None
    if named is None and location is None:
        return own
    center = of_accounts_server(named) if named is not None else of_location(location or "")
    return None if center is None else center.accounts_url
