"""What jobs over many logins have done, in lines for people: here, and in Django's management commands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from zoho_tokenstore.cli._texts import counted, listed, shown_id
from zoho_tokenstore.errors import SealingError, TokenNotFoundError, UnreadableRowError

if TYPE_CHECKING:
    from zoho_tokenstore.doctor import Finding, Report
    from zoho_tokenstore.lifecycle import CleanUpReport, LoginFilter, RevocationReport
    from zoho_tokenstore.repository import TokenRepository

_PAGE: Final = "docs/reference/doctor.md"


class Line(NamedTuple):
    """A line of output; `is_trouble` if it belongs on standard error."""

    text: str
    is_trouble: bool = False


def of_clean_up(report: CleanUpReport, location: str, *, dry_run: bool) -> Iterator[Line]:
    """Say what a clean-up has done, or would do."""
    would = "would be " if dry_run else ""
    yield Line(f"{counted(report.logins, 'login')} in {location}")
    for count, what in (
        (report.overdue - report.failed, "over a limit, {}ended"),
        (report.rejected, "rejected by Zoho, {}removed"),
        (report.nameless, "without a user, {}removed"),
    ):
        if count:
            yield Line(f"  {count:,} {what.format(would)}")
    if report.revoked or report.already_dead:
        yield Line(f"  {report.revoked:,} owed revocations sent; {report.already_dead:,} were dead already")
    if report.retired_ids:
        yield Line(f"  {counted(report.retired_ids, 'id')} of deleted logins {would}forgotten")
    if report.audit_entries:
        yield Line(f"  {report.audit_entries:,} entries of the audit trail {would}deleted")
    if report.unreadable:
        stay = "stays" if report.unreadable == 1 else "stay"
        yield Line(f"{counted(report.unreadable, 'row')} cannot be read, and {stay}.", is_trouble=True)
    if report.failed:
        yield Line(f"{counted(report.failed, 'login')} could not be removed; run it again.", is_trouble=True)
    if report.owed and dry_run:
        yield Line(f"  {counted(report.owed, 'owed revocation')} would be sent")
    elif report.owed:
        yield Line(f"{counted(report.owed, 'revocation')} still owed: {report.owed_reason}", is_trouble=True)


def is_well(report: CleanUpReport, *, dry_run: bool) -> bool:
    """Return whether a clean-up found nothing wrong, and left nothing to do, unless it was a dry run."""
    return not report.unreadable and (dry_run or report.is_complete)


def of_revocation(report: RevocationReport, *, dry_run: bool) -> Iterator[Line]:
    """Say what has become of logins that were to be revoked."""
    if dry_run:
        yield Line(f"{counted(report.matched, 'login')} would be revoked")
    else:
        yield Line(f"{counted(report.revoked, 'login')} revoked at Zoho, and deleted here")
    for count, noun, what in (
        (report.already_dead, "login", "deleted here, which Zoho did not know any more"),
        (report.paid, "revocation", "paid that were owed before"),
    ):
        if count:
            yield Line(f"{counted(count, noun)} {what}")
    if report.owed:
        text = f"{counted(report.owed, 'login')} ended here, and still to be revoked by cleanup"
        yield Line(text, is_trouble=True)
    if report.kept:
        stay = "would stay" if dry_run else "still"
        yield Line(f"{counted(report.kept, 'login')} {stay} here:", is_trouble=True)
    for token_id, reason in report.reasons.items():
        yield Line(f"  {shown_id(token_id)}: {reason}" if token_id else f"  {reason}", is_trouble=True)


def of_examination(report: Report, *, verbose: bool) -> Iterator[Line]:
    """Say what is wrong with a store."""
    more = "; there are more, --all reads them" if report.is_sample else ""
    yield Line(f"{report.location}: {report.rows:,} rows read in {report.seconds:.1f} s{more}")
    for finding in report.findings:
        yield from _of_finding(finding)
    for reason in dict.fromkeys(report.not_checked.values()):
        names = ", ".join(name for name, why in report.not_checked.items() if why == reason)
        yield Line(f"{'not checked':11}  {names}: {reason}")
    for name in report.healthy if verbose else ():
        yield Line(f"{'healthy':11}  {name}")
    if not report.findings and not report.not_checked:
        yield Line(f"All {len(report.healthy):,} checks found nothing.")


def described(which: LoginFilter) -> str:
    """Return what a filter means, for somebody who is about to end those logins."""
    if which.everything:
        return "ALL logins"
    parts = {
        "user": which.user_name,
        "client": which.client_id,
        "organisation": which.organization,
    }
    return "all logins of " + ", ".join(f"{name} {value}" for name, value in parts.items() if value)


def nobody_fits(report: RevocationReport, which: LoginFilter) -> str | None:
    """Return what to say if a revocation was about somebody who has no login here, and is owed none."""
    if which.everything or which.token_ids or report.matched or report.kept or report.paid or report.owed:
        return None
    return (
        f"There are no {described(which).removeprefix('all ')} here. Upper and lower case count: see `list`."
    )


def names_of(repository: TokenRepository, token_ids: Sequence[str]) -> str:
    """Return logins by their ids and users, for somebody who is about to end them."""
    if len(token_ids) > 1:
        return f"{len(token_ids)} logins, {listed(token_ids)}"
    (token_id,) = token_ids
    try:
        record = repository.get(token_id)
    except (SealingError, UnreadableRowError):
        return f"{shown_id(token_id)}, which cannot be read"
    if record is None:
        raise TokenNotFoundError(f"There is no token with the id {token_id!r}.")
    return f"{shown_id(token_id)}, {record.user_name or 'a user without a name'}"


def is_missing(repository: TokenRepository, token_id: str) -> bool:
    """Return whether there is no such login, not even one that cannot be read."""
    try:
        return repository.get(token_id) is None
    except (SealingError, UnreadableRowError):
        return False


def page_of(finding: Finding) -> str:
    """Return where the documentation explains a finding."""
    return f"{_PAGE}#{finding.check}"


def _of_finding(finding: Finding) -> Iterator[Line]:
    yield Line(f"{finding.severity:11}  {finding.check}: {finding.summary}")
    if finding.ids:
        yield Line(f"{'':11}    {_rows_of(finding)}")
    if finding.remedy:
        yield Line(f"{'':11}    To mend it: {finding.remedy}")
    yield Line(f"{'':11}    {page_of(finding)}")


def _rows_of(finding: Finding) -> str:
    shown = [shown_id(row_id) + (f" ({why})" if why else "") for row_id, why in finding.ids]
    more = finding.count - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")
