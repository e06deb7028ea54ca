"""A local Zoho with the people of Zylker Academy and their courses: no account is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import requests

from zoho_tokenstore.emulator import Emulator

COORDINATOR: Final = "coordinator@zylker.example"

PEOPLE: Final[Mapping[str, str]] = {
    "patricia@zylker.example": "Patricia Boyle",
    "rajesh@zylker.example": "Rajesh Kumar",
    "amelia@zylker.example": "Amelia Burrows",
    COORDINATOR: "Deepa Nair",
}

_COURSES: Final = {
    "patricia@zylker.example": (
        ("Linear Algebra", "Dr. Grace Okafor", 6, "Autumn 2026", "Enrolled", "Bring the workbook."),
        ("Organic Chemistry", "Prof. Luis Ortega", 5, "Autumn 2026", "Wait-listed", "Third on the list."),
        ("World History", "Dr. Hanna Lindqvist", 4, "Spring 2026", "Completed", ""),
    ),
    "rajesh@zylker.example": (
        ("Operating Systems", "Dr. Mei Tanaka", 6, "Autumn 2026", "Enrolled", ""),
        ("Technical Writing", "Samuel Price", 2, "Spring 2026", "Completed", ""),
    ),
}
_FIELDS: Final = ("Name", "Instructor", "Credits", "Term", "Status", "Notes")
_TIMEOUT: Final = 10.0


@contextmanager
def local_zoho(redirect_url: str) -> Iterator[Emulator]:
    """Run a local Zoho that sends browsers back to the portal."""
    with Emulator(users=tuple(PEOPLE), redirect_uris=(redirect_url,), code_limit=None) as zoho:
        for email, name in PEOPLE.items():
            zoho.add_user(email, name)
        for email in _COURSES:
            _add_courses(zoho, email)
        yield zoho


def _add_courses(zoho: Emulator, email: str) -> None:
    """Add a user's courses, over the CRM's API as any program would."""
    rows = _COURSES[email]
    data = [dict(zip(_FIELDS, row, strict=True)) for row in reversed(rows)]
    answer = requests.post(
        f"{zoho.url}/crm/v8/Courses",
        json={"data": data},
        headers={"Authorization": f"Zoho-oauthtoken {_access_token(zoho, email)}"},
        timeout=_TIMEOUT,
    )
    answer.raise_for_status()


def _access_token(zoho: Emulator, email: str) -> str:
    form = {
        "grant_type": "authorization_code",
        "client_id": zoho.default_client.client_id,
        "client_secret": zoho.default_client.client_secret,
        "code": zoho.mint_code(user=email, access_type="online"),
    }
    return str(requests.post(zoho.accounts_url, data=form, timeout=_TIMEOUT).json()["access_token"])
