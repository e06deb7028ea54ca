"""What `zoho-tokens revoke` does and says, for however many logins."""

from __future__ import annotations

from zoho_tokenstore.cli._json import say_report
from zoho_tokenstore.cli._reports import of_revocation
from zoho_tokenstore.cli._shared import Progress, say_lines
from zoho_tokenstore.lifecycle import LoginFilter
from zoho_tokenstore.lifecycle import revoke as revoke_all
from zoho_tokenstore.tokens import Tokens


def revoke_chosen(tokens: Tokens, which: LoginFilter, *, owe: bool, dry_run: bool, as_json: bool) -> bool:
    """Revoke logins, and say what has become of them; return whether none of them can be alive."""
    progress = Progress("logins")
    try:
        report = revoke_all(
            tokens,
            which,
            owe=owe,
            dry_run=dry_run,
            on_progress=lambda now: progress.tell(now.matched, f"{now.revoked:,} revoked"),
        )
    finally:
        progress.end()
    if as_json:
        say_report(report, dry_run=dry_run)
    else:
        say_lines(of_revocation(report, dry_run=dry_run))
    return report.is_complete
