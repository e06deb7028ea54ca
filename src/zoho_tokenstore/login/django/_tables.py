"""The tables of the store in Django's database: made and removed by a migration."""

from __future__ import annotations

from typing import Any, Final

from django.db.migrations.exceptions import IrreversibleError
from django.views.decorators.debug import sensitive_variables

from zoho_tokenstore.login.django._databases import is_in_memory, url_of
from zoho_tokenstore.login.django._settings import store_alias
from zoho_tokenstore.login.django._site import close_site, site
from zoho_tokenstore.registry import open_backend

_TABLES: Final = (
    *("oauthtoken", "oauthtoken_retired", "oauthtoken_audit", "zoho_tokenstore"),
    *("zoho_tokenstore_lease", "zoho_tokenstore_retired", "zoho_tokenstore_audit"),
)
"""In SQLite and on servers."""


@sensitive_variables()
def create_tables(apps: Any, editor: Any) -> None:
    """Open the store once: it makes its tables, or takes over that of Zoho's own code."""
    alias = editor.connection.alias
    if store_alias() != alias:
        return
    if is_in_memory(alias):  # under test: the logins are in a store of their own, and the model finds none
        editor.create_model(apps.get_model("zoho_login", "Login"))
    else:
        open_backend(url_of(alias)).close()


def drop_tables(_: Any, editor: Any) -> None:
    """Remove the tables, if nothing is lost with them.

    Raises:
        IrreversibleError: there are logins, revocations that are owed, or an audit trail.
    """
    if store_alias() != editor.connection.alias:
        return
    if not is_in_memory(editor.connection.alias):
        _refuse_loss()
        close_site()
    for table in _TABLES:
        editor.execute(f"DROP TABLE IF EXISTS {table}")


def _refuse_loss() -> None:
    tokens = site().tokens
    repository = tokens.lifecycle.renewer.repository
    for count, what in (
        (repository.count(), "logins"),
        (sum(1 for _ in tokens.lifecycle.ending.debts()), "revocations that are owed to Zoho"),
        (0 if repository.audit is None else repository.audit.head_number(), "entries of the audit trail"),
    ):
        if count:
            raise IrreversibleError(
                f"The tables still have {count:,} {what}. End the logins first: manage.py zoho_revoke "
                "--everything; then manage.py zoho_cleanup."
            )
