"""The three pages of a login: to Zoho, back from it, and out again."""

from __future__ import annotations

from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import rotate_token
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_POST

from zoho_tokenstore.login._addresses import safe_path
from zoho_tokenstore.login._browser_sessions import split
from zoho_tokenstore.login._failures import LoginFailedError
from zoho_tokenstore.login._requests import BEGUN, SESSION, label_of, single
from zoho_tokenstore.login._results import LoggedIn
from zoho_tokenstore.login._site import end_former
from zoho_tokenstore.login.django._answers import failed, redirect
from zoho_tokenstore.login.django._site import flow, site


@require_GET
def log_in(request: HttpRequest) -> HttpResponse:
    """Send the browser to Zoho."""
    started = flow().start(request.session.get(BEGUN), next=request.GET.get("next"))
    request.session[BEGUN] = started.kept
    return redirect(started.url)


# Without a transaction: in SQLite, it would keep the store out of the file in which the session is changed.
@non_atomic_requests
@require_GET
@sensitive_variables()
def come_back(request: HttpRequest) -> HttpResponse:
    """Log in whoever Zoho sends here."""
    answer = single((name, value) for name, values in request.GET.lists() for value in values)
    try:
        done = flow().finish(
            answer, request.session.get(BEGUN), label=label_of(request.headers.get("user-agent"))
        )
    except LoginFailedError as failure:
        request.session[BEGUN] = failure.kept
        if failure.kind == "used" and flow().identify(request.session.get(SESSION)) is not None:
            return redirect(failure.next)
        return failed(request, failure)
    _let_in(request, done)
    return redirect(done.next)


@non_atomic_requests
@require_POST
@csrf_protect
def log_out(request: HttpRequest) -> HttpResponse:
    """End this browser's session, or all of the login's if the form has `everywhere`."""
    session, everywhere = request.session.get(SESSION), bool(request.POST.get("everywhere"))
    flow().log_out(session, everywhere=everywhere)
    request.session.flush()
    return redirect(safe_path(site().options.home))


@sensitive_variables()
def _let_in(request: HttpRequest, done: LoggedIn) -> None:
    """Note who has logged in, under a new key (session fixation), as Django's own log-in does."""
    before = request.session.get(SESSION)
    if before is None or split(before)[0] == done.login.id:
        request.session.cycle_key()
    else:
        request.session.flush()  # it is, or was until that login ended, somebody else's
    request.session.update({BEGUN: done.kept, SESSION: done.session})
    rotate_token(request)
    end_former(flow(), before)
