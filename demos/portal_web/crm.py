"""What the portal does in Zoho CRM, with the unmodified SDK, as whoever acts in this thread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from zohocrmsdk.src.com.zoho.crm.api import HeaderMap, ParameterMap
from zohocrmsdk.src.com.zoho.crm.api.org import OrgOperations
from zohocrmsdk.src.com.zoho.crm.api.record import (
    BodyWrapper,
    GetRecordParam,
    GetRecordsParam,
    Record,
    RecordOperations,
)
from zohocrmsdk.src.com.zoho.crm.api.users import GetUsersParam, UsersOperations
from zohocrmsdk.src.com.zoho.crm.api.util import Choice

MODULE: Final = "Courses"
STATUSES: Final = ("Enrolled", "Wait-listed", "Completed")
_FIELDS: Final = "Name,Instructor,Credits,Term,Status,Notes,Owner"
_MOST_PAGES: Final = 50


class RefusedError(Exception):
    """Zoho did not do what it was asked; the text is Zoho's."""


class UnauthorizedError(RefusedError):
    """Zoho does not accept the access token."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """A course of a student; without an id, it is yet to be added."""

    id: str | None = None
    name: str = ""
    instructor: str = ""
    credits: int | None = None
    term: str = ""
    status: str = STATUSES[0]
    notes: str = ""


@dataclass(frozen=True)
class Person:
    """Who Zoho says that acts."""

    id: str
    name: str
    email: str
    organization: str


def courses() -> list[Course]:
    """Return the courses of whoever acts, the newest first."""
    me = _current_user().get_id()
    return [_course(record) for record in _records() if _owner(record) == me]


def course(course_id: int) -> Course | None:
    """Return one course of whoever acts, or `None`: those of others are none of theirs."""
    parameters = ParameterMap()
    parameters.add(GetRecordParam.fields, _FIELDS)
    answer = RecordOperations(MODULE).get_record(course_id, parameters, HeaderMap())
    records = _data(answer)
    if not records or _owner(records[0]) != _current_user().get_id():
        return None
    return _course(records[0])


def add(new: Course) -> None:
    """Add a course, which then belongs to whoever acts."""
    _check(RecordOperations(MODULE).create_records(_body(new)))


def change(changed: Course) -> bool:
    """Change a course of whoever acts; return whether there is such a one."""
    number = int(changed.id or 0)
    if course(number) is None:
        return False
    _check(RecordOperations(MODULE).update_record(number, _body(changed)))
    return True


def myself() -> Person:
    """Return who acts, as Zoho knows them."""
    user = _current_user()
    organization = _answered(OrgOperations().get_organization()).get_org()[0]
    return Person(str(user.get_id()), user.get_full_name(), user.get_email(), organization.get_company_name())


def _current_user() -> Any:
    parameters = ParameterMap()
    parameters.add(GetUsersParam.type, "CurrentUser")
    return _answered(UsersOperations().get_users(parameters, HeaderMap())).get_users()[0]


def _records() -> Iterator[Any]:
    for page in range(1, _MOST_PAGES + 1):
        parameters = ParameterMap()
        parameters.add(GetRecordsParam.fields, _FIELDS)
        parameters.add(GetRecordsParam.page, page)
        answer = RecordOperations(MODULE).get_records(parameters, HeaderMap())
        yield from _data(answer)
        if answer.get_status_code() == 204 or not answer.get_object().get_info().get_more_records():
            return


def _data(answer: Any) -> list[Any]:
    found = _answered(answer, nothing=True)
    return [] if found is None else list(found.get_data())


def _answered(answer: Any, *, nothing: bool = False) -> Any:
    """Return what Zoho answered; with `nothing`, that may be that there is nothing."""
    if answer is None:  # the SDK's word for a request that could not be sent
        raise RefusedError("Zoho did not answer.")
    if nothing and answer.get_status_code() == 204:
        return None
    found = answer.get_object()
    if answer.get_status_code() == 401:
        raise UnauthorizedError(_reason(found))
    if answer.get_status_code() >= 300 or found is None:
        raise RefusedError(_reason(found))
    return found


def _check(answer: Any) -> None:
    """Check the outcome of a write of one record."""
    (outcome,) = _answered(answer).get_data()
    if outcome.get_status().get_value() != "success":
        raise RefusedError(_reason(outcome))


def _reason(found: Any) -> str:
    message = getattr(found, "get_message", lambda: None)()
    return str(getattr(message, "get_value", lambda: message)() or "Zoho gave no reason.")


def _body(course: Course) -> Any:
    record = Record()
    record.add_key_value("Name", course.name)
    record.add_key_value("Instructor", course.instructor)
    record.add_key_value("Credits", course.credits)
    record.add_key_value("Term", course.term)
    record.add_key_value("Status", Choice(course.status))
    record.add_key_value("Notes", course.notes)
    body = BodyWrapper()
    body.set_data([record])
    return body


def _owner(record: Any) -> Any:
    owner = record.get_key_value("Owner")
    return None if owner is None else owner.get_id()


def _course(record: Any) -> Course:
    status = record.get_key_value("Status")
    return Course(
        id=str(record.get_id()),
        name=record.get_key_value("Name") or "",
        instructor=record.get_key_value("Instructor") or "",
        credits=record.get_key_value("Credits"),
        term=record.get_key_value("Term") or "",
        status=status.get_value() if status is not None else "",
        notes=record.get_key_value("Notes") or "",
    )
