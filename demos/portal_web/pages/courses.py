"""A student's courses: listed, added and changed in Zoho CRM, as the student."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from demos.portal_web import crm
from demos.portal_web.forms import OwnForm, read_course
from demos.portal_web.pages.access import Here, Site, Student
from demos.portal_web.views import go
from zoho_tokenstore import TokenRecord

router = APIRouter(prefix="/courses", default_response_class=Response)
_NONE = "You have no such course."


@router.get("")
async def listed(request: Request, site: Here, user: Student) -> Response:
    """Show the student's courses."""
    found = await site.portal.act(user, crm.courses)
    total = sum(course.credits or 0 for course in found if course.status != "Wait-listed")
    return site.views.page(request, "courses", user, courses=found, total=total)


@router.get("/new")
async def new(request: Request, site: Here, user: Student) -> Response:
    """Show an empty form."""
    return _form(request, site, user, crm.Course())


@router.post("/new")
async def add(request: Request, site: Here, user: Student, form: OwnForm) -> Response:
    """Add a course, or say what is wrong with it."""
    course, wrong = read_course(form)
    if wrong:
        return _form(request, site, user, course, wrong=wrong, credits=form.get("credits"))
    await site.portal.act(user, crm.add, course)
    return go(request, "/courses", f"{course.name} was added.")


@router.get("/{course_id:int}")
async def edit(request: Request, site: Here, user: Student, course_id: int) -> Response:
    """Show the form of one of the student's courses."""
    course = await site.portal.act(user, crm.course, course_id)
    if course is None:
        raise HTTPException(404, _NONE)
    return _form(request, site, user, course)


@router.post("/{course_id:int}")
async def change(request: Request, site: Here, user: Student, course_id: int, form: OwnForm) -> Response:
    """Change one of the student's courses, or say what is wrong with the changes."""
    course, wrong = read_course(form, str(course_id))
    if wrong:
        return _form(request, site, user, course, wrong=wrong, credits=form.get("credits"))
    if not await site.portal.act(user, crm.change, course):
        raise HTTPException(404, _NONE)
    return go(request, "/courses", f"{course.name} was changed.")


def _form(request: Request, site: Site, user: TokenRecord, course: crm.Course, **context: Any) -> Response:
    shown = {"course": course, "statuses": crm.STATUSES, "wrong": {}, "credits": course.credits, **context}
    return site.views.page(request, "course_form", user, 422 if shown["wrong"] else 200, **shown)
