"""Forms: whether one comes from a page of ours, and what it says."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import Depends
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request

from demos.portal_web.crm import STATUSES, Course

_TOKEN: Final = "csrf"  # noqa: S105  # the name of a field
_LONGEST: Final = {"name": 120, "instructor": 120, "term": 60, "notes": 2000}
_MOST_CREDITS: Final = 60


def csrf_token(request: Request) -> str:
    """Return what the forms for this browser must send back; another site cannot read it.

    It is for pages of who is logged in: a request without the cookie, as another site makes it, must not
    begin a session, which would replace that of the browser.
    """
    token: str = request.session.setdefault(_TOKEN, secrets.token_urlsafe(24))
    return token


async def _own_form(request: Request) -> FormData:
    """Return the form of a request, if it was made for this browser."""
    form = await request.form(max_files=0, max_fields=20)
    sent, known = str(form.get(_TOKEN, "")), request.session.get(_TOKEN)
    if not known or not hmac.compare_digest(sent.encode(), str(known).encode()):
        raise HTTPException(403, "This form is out of date. Go back, reload the page and send it again.")
    return form


OwnForm = Annotated[FormData, Depends(_own_form)]


def read_course(form: Mapping[str, object], course_id: str | None = None) -> tuple[Course, dict[str, str]]:
    """Return the course that a form describes, and what is wrong with it, by field."""
    texts = {name: " ".join(str(form.get(name, "")).split()) for name in ("name", "instructor", "term")}
    notes = str(form.get("notes", "")).replace("\r\n", "\n").strip()
    amount = str(form.get("credits", "")).strip()
    status = str(form.get("status", ""))
    wrong = _too_long(texts | {"notes": notes})
    if not texts["name"]:
        wrong["name"] = "Give the course a name."
    if amount and not _is_number_of_credits(amount):
        wrong["credits"] = f"Write a whole number from 0 to {_MOST_CREDITS}, or nothing."
    if status not in STATUSES:
        wrong["status"] = "Choose one of the list."
    number = int(amount) if amount and "credits" not in wrong else None
    return Course(id=course_id, credits=number, status=status, notes=notes, **texts), wrong


def _too_long(texts: Mapping[str, str]) -> dict[str, str]:
    return {
        name: f"Use at most {_LONGEST[name]} characters."
        for name, text in texts.items()
        if len(text) > _LONGEST[name]
    }


def _is_number_of_credits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 4 and int(text) <= _MOST_CREDITS
