"""Errors in Zoho's shapes: `{"error": …}` from accounts, and one envelope per API.

An API's errors are counted under the CRM's names, whatever the envelope calls them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

THROTTLED = "Access Denied"
THROTTLED_TEXT = "You have made too many requests continuously. Please try again after some time."

CRM_ERROR: Mapping[str, tuple[int, str]] = {
    "INVALID_TOKEN": (401, "invalid oauth token"),
    "AUTHENTICATION_FAILURE": (401, "Authentication failed"),
    "OAUTH_SCOPE_MISMATCH": (401, "invalid oauth scope to access this URL"),
    "NO_PERMISSION": (403, "permission denied"),
    "INVALID_URL_PATTERN": (404, "Please check if the URL trying to access is a correct one"),
    "TOO_MANY_REQUESTS": (429, "You have made too many requests. Please try again after some time."),
    "INTERNAL_ERROR": (500, "Internal Server Error"),
}
BOOKS_ERROR: Mapping[str, tuple[int, int, str]] = {
    "INVALID_TOKEN": (401, 57, "You are not authorized to perform this operation"),
    "AUTHENTICATION_FAILURE": (401, 14, "Invalid value passed for authtoken."),
    "OAUTH_SCOPE_MISMATCH": (401, 57, "You are not authorized to perform this operation"),
    "INVALID_URL_PATTERN": (404, 5, "Invalid URL Passed"),
}
DESK_ERROR: Mapping[str, tuple[int, str, str]] = {
    "INVALID_TOKEN": (401, "INVALID_OAUTH", "The OAuth Token you provided is invalid."),
    "AUTHENTICATION_FAILURE": (
        401,
        "UNAUTHORIZED",
        "You are not authenticated to perform this operation.",
    ),
    "OAUTH_SCOPE_MISMATCH": (
        403,
        "SCOPE_MISMATCH",
        "The OAuth Token does not contain the scope to perform this operation.",
    ),
    "INVALID_URL_PATTERN": (404, "URL_NOT_FOUND", "The URL you have entered is invalid."),
}
_OTHER_BOOKS_CODE = -1


class RefusalError(Exception):
    """A request that Zoho answers with an error.

    Args:
        name: the error's name, under which it is counted.
        status: the HTTP status; `None` if an option says it.
        body: the JSON body.
    """

    def __init__(self, name: str, status: int | None, body: Mapping[str, object]) -> None:
        super().__init__(name)
        self.name = name
        self.status = status
        self.body = body


class ThrottledError(RefusalError):
    """A limit was hit."""


def oauth_refusal(name: str, status: int | None = None) -> RefusalError:
    """Return an error of the accounts server.

    A name with spaces is the answer to too many requests, which Zoho translates.
    """
    if not name.isascii() or " " in name:
        return throttled(name, status)
    return RefusalError(name, status, {"error": name})


def throttled(name: str = THROTTLED, status: int | None = None) -> ThrottledError:
    """Return `Access Denied`, the answer to too many requests."""
    body = {"error": name, "error_description": THROTTLED_TEXT, "status": "failure"}
    return ThrottledError(THROTTLED, status, body)


def crm_refusal(
    code: str,
    status: int | None = None,
    message: str | None = None,
    details: Mapping[str, object] | None = None,
) -> RefusalError:
    """Return a CRM error in its envelope; status and message default to those Zoho uses for `code`."""
    usual, text = CRM_ERROR.get(code, (400, code.replace("_", " ").lower()))
    body = {"code": code, "details": dict(details or {}), "message": message or text, "status": "error"}
    return RefusalError(code, status or usual, body)


def books_refusal(name: str, status: int | None = None) -> RefusalError:
    """Return an error of Books: a number and a message."""
    usual, code, message = BOOKS_ERROR.get(name, (_crm_status(name), _OTHER_BOOKS_CODE, name))
    return RefusalError(name, status or usual, {"code": code, "message": message})


def desk_refusal(name: str, status: int | None = None) -> RefusalError:
    """Return an error of Desk: `errorCode` and a message."""
    usual, code, message = DESK_ERROR.get(name, (_crm_status(name), name, name))
    return RefusalError(name, status or usual, {"errorCode": code, "message": message})


def office_refusal(name: str, status: int | None = None) -> RefusalError:
    """Return an error of Office Integrator: a number and a message. Which ones it has is not documented."""
    usual, message = CRM_ERROR.get(name, (400, name))
    return RefusalError(name, status or usual, {"code": status or usual, "message": message})


def _crm_status(name: str) -> int:
    return CRM_ERROR[name][0] if name in CRM_ERROR else 400


API_REFUSALS: Mapping[str, Callable[[str, int | None], RefusalError]] = {
    "crm": crm_refusal,
    "books": books_refusal,
    "desk": desk_refusal,
    "office": office_refusal,
}
"""API → the function that makes its errors from a name and a status (`None`: the usual one)."""
