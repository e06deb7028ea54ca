"""Jobs that nobody waits for."""

from __future__ import annotations

import pytest

from zoho_tokenstore._util.errands import Errands

PATIENCE = 10.0


@pytest.mark.parametrize("error", [KeyError("etag"), SystemExit(1)])
def test_a_job_that_fails_ends_no_other(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever it raises is logged; those that wait are done, and so are those that are left later."""
    errands, done = Errands(), []

    def fail() -> None:
        errands.leave("waiting", lambda: done.append("waiting"))
        raise error

    errands.leave("failing", fail)
    assert errands.wait(PATIENCE)
    errands.leave("later", lambda: done.append("later"))
    assert errands.wait(PATIENCE)
    assert done == ["waiting", "later"]
    assert [record.message for record in caplog.records] == ["A job beside the look-ups failed."]


def test_a_job_that_is_left_while_one_with_its_key_runs_is_done_after_it() -> None:
    """The running one may have looked at what there is to do before there was more."""
    errands, done = Errands(), []

    def first() -> None:
        errands.leave("debts", lambda: done.append("second"))
        errands.leave("debts", lambda: done.append("third"))  # one is waiting
        done.append("first")

    errands.leave("debts", first)
    assert errands.wait(PATIENCE)
    assert done == ["first", "second"]
