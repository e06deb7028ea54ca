"""One call each of Books, Desk and Office Integrator, so that a client of any Zoho API can be tried."""

from __future__ import annotations

from zoho_tokenstore.emulator._model import User
from zoho_tokenstore.emulator._web.bearer import Guard
from zoho_tokenstore.emulator._web.call import Answer, Call
from zoho_tokenstore.emulator._zoho import Zoho

BOOKS = Guard("books", "ZohoBooks")
DESK = Guard("desk", "Desk")
OFFICE = Guard("office", "")


def organizations(zoho: Zoho, call: Call) -> Answer:
    """Answer `GET /books/v3/organizations`: the one of the token's user."""
    me = BOOKS.permit(zoho, BOOKS.authenticate(zoho, call), ("settings", "fullaccess"), "READ")
    return Answer(json={"code": 0, "message": "success", "organizations": [_organization(me)]})


def tickets(zoho: Zoho, call: Call) -> Answer:
    """Answer `GET /api/v1/tickets`: one ticket."""
    me = DESK.permit(zoho, DESK.authenticate(zoho, call), ("tickets",), "READ")
    return Answer(json={"data": [_ticket(me)]})


def plan(zoho: Zoho, call: Call) -> Answer:
    """Answer `GET /api/v1/plan`, of Office Integrator: what is left of the plan, to any live token.

    Zoho documents no scope for it.
    """
    OFFICE.authenticate(zoho, call)
    return Answer(
        json={"plan_name": "Free", "usage_limit": 100, "total_usage": 0, "remaining_usage_limit": 100}
    )


def no_books(_zoho: Zoho, _call: Call) -> Answer:
    """Answer a path of Books that does not exist."""
    raise BOOKS.refusal("INVALID_URL_PATTERN")


def no_desk(_zoho: Zoho, _call: Call) -> Answer:
    """Answer a path of Desk that does not exist."""
    raise DESK.refusal("INVALID_URL_PATTERN")


def _organization(user: User) -> dict[str, object]:
    return {
        "organization_id": user.zgid,
        "name": user.organization.name,
        "email": user.email,
        "is_default_org": True,
        "currency_code": "INR",
    }


def _ticket(user: User) -> dict[str, object]:
    return {
        "id": user.id,
        "ticketNumber": "101",
        "subject": "Where is my order?",
        "status": "Open",
        "email": user.email,
    }
