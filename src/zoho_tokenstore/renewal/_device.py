"""The login of a device without a browser: the user enters a code on another one (Zoho's "Devices" pages)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, NamedTuple

from zoho_tokenstore.errors import AccountsError, InvalidGrantError
from zoho_tokenstore.renewal._answers import (
    TokenResponse,
    failure_of,
    fields_of,
    parse_token_response,
    visible,
    whole_number,
)
from zoho_tokenstore.renewal._datacenters import DataCenter, of_location
from zoho_tokenstore.renewal._transport import HTTPAnswer

_SUBJECT: Final = "the device code"

_LONGEST_INTERVAL: Final = timedelta(minutes=5)
_LONGEST_LIFE: Final = timedelta(hours=2)
_INTERVAL: Final = timedelta(seconds=30)  # the most Zoho allows: one poll in 30 seconds
_LIFE: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """A login waiting for its user.

    Arguments:
        device_code: what to poll with; a secret.
        user_code: what the user enters at `verification_url`.
        verification_url: where to enter it.
        verification_url_complete: the same including the code, for a link or a QR code; or `None`.
        interval: how long to wait between polls.
        expires_in: how long the user has.
    """

    device_code: str = field(repr=False)
    user_code: str = field(repr=False)
    verification_url: str
    verification_url_complete: str | None = field(repr=False)
    interval: timedelta
    expires_in: timedelta


class Pending(NamedTuple):
    """The user has not decided yet, or belongs elsewhere.

    `slow_down` asks for longer pauses. `data_center` is where to poll from now on, if it is another one.
    """

    slow_down: bool = False
    data_center: DataCenter | None = None


def device_code_of(answer: HTTPAnswer) -> DeviceCode:
    """Return the codes in the answer to a device's request."""
    values = fields_of(answer)
    device_code, user_code = visible(values.get("device_code")), visible(values.get("user_code"))
    url = _url(values, "verification_url", "verification_uri")
    if answer.status != 200 or device_code is None or user_code is None or url is None:
        raise failure_of(answer, "the device's request")
    return DeviceCode(
        device_code=device_code,
        user_code=user_code,
        verification_url=url,
        verification_url_complete=_url(values, "verification_uri_complete", "verification_url_complete"),
        interval=_duration(values.get("interval"), _LONGEST_INTERVAL) or _INTERVAL,
        expires_in=_duration(values.get("expires_in"), _LONGEST_LIFE) or _LIFE,
    )


def poll_of(answer: HTTPAnswer) -> TokenResponse | Pending:
    """Return the outcome of a poll."""
    try:
        return parse_token_response(answer, _SUBJECT)
    except AccountsError as error:
        if error.error_code in ("authorization_pending", "slow_down"):
            return Pending(slow_down=error.error_code == "slow_down")
        if error.error_code == "other_dc":
            return Pending(data_center=_elsewhere(answer))
        raise


def _elsewhere(answer: HTTPAnswer) -> DataCenter:
    location = fields_of(answer).get("user_location")
    found = of_location(location) if isinstance(location, str) else None
    if found is None:
        raise InvalidGrantError(
            "The user belongs to a data centre that is not known here. Log in at its accounts server.",
            error_code="other_dc",
        )
    return found


def _url(values: dict[str, Any], *names: str) -> str | None:
    """Return the first of several fields that is a URL for a browser."""
    found = (visible(values.get(name)) for name in names)
    return next((url for url in found if url and url.startswith(("https://", "http://"))), None)


def _duration(value: object, longest: timedelta) -> timedelta | None:
    """Return a duration in whichever unit is plausible: Zoho's clients disagree whether it is seconds."""
    number = whole_number(value, 10**9)
    if number is None:
        return None
    seconds, milliseconds = timedelta(seconds=number), timedelta(milliseconds=number)
    return seconds if seconds <= longest else min(milliseconds, longest)
