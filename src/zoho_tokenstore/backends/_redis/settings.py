"""The arguments of a store, and the options of its URL, as one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult

from zoho_tokenstore.backends._redis.address import Address, address_of, split
from zoho_tokenstore.backends._urls import options_of, seconds
from zoho_tokenstore.errors import ConfigurationError

_SENTINEL_OPTIONS: Final = ("sentinel_username", "sentinel_password")
_TLS_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_TLS_OPTIONS: Final = (*_TLS_FILES, "ssl_ca_path", "ssl_password", "ssl_cert_reqs", "ssl_check_hostname")
_SWITCH: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


@dataclass(frozen=True)
class Settings:
    """Everything that a store is opened with. Its text shows no password."""

    address: Address
    prefix: str
    timeout: float
    allow_eviction: bool
    extra: Mapping[str, Any] = field(repr=False)


def settings_of(url: str, **given: Any) -> Settings:
    """Return the settings in a URL and in arguments. What the URL says is taken.

    Raises:
        ConfigurationError: one of them cannot be used.
    """
    parts = split(url)
    given |= _options(parts)
    known = {name: given.pop(name) for name in ("prefix", "timeout", "allow_eviction")}
    settings = Settings(address_of(parts), extra=given, **known)
    _check_timeout(settings.timeout)
    _check_extra(settings.address, settings.extra)
    return settings


def _options(parts: SplitResult) -> dict[str, Any]:
    found: dict[str, Any] = dict(
        options_of(parts, "prefix", "timeout", "allow_eviction", *_SENTINEL_OPTIONS, *_TLS_OPTIONS)
    )
    if "timeout" in found:
        found["timeout"] = seconds("timeout", found["timeout"])
    for name in ("allow_eviction", "ssl_check_hostname"):
        if name in found:
            found[name] = _switch(name, found[name])
    return found


def _switch(name: str, text: str) -> bool:
    if text.lower() not in _SWITCH:
        raise ConfigurationError(f"The URL option {name} must be yes or no.")
    return _SWITCH[text.lower()]


def _check_timeout(timeout: object) -> None:
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout < float("inf"):
        raise ConfigurationError("The timeout of a Redis store must be a number of seconds above zero.")


def _check_extra(address: Address, extra: Mapping[str, Any]) -> None:
    for name, value in extra.items():
        if name.startswith("ssl_"):
            if not address.tls:
                raise ConfigurationError(f"{name} is for TLS: begin the URL with rediss, not redis.")
            if name in _TLS_FILES and not Path(value).is_file():
                raise ConfigurationError(f"There is no file {value!s}, which {name} names.")
        elif name not in _SENTINEL_OPTIONS:
            raise ConfigurationError(f"A Redis store has no option {name!r}.")
        elif address.kind != "sentinel":
            raise ConfigurationError(f"{name} is for URLs that begin with redis+sentinel.")
