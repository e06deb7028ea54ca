"""What `--json` prints: one JSON object a line, in printable ASCII."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from zoho_tokenstore._statuses import Status
from zoho_tokenstore.cli._shared import say, say_lines
from zoho_tokenstore.cli._times import rfc3339
from zoho_tokenstore.records import TokenRecord

if TYPE_CHECKING:
    from zoho_tokenstore.cli._reports import Line
    from zoho_tokenstore.lifecycle import CleanUpReport, RevocationReport


def say_json(values: Mapping[str, Any]) -> None:
    """Print an object on one line."""
    say(json.dumps(values))


def say_report(
    report: CleanUpReport | RevocationReport, lines: Iterable[Line], *, dry_run: bool, as_json: bool
) -> None:
    """Print what a job over many logins has done: `lines`, or JSON."""
    if as_json:
        say_json({**asdict(report), "is_complete": report.is_complete, "dry_run": dry_run})
    else:
        say_lines(lines)


def login_of(record: TokenRecord) -> dict[str, Any]:
    """Return a login without its secrets."""
    return {
        "id": record.id,
        "user_name": record.user_name,
        "client_id": record.client_id,
        "api_domain": record.api_domain,
        "redirect_url": record.redirect_url,
        "expires_at": rfc3339(record.expires_at_ms),
        "created_at": rfc3339(record.created_at_ms),
        "updated_at": rfc3339(record.updated_at_ms),
        "last_used_at": rfc3339(record.last_used_at_ms),
        "identified_at": rfc3339(record.identified_at_ms),
    }


def status_object(status: Status) -> dict[str, Any]:
    """Return the status of a login."""
    return {
        "id": status.token_id,
        "user_name": status.user_name,
        "state": status.state,
        "expires_at": rfc3339(status.expires_at_ms),
        "scopes": list(status.scopes),
        "began_at": rfc3339(status.began_at_ms),
        "used_at": rfc3339(status.used_at_ms),
        "renewed_at": rfc3339(status.renewed_at_ms),
        "error": status.error,
        "failing_since": rfc3339(status.failing_since_ms),
        "retry_at": rfc3339(status.retry_at_ms),
    }
