"""What processes see of the schedule that they are part of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from tests.simulation.plan import Plan
from tests.simulation.store import Store
from tests.simulation.world import World
from tests.simulation.zoho import Zoho
from zoho_tokenstore.errors import AccountsError
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal import _protocol as protocol

if TYPE_CHECKING:
    from tests.simulation.processes import Process, Renewing

Renew = Callable[[protocol.Ask, Any, protocol.TimeSource], protocol.Renewal]


class Judge(Protocol):
    """Is told what renewals do."""

    def goes_on(self, renewing: Renewing, step: protocol.Step) -> None: ...
    def sends(self, renewing: Renewing) -> None: ...
    def answered(self, renewing: Renewing, error: AccountsError | None, *, sent: bool) -> None: ...
    def tries(self, process: Process, refresh_token: str | None, *, is_own: bool = False) -> None: ...
    def lands(self, renewing: Renewing, record: TokenRecord | None, error: Exception | None) -> None: ...
    def keeps(self, renewing: Renewing, login: str | None, forgotten: set[str | None]) -> None: ...
    def removes(self) -> None: ...
    def looked_up(self, found: TokenRecord | Exception | None) -> None: ...


class Scene(Protocol):
    """Where the processes are."""

    world: World
    plan: Plan
    store: Store
    zoho: Zoho
    renewal: Renew
    asked: TokenRecord
    is_calm: bool

    @property
    def judge(self) -> Judge: ...

    def replace(self, dead: Process) -> None: ...
