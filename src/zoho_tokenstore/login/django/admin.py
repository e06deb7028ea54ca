"""The logins in Django's admin: who and how they are, their end, and a renewal. Nothing can be edited."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.formats import localize
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.timezone import localtime

from zoho_tokenstore.errors import TokenStoreError
from zoho_tokenstore.events import on_behalf_of
from zoho_tokenstore.login.django._settings import store_alias
from zoho_tokenstore.login.django._site import flow, tokens
from zoho_tokenstore.login.django._times import moment
from zoho_tokenstore.login.django.models import Login
from zoho_tokenstore.renewal import _datacenters as datacenters

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Login]
else:
    Base = admin.ModelAdmin

__all__ = ["LoginAdmin"]

_SHOWN: Final = ("user_name", "client_id", "data_centre", "state", "created", "used", "browser_count")


class LoginAdmin(Base):
    """A list of logins, and a page for each."""

    list_display = _SHOWN
    list_filter = tuple((name, admin.AllValuesFieldListFilter) for name in ("client_id", "api_domain"))
    list_per_page = 50
    search_fields = ("id", "user_name", "client_id")
    search_help_text = "Id, user or client"
    ordering = ("-created_at_ms", "id")
    fields = ("id", *_SHOWN[:-1], "expires", "scopes", "browsers")
    actions = ("end_logins", "renew_logins")

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Users log in themselves."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Login | None = None) -> bool:  # noqa: ARG002
        """The store writes its rows itself."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Login | None = None) -> bool:  # noqa: ARG002
        """A login is ended, not deleted."""
        return False

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Return whether somebody may end logins."""
        return _may(request, "end_login")

    def has_renew_permission(self, request: HttpRequest) -> bool:
        """Return whether somebody may renew logins."""
        return _may(request, "renew_login")

    # ---- columns

    @admin.display(description="data centre", ordering="api_domain")
    def data_centre(self, login: Login) -> str:
        """Return Zoho's name of the data centre, or an address that is not Zoho's."""
        domain = str(login.api_domain or "")  # in SQLite, a column may hold anything
        center = datacenters.of_api_domain(domain)
        return domain or "-" if center is None else center.location

    @admin.display
    def state(self, login: Login) -> str:
        """Return the state of a login, and Zoho's word if it is failing."""
        try:
            status = tokens().status(login.id)
        except TokenStoreError as error:
            return str(error)
        return status.state if status.error is None else f"{status.state} ({status.error})"

    @admin.display(ordering="created_at_ms")
    def created(self, login: Login) -> str:
        """Return when its user logged in."""
        return _shown(login.created_at)

    @admin.display(description="last used", ordering="updated_at_ms")
    def used(self, login: Login) -> str:
        """Return when it was last used."""
        return _shown(login.used_at)

    @admin.display(description="access token expires")
    def expires(self, login: Login) -> str:
        """Return when its access token expires."""
        return _shown(login.expires_at)

    @admin.display
    def scopes(self, login: Login) -> str:
        """Return what it may do, as far as Zoho said."""
        try:
            return ", ".join(tokens().status(login.id).scopes) or "-"
        except TokenStoreError:
            return "-"

    @admin.display(description="browsers")
    def browser_count(self, login: Login) -> int:
        """Return in how many browsers it is used."""
        return len(flow().sessions_of(str(login.id)))

    @admin.display
    def browsers(self, login: Login) -> str:
        """Return the browsers in which it is used, and since when."""
        sessions = flow().sessions_of(str(login.id))
        rows = ((each.label or "Browser", _shown(moment(each.began_ms))) for each in sessions)
        return format_html_join(mark_safe("<br>"), "{}, since {}", rows) or "-"

    # ---- actions

    @admin.action(description="End the selected logins, here and at Zoho", permissions=["end"])
    def end_logins(self, request: HttpRequest, queryset: QuerySet[Login]) -> None:
        """End logins in all their browsers, and revoke them."""
        self._each(request, queryset, flow().end, "Ended")

    @admin.action(description="Renew the selected logins now", permissions=["renew"])
    def renew_logins(self, request: HttpRequest, queryset: QuerySet[Login]) -> None:
        """Renew access tokens, also those that Zoho refused to renew before."""
        self._each(request, queryset, tokens().refresh, "Renewed")

    def _each(
        self, request: HttpRequest, queryset: QuerySet[Login], do: Callable[[str], object], done: str
    ) -> None:
        """Do something to each login, and only then write Django's log, which may lock the database."""
        logins, failed = list(queryset), {}
        with on_behalf_of(f"admin:{request.user.get_username()}"[:200]):
            for login in logins:
                try:
                    do(login.id)
                except TokenStoreError as error:
                    failed[login.id] = str(error)
        succeeded = [login for login in logins if login.id not in failed]
        for login in succeeded:
            self.log_change(request, login, f"{done}.")
        if succeeded:
            self.message_user(request, f"{done}: {', '.join(map(str, succeeded))}.", messages.SUCCESS)
        for login_id, reason in failed.items():
            self.message_user(request, f"{login_id}: {reason}", messages.ERROR)


def _shown(at: datetime | None) -> str:
    """Return a time in the reader's zone and language."""
    return "-" if at is None else str(localize(localtime(at)))


def _may(request: HttpRequest, what: str) -> bool:
    user: Any = request.user  # whatever the project's users are, the admin lets only those in that have this
    return bool(user.has_perm(f"zoho_login.{what}"))


if store_alias() is not None:  # a store elsewhere has no rows that the admin could read
    admin.site.register(Login, LoginAdmin)
