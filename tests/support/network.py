"""No test reaches a host that is not this one; only what installs something may go out."""

from __future__ import annotations

import json
import os
from typing import Any, Final

_NOBODY: Final = "http://127.0.0.1:9"
_SETTINGS: Final = {
    **dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), _NOBODY),
    "no_proxy": "127.0.0.1,localhost,::1",
}
_NAMES: Final = [*_SETTINGS, *map(str.upper, _SETTINGS)]
_BEFORE: Final = "ZOHO_TEST_OUTSIDE"
"""The variable that tells the runner's workers what there was before."""

HERE: Final[dict[str, Any]] = {"trust_env": False, "verify": False}
"""The options of an HTTP client that talks to this host alone: others make it read all authorities'
certificates, once for each proxy of the environment."""


def stay_here() -> None:
    """Let this process, and those that it starts, find no way to another host."""
    before = {name: os.environ[name] for name in _NAMES if name in os.environ}
    os.environ.setdefault(_BEFORE, json.dumps(before))
    for name in _NAMES:
        os.environ[name] = _SETTINGS[name.lower()]


def outside() -> dict[str, str]:
    """Return the environment for a program that may go out."""
    left = {name: value for name, value in os.environ.items() if name not in _NAMES}
    return {**left, **json.loads(os.environ[_BEFORE])}
