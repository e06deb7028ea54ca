"""CRM records: each belongs to an organisation and says which user made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from zoho_tokenstore.emulator._clock import Clock
from zoho_tokenstore.emulator._directory import Numbers
from zoho_tokenstore.emulator._model import User
from zoho_tokenstore.emulator._modules import Module

Record = dict[str, object]


@dataclass(frozen=True, slots=True)
class RecordResult:
    """The outcome of one record of a write."""

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

    def create(self, user: User, module: Module, values: object) -> RecordResult:
        """Add a record on behalf of `user`; the outcome says what is wrong with it."""
        if not isinstance(values, Mapping):
            return _refused("INVALID_DATA", "invalid data", {})
        record = self._build(user, values)
        return _without_mandatory(module, record) or self._keep(user, module, record, "record added")

    def update(self, user: User, module: Module, number: object, values: object) -> RecordResult:
        """Change fields of one of the organisation's records on behalf of `user`; the others stay."""
        if not isinstance(values, Mapping):
            return _refused("INVALID_DATA", "invalid data", {})
        if number is None:
            return _missing("id")
        before = self.get(user.zgid, module.api_name, str(number))
        if before is None:
            return _refused("INVALID_DATA", "the id given seems to be invalid", {"api_name": "id"})
        kept = {"id", *(field.api_name for field in module.fields if field.read_only)}
        changes = {name: value for name, value in values.items() if name not in kept}
        record = {**before, **changes, **self._modified(user)}
        return _without_mandatory(module, record) or self._keep(user, module, record, "record updated")

    def _keep(self, user: User, module: Module, record: Record, message: str) -> RecordResult:
        self._tables.setdefault((user.zgid, module.api_name), {})[str(record["id"])] = record
        return _written(record, message)

    def _build(self, user: User, values: Mapping[str, object]) -> Record:
        modified = self._modified(user)
        created = {"Created_Time": modified["Modified_Time"], "Created_By": _who(user)}
        return {"Owner": _who(user), **values, **created, **modified, "id": self._numbers.take()}

    def _modified(self, user: User) -> Record:
        return {"Modified_Time": iso_time(self._clock.now()), "Modified_By": _who(user)}


def iso_time(seconds: float) -> str:
    """Return a time as CRM writes it: ISO 8601 in whole seconds, with an offset."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()


def _who(user: User) -> dict[str, str]:
    return {"name": user.full_name, "id": user.id, "email": user.email}


def _written(record: Record, message: str) -> RecordResult:
    told = ("id", "Created_Time", "Modified_Time", "Created_By", "Modified_By")
    details = {name: _told(record[name]) for name in told}
    body: Record = {"code": "SUCCESS", "details": details, "message": message, "status": "success"}
    return RecordResult(body, done=True)


def _told(value: object) -> object:
    """Return a value as the outcome of a write has it: users without their e-mail addresses."""
    if not isinstance(value, Mapping):
        return value
    return {name: value[name] for name in ("name", "id")}


def _without_mandatory(module: Module, record: Record) -> RecordResult | None:
    """Return the refusal of a record that lacks a mandatory field, or `None`."""
    missing = [one.api_name for one in module.fields if one.mandatory and not record.get(one.api_name)]
    return _missing(missing[0]) if missing else None


def _missing(name: str) -> RecordResult:
    details = {"api_name": name, "json_path": f"$.data[0].{name}"}
    return _refused("MANDATORY_NOT_FOUND", "required field not found", details)


def _refused(code: str, message: str, details: Mapping[str, object]) -> RecordResult:
    body: dict[str, object] = {"code": code, "details": dict(details), "message": message, "status": "error"}
    return RecordResult(body, done=False)
