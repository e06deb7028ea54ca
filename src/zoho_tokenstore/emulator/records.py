"""CRM records: each belongs to an organisation and says which user made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from zoho_tokenstore.emulator.clock import Clock
from zoho_tokenstore.emulator.directory import Numbers
from zoho_tokenstore.emulator.model import User
from zoho_tokenstore.emulator.modules import Module

Record = dict[str, object]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record of a write."""

    body: dict[str, object]
    done: bool


class Records:
    """All records, by organisation and module."""

    def __init__(self, clock: Clock, numbers: Numbers) -> None:
        self._clock = clock
        self._numbers = numbers
        self._tables: dict[tuple[str, str], dict[str, Record]] = {}

    def all(self, zgid: str, module: str) -> list[Record]:
        """Return an organisation's records of a module, newest first."""
        return list(reversed(self._tables.get((zgid, module), {}).values()))

    def get(self, zgid: str, module: str, number: str) -> Record | None:
        """Return one record, if it belongs to the organisation."""
        return self._tables.get((zgid, module), {}).get(number)

    def create(self, user: User, module: Module, values: object) -> Outcome:
        """Add a record on behalf of `user`; what is wrong with it is told in the outcome."""
        if not isinstance(values, Mapping):
            return _refused("INVALID_DATA", "invalid data", {})
        missing = [one.api_name for one in module.fields if one.mandatory and not values.get(one.api_name)]
        if missing:
            details = {"api_name": missing[0], "json_path": f"$.data[0].{missing[0]}"}
            return _refused("MANDATORY_NOT_FOUND", "required field not found", details)
        record = self._build(user, values)
        self._tables.setdefault((user.zgid, module.api_name), {})[str(record["id"])] = record
        return Outcome(_created(record), done=True)

    def _build(self, user: User, values: Mapping[str, object]) -> Record:
        now, who = iso_time(self._clock.now()), {"name": user.full_name, "id": user.id}
        stamps = {
            "Created_Time": now,
            "Modified_Time": now,
            "Created_By": dict(who),
            "Modified_By": dict(who),
        }
        return {"Owner": dict(who), **values, **stamps, "id": self._numbers.take()}


def iso_time(seconds: float) -> str:
    """Return a time as CRM writes it: ISO 8601 in whole seconds, with an offset."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()


def _created(record: Record) -> dict[str, object]:
    told = ("id", "Created_Time", "Modified_Time", "Created_By", "Modified_By")
    return {
        "code": "SUCCESS",
        "details": {name: record[name] for name in told},
        "message": "record added",
        "status": "success",
    }


def _refused(code: str, message: str, details: Mapping[str, object]) -> Outcome:
    body: dict[str, object] = {"code": code, "details": dict(details), "message": message, "status": "error"}
    return Outcome(body, done=False)
