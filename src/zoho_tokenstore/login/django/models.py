"""The logins as rows of Django's database, for the admin and for reports: no secrets, and read-only."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Final, NoReturn

from django.core.exceptions import ImproperlyConfigured
from django.db.models import BigIntegerField, CharField, Manager, Model, QuerySet
from django.db.models.signals import pre_delete, pre_save
from django.dispatch import receiver

from zoho_tokenstore.login.django._settings import store_alias
from zoho_tokenstore.login.django._times import moment

__all__ = ["Login"]

_READ_ONLY: Final = (
    "Logins are written by their store. Use zoho_tokenstore.login.django.tokens() and flow(); "
    "flow().end(login_id) ends one."
)


class _Logins(QuerySet["Login"]):
    """Rows that are read; what sends no signal is refused here."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(_READ_ONLY)

    update = bulk_create = bulk_update = delete = _refuse


class _Manager(Manager["Login"]):
    """Reads where the logins are, whatever database is asked for."""

    def get_queryset(self) -> _Logins:
        alias = store_alias()
        if alias is None:
            raise ImproperlyConfigured(
                "The logins are not in a database of Django: STORE of ZOHO_LOGIN is a URL. Read them with "
                "zoho_tokenstore.login.django.tokens().scan()."
            )
        return _Logins(self.model, using=alias)


class Login(Model):
    """A login, as it is stored: columns of the published table `oauthtoken`, and times.

    The columns of secrets are not among its fields, so that nothing can load or show them. Rows are written
    by the store only. An application keeps a login's id or its user's name in models of its own.
    """

    id: CharField[str, str] = CharField(primary_key=True, max_length=190)
    user_name: CharField[str | None, str | None] = CharField("user", max_length=255, null=True)
    client_id: CharField[str | None, str | None] = CharField("client", max_length=255, null=True)
    api_domain: CharField[str | None, str | None] = CharField("API domain", max_length=255, null=True)
    expiry_time: CharField[str | None, str | None] = CharField(max_length=20, null=True)
    created_at_ms: BigIntegerField[int | None, int | None] = BigIntegerField(null=True)
    updated_at_ms: BigIntegerField[int | None, int | None] = BigIntegerField(null=True)
    last_used_at_ms: BigIntegerField[int | None, int | None] = BigIntegerField(null=True)

    objects: ClassVar[_Manager] = _Manager()

    class Meta:
        managed = False
        db_table = "oauthtoken"
        default_permissions = ("view",)
        permissions = (("end_login", "Can end logins"), ("renew_login", "Can renew logins"))

    def __str__(self) -> str:
        return str(self.user_name or f"login {self.id}")  # in SQLite, a column may hold anything

    @property
    def created_at(self) -> datetime | None:
        """When the user logged in, if that is known."""
        return moment(self.created_at_ms)

    @property
    def used_at(self) -> datetime | None:
        """When the login was last used or renewed, as far as that is recorded."""
        times = moment(self.last_used_at_ms), moment(self.updated_at_ms)
        return max((time for time in times if time is not None), default=None)

    @property
    def expires_at(self) -> datetime | None:
        """When its access token expires; the store renews it before."""
        text = self.expiry_time or ""
        return moment(int(text)) if text.isascii() and text.isdecimal() else None


@receiver([pre_save, pre_delete], sender=Login)
def _refuse(**_: Any) -> NoReturn:
    """Keep `save`, `delete` and fixtures from writing what the store knows nothing of."""
    raise TypeError(_READ_ONLY)
