"""Which logins a job is about."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.records import TokenRecord, is_user
from zoho_tokenstore.renewal._datacenters import as_listed


@dataclass(frozen=True, kw_only=True)
class LoginFilter:
    """Some logins of a store: those that fit everything that is given.

    Arguments:
        token_ids: their ids.
        user_name: the user's name, or the e-mail address at its beginning.
        client_id: the OAuth client.
        api_domain: the API domain, in any spelling; a short code, such as `eu`, names production.
        organization: the id of a Zoho organisation (`zgid`). It is part of the user name that Zoho's answer
            gives a login, `<e-mail>:<zgid>`, and of a self client's, `<service>.<zgid>`; a login named
            otherwise by its application is in no organisation.
        everything: all logins; it cannot be combined.

    Raises:
        ConfigurationError: nothing is given: it would mean all logins; or `everything` is combined.
    """

    token_ids: tuple[str, ...] | None = None
    user_name: str | None = None
    client_id: str | None = None
    api_domain: str | None = None
    organization: str | None = None
    everything: bool = False

    def __post_init__(self) -> None:
        names = [item.name for item in fields(self) if item.name != "everything"]
        given = [name for name in names if getattr(self, name) is not None]
        if not isinstance(self.everything, bool):
            raise ConfigurationError("LoginFilter: everything must be True or False.")
        for name in given:
            _check(name, getattr(self, name))
        if self.everything and given:
            raise ConfigurationError(f"LoginFilter: everything=True cannot be combined with {given[0]}=.")
        if not self.everything and not given:
            raise ConfigurationError(
                f"LoginFilter: say which logins ({', '.join(names)}), or everything=True for all of them."
            )

    def matches(self, record: TokenRecord) -> bool:
        """Return whether a login is one of them."""
        ends = (f":{self.organization}", f".{self.organization}")
        return (
            (self.token_ids is None or record.id in self.token_ids)
            and is_user(self.user_name, record.user_name)
            and self.client_id in (None, record.client_id)
            and (self.api_domain is None or as_listed(self.api_domain) == as_listed(record.api_domain or ""))
            and (self.organization is None or (record.user_name or "").endswith(ends))
        )


def _check(name: str, value: Any) -> None:
    """Refuse what would mean other logins than those that were meant."""
    if name == "token_ids":
        is_list = isinstance(value, tuple | list | set | frozenset)
        if not is_list or not all(isinstance(each, str) for each in value):
            raise ConfigurationError("LoginFilter: token_ids must be a tuple of strings.")
    elif not isinstance(value, str):
        raise ConfigurationError(f"LoginFilter: {name} must be a string.")
    elif value == "":
        raise ConfigurationError(f"LoginFilter: {name} must not be empty.")
