"""The code with one mistake each: the simulation has to find every one of them."""

from __future__ import annotations

import contextlib
import inspect
import types
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from unittest import mock

from tests.simulation import processes
from tests.simulation.scene import Renew
from zoho_tokenstore.renewal import _lease_entry as lease_entry
from zoho_tokenstore.renewal import _pending_saves as pending_saves
from zoho_tokenstore.renewal import _protocol as protocol
from zoho_tokenstore.renewal import _steps as steps


class Mutant(NamedTuple):
    """A mistake: in a module, a text stands in the place of another one.

    `is_rare`: it takes another login, and a storage that fails, while one is being renewed.
    """

    module: types.ModuleType
    right: str
    wrong: str
    is_rare: bool = False


MUTANTS: Final = {
    "the lease is replaced whatever was read": Mutant(
        protocol, "Replace(kept.text, mine)", "Replace((yield Read()).text, mine)"
    ),
    "who loses the race sends as well": Mutant(
        protocol,
        "if (yield Replace(kept.text, mine)):",
        "if (yield Replace(kept.text, mine)) in (True, False):",
    ),
    "the token is found before the lease is read": Mutant(
        protocol,
        """        kept = yield Read()
        entry = LeaseEntry.parse(kept.text)
        if turn == 0:
            before = entry.renewed
        record = yield Find(None if entry.renewed == before else entry.renewed)
""",
        """        record = yield Find(before)
        kept = yield Read()
        entry = LeaseEntry.parse(kept.text)
""",
    ),
    "what was deleted is renewed": Mutant(
        protocol, "ask.is_stored if record is None", "False if record is None"
    ),
    "what others have renewed is renewed again": Mutant(
        protocol, "else ask.is_enough(record) or", "else (ask.is_enough(record) and turn == 0) or"
    ),
    "the lease is given back before the save": Mutant(
        protocol,
        "        saved = yield Save(record, grant)\n",
        "        yield from _end(mine, mine.given_back())\n        saved = yield Save(record, grant)\n",
    ),
    "a failure is not noted": Mutant(protocol, "_end(mine, failed)", "_end(mine, mine.given_back())"),
    "a failure keeps the lease": Mutant(
        protocol, "if (yield from _end(mine, failed)) is False:", "if False:"
    ),
    "the budget is not looked at": Mutant(protocol, "if blocked > 0:", "if blocked > 1e9:"),
    "a code is sent though one was sent before": Mutant(
        protocol, "if ask.is_code and entry.sent and not _may_be_sent(entry):", "if False:"
    ),
    "a code is sent again by force": Mutant(
        protocol,
        "if ask.is_code and entry.sent and not _may_be_sent(entry):",
        "if ask.is_code and entry.sent and failure is None and not _may_be_sent(entry):",
    ),
    "a code is sent again when no answer came": Mutant(
        protocol, 'if ask.is_code and kind == "uncertain":', "if False:"
    ),
    "a throttled renewal can be forced": Mutant(protocol, 'failure.kind != "throttled"', "True"),
    "nobody stops waiting": Mutant(protocol, "        if left <= 0:", "        if left <= -60:"),
    "pauses get longer and longer": Mutant(protocol, "pause * 1.5, _LONGEST_POLL_DELAY", "pause * 1.5, 10"),
    "a lease never runs out": Mutant(
        lease_entry, "now_ms < self.until_ms <= now_ms + 2 * ms(policy.timeout)", "self.until_ms > 0"
    ),
    "a lease of a clock that was set back holds": Mutant(
        lease_entry, "now_ms < self.until_ms <= now_ms + 2 * ms(policy.timeout)", "now_ms < self.until_ms"
    ),
    "a lease runs out at once": Mutant(
        lease_entry, "until_ms=now_ms + ms(policy.timeout)", "until_ms=now_ms + 20"
    ),
    "requests are not counted": Mutant(
        lease_entry,
        "(*within_window(self.sent, now_ms, policy), now_ms)",
        "within_window(self.sent, now_ms, policy)",
    ),
    "requests are forgotten too early": Mutant(
        lease_entry, "abs(now_ms - at) < ms(policy.window)", "abs(now_ms - at) < ms(policy.window) // 2"
    ),
    "a request that failed is not counted": Mutant(
        lease_entry,
        "return self._next(owner=None, until_ms=0, failure=failure)",
        "return self._next(owner=None, until_ms=0, sent=self.sent[:-1], failure=failure)",
    ),
    "a rejection holds off for a while only": Mutant(
        lease_entry, 'if failure is None or failure.kind == "rejected":', "if failure is None:"
    ),
    "a throttled renewal is tried again soon": Mutant(
        lease_entry, '"throttled": now_ms + ms(policy.window)', '"throttled": now_ms + 1000'
    ),
    "a save is fenced by the row as it is by now": Mutant(
        steps, "known if known is not None and _fence(known.record) == _fence(record) else None", "known"
    ),
    "what a late token was made after is forgotten": Mutant(
        steps,
        "self._services.pending_saves.fence_of(stored) or _fence(stored)",
        "_fence(stored)",
        is_rare=True,
    ),
    "a renewal drops a late login": Mutant(
        pending_saves, "if renews and", "if False and renews and", is_rare=True
    ),
    "a late token forgets which row it was of": Mutant(
        pending_saves, "id=record.id or kept.row_id", "id=None"
    ),
    "a late save is not fenced": Mutant(
        pending_saves,
        "self._repository.save(kept.record, fence=kept.fence",
        "self._repository.save(kept.record, fence=None",
    ),
}

_STEPS: Final = ("Read", "Replace", "Find", "Prove", "Send", "Save", "Pause", "Ask", "TimeSource")


@contextlib.contextmanager
def made(mutant: Mutant) -> Iterator[Renew]:
    """Put a mutant in place for a while; yield the protocol to run."""
    made = _module(mutant)
    renewal: Renew = protocol.renewal
    if mutant.module is protocol:
        vars(made).update({name: getattr(protocol, name) for name in _STEPS})
        renewal = made.renewal
    with contextlib.ExitStack() as patches:
        if mutant.module is lease_entry:
            patches.enter_context(mock.patch.object(protocol, "LeaseEntry", made.LeaseEntry))
        elif mutant.module is steps:
            patches.enter_context(mock.patch.object(processes, "Steps", made.Steps))
        elif mutant.module is pending_saves:
            patches.enter_context(mock.patch.object(processes, "PendingSaves", made.PendingSaves))
        yield renewal


def _module(mutant: Mutant) -> Any:
    source = inspect.getsource(mutant.module)
    assert source.count(mutant.right) == 1, mutant.right
    name = f"{mutant.module.__name__}.mutant"
    module = types.ModuleType(name)
    with mock.patch.dict("sys.modules", {name: module}):  # dataclasses look their module up
        exec(compile(source.replace(mutant.right, mutant.wrong), name, "exec"), vars(module))
    return module
