"""Clauses about the audit trail that a backend may keep."""

from __future__ import annotations

from typing import Any, Final

from zoho_tokenstore.backend import AuditLog, AuditRow, SupportsAudit
from zoho_tokenstore.testing._rows import skip_unless
from zoho_tokenstore.testing._subject import together

_THREADS: Final = 8
_LOGINS: Final = ("one", "two")
_PAGES: Final = 2100
"""More rows than a backend reads at once."""


def _log_of(backend: Any) -> AuditLog:
    skip_unless(backend, SupportsAudit)
    log: AuditLog = backend.audit
    return log


def _row(number: int, mark: str = "a", login: str | None = None) -> AuditRow:
    text = f'{{"mark":"{mark}","number":{number}}}'
    return AuditRow(number, 1000 * number, login, text, f"{number:064x}"[:63] + mark[:1], None)


def _numbers(log: AuditLog, **wanted: Any) -> list[int]:
    return [row.number for row in log.scan(**wanted)]


class BackendAuditClauses:
    """Rows are appended one after the other, read in order, pruned from the start, and never replaced."""

    def test_audit_rows_come_back(self, backend: Any) -> None:
        """A row of an audit trail comes back with all its values, long ones too; at first there is none."""
        log = _log_of(backend)
        assert log.last() is None
        assert list(log.scan()) == []
        given = [
            AuditRow(1, 0, None, "{}", "0" * 64, None),
            AuditRow(2, 2**53, "9" * 10, "x" * 20_000, "f" * 64, "a" * 64),
        ]
        assert [log.append(row) for row in given] == [True, True]
        assert list(log.scan()) == given
        assert log.last() == given[-1]

    def test_audit_rows_are_never_replaced(self, backend: Any) -> None:
        """A number that is taken is refused, and the row under it stays as it was."""
        log = _log_of(backend)
        log.append(_row(1))
        assert log.append(_row(1, "b")) is False
        assert log.append(_row(2, "b")) is True
        assert list(log.scan()) == [_row(1), _row(2, "b")]

    def test_audit_repetition_counts_as_done(self, backend: Any) -> None:
        """Appending the same row again, as after a lost answer, succeeds and stores nothing new."""
        log = _log_of(backend)
        log.append(_row(1))
        assert log.append(_row(1)) is True
        assert list(log.scan()) == [_row(1)]

    def test_audit_rows_are_filtered(self, backend: Any) -> None:
        """A scan yields rows after a number, from a time on, before one, of one login, or all of these."""
        log = _log_of(backend)
        for number in range(1, 7):
            log.append(_row(number, login=_LOGINS[number % 2]))
        assert _numbers(log, after=4) == [5, 6]
        assert _numbers(log, since_ms=3000) == [3, 4, 5, 6]
        assert _numbers(log, until_ms=3000) == [1, 2]
        assert _numbers(log, token_id=_LOGINS[1]) == [1, 3, 5]
        assert _numbers(log, token_id=_LOGINS[1].upper()) == _numbers(log, after=6) == []
        assert _numbers(log, after=1, since_ms=2000, until_ms=5000, token_id=_LOGINS[1]) == [3]

    def test_audit_scan_goes_page_by_page(self, backend: Any) -> None:
        """A long trail is read in the order of its numbers, also while it is appended to."""
        log = _log_of(backend)
        for number in range(1, _PAGES + 1):
            log.append(_row(number))
        seen = []
        for row in log.scan():
            seen.append(row.number)
            if row.number == 1:
                log.append(_row(_PAGES + 1))
        assert seen in ([*range(1, _PAGES + 1)], [*range(1, _PAGES + 2)])

    def test_audit_rows_are_pruned(self, backend: Any) -> None:
        """`prune` deletes the rows up to a number and returns how many; later ones stay."""
        log = _log_of(backend)
        for number in range(1, 6):
            log.append(_row(number))
        assert log.prune(3) == 3
        assert log.prune(3) == 0
        assert _numbers(log) == [4, 5]
        assert log.last() == _row(5)

    def test_audit_outlives_the_tokens(self, backend: Any) -> None:
        """Deleting all tokens deletes nothing of the trail."""
        log = _log_of(backend)
        log.append(_row(1))
        backend.clear()
        assert list(log.scan()) == [_row(1)]

    def test_one_of_many_audit_rows_wins(self, backend: Any) -> None:
        """Of several threads that append under one number at once, exactly one succeeds."""
        log = _log_of(backend)
        marks = "abcdefgh"
        won = together(_THREADS, lambda n: log.append(_row(1, marks[n])))
        assert won.count(True) == 1
        assert list(log.scan()) == [_row(1, marks[won.index(True)])]

    def test_handles_share_the_audit_trail(self, backend: Any, other: Any) -> None:
        """What one handle appends or prunes, the other sees, and cannot replace."""
        one, two = _log_of(backend), _log_of(other)
        one.append(_row(1))
        assert two.last() == _row(1)
        assert two.append(_row(1, "b")) is False
        two.append(_row(2, "b"))
        one.prune(1)
        assert list(one.scan()) == list(two.scan()) == [_row(2, "b")]
