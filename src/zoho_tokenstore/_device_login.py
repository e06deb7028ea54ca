"""A login that the user makes on another device: shown, and waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from zoho_tokenstore._logins import Client, Device
from zoho_tokenstore.errors import AccountsUnavailableError, InvalidGrantError, RateLimitedError
from zoho_tokenstore.renewal._accounts import Accounts
from zoho_tokenstore.renewal._answers import TokenResponse

_SLOWER_S: Final = 5.0
"""How much longer each pause becomes when Zoho asks for that (RFC 8628, 3.5)."""


def granted_on_device(
    accounts_at: Callable[[str], Accounts],
    accounts_url: str,
    client: Client,
    device: Device,
    sleep: Callable[[float], None],
) -> TokenResponse:
    """Wait until the user has logged in on another device, as long as Zoho allows.

    What `sleep` raises while it waits between two requests ends the login.
    """
    accounts = accounts_at(accounts_url)
    code = accounts.start_device(client.id, device.scopes)
    device.show(code)
    ends = time.monotonic() + code.expires_in.total_seconds()
    pause = code.interval.total_seconds()
    while time.monotonic() < ends:
        sleep(min(pause, max(0.0, ends - time.monotonic())))
        try:
            answer = accounts.poll_device(client.id, client.secret, code.device_code)
        except AccountsUnavailableError:  # the user may still be logging in
            continue
        except RateLimitedError:
            pause += _SLOWER_S
            continue
        if isinstance(answer, TokenResponse):
            return answer
        if answer.data_center is not None:
            accounts = accounts_at(answer.data_center.accounts_url)
        pause += _SLOWER_S if answer.slow_down else 0.0
    raise InvalidGrantError(
        "The user has not logged in on another device in time. Begin again.", error_code="expired"
    )
