"""Stores in files, wrong about other processes, about being killed, about secrets and about bad rows."""

from __future__ import annotations

import base64
import logging
import sys
import time
import uuid
import warnings
from pathlib import Path
from typing import Any

from tests.contract.broken.base import OnDisk, fails, own
from zoho_tokenstore import TokenRecord
from zoho_tokenstore.sdk._tokens import record_of
from zoho_tokenstore.testing import ORDINARY, Ability, fields_of, make_token
from zoho_tokenstore.testing.steps import Fields


@fails("processes-lose-no-save")
class RewritesWhatItRead(OnDisk):
    def save_token(self, token: Any) -> None:
        before = {row.id for row in self.rows}
        super().save_token(token)
        time.sleep(0.002)  # as the rewriting of a file takes
        for row in self.rows:
            if row.id not in {token.get_id(), *before}:
                self.repository.delete(row.id)


@fails("processes-make-one-row-of-one-owner")
class InsertsWhatItMissed(OnDisk):
    def save_token(self, token: Any) -> None:
        is_new = token.get_id() is None and super().find_token(own(token)) is None
        time.sleep(0.02)
        if is_new:
            token.set_id(uuid.uuid4().hex[:10])
            self.overwrite(record_of(token), token.get_id())
        else:
            super().save_token(token)


@fails("processes-never-see-half-a-save")
class DeletesBeforeItSaves(OnDisk):
    def save_token(self, token: Any) -> None:
        if token.get_id() is not None:
            self.repository._backend.remove(token.get_id())
            self.repository._backend.retired.prune(2**62)
            time.sleep(0.001)
        super().save_token(token)


@fails("processes-see-deletions", "handles-share-their-tokens")
class BelievesItsCache(OnDisk):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.kept: dict[str, Fields] = {}

    def find_token_by_id(self, id: str) -> Any:  # noqa: A002
        if id not in self.kept:
            self.kept[id] = fields_of(super().find_token_by_id(id))
        return make_token(**self.kept[id])


@fails("killed-saves-are-kept")
class WritesBehind(OnDisk):
    """Says that a token is saved, and saves it when the next one comes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.held: Any = None

    def save_token(self, token: Any) -> None:
        if self.held is not None:
            super().save_token(self.held)
        same = super().find_token(own(token))
        token.set_id(uuid.uuid4().hex[:10] if same is None else same.get_id())
        self.held = own(token)

    def close(self) -> None:
        if self.held is not None:
            super().save_token(self.held)
        super().close()


@fails("killed-saves-are-whole-or-nothing")
class SavesInTwoSteps(OnDisk):
    def save_token(self, token: Any) -> None:
        part = own(token, redirect_url="https://not.yet.zylker.example/")
        super().save_token(part)
        time.sleep(0.005)
        token.set_id(part.get_id())
        self.overwrite(record_of(token), token.get_id())


@fails("killed-processes-leave-nothing-locked")
class LeavesItsLock(OnDisk):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.lock = folder / "lock"

    def save_token(self, token: Any) -> None:
        for _ in range(200):
            try:
                self.lock.touch(exist_ok=False)
                break
            except FileExistsError:
                time.sleep(0.01)
        else:
            raise TimeoutError("the store is locked")
        super().save_token(token)
        time.sleep(0.01)
        self.lock.unlink()


@fails("files-are-their-owners-alone")
class ReadableByAll(OnDisk):
    def save_token(self, token: Any) -> None:
        super().save_token(token)
        self.path.chmod(0o644)


@fails("passing-files-are-their-owners-alone")
class WritesAFileOnTheWay(OnDisk):
    def save_token(self, token: Any) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(str(fields_of(token)))
        super().save_token(token)
        new.unlink()


@fails("errors-show-no-secret")
class RaisesTheToken(OnDisk):
    def save_token(self, token: Any) -> None:
        try:
            super().save_token(token)
        except Exception as error:
            raise ValueError(f"cannot save {fields_of(token)}") from error


@fails("errors-show-no-secret")
class RaisesBecauseOfTheToken(RaisesTheToken):
    def save_token(self, token: Any) -> None:
        try:
            super().save_token(token)
        except ValueError as error:
            raise RuntimeError("this token can't be saved") from error


@fails("logs-show-no-secret")
class LogsTheToken(OnDisk):
    def save_token(self, token: Any) -> None:
        super().save_token(token)
        logging.getLogger("a.store").debug("saved %s", fields_of(token))


@fails("logs-show-no-secret")
class LogsTheErrorWithTheToken(RaisesTheToken):
    def save_token(self, token: Any) -> None:
        try:
            super().save_token(token)
        except ValueError:
            logging.getLogger("a.store").exception("a save failed")


@fails("logs-show-no-secret")
class PrintsTheToken(OnDisk):
    def find_token(self, token: Any) -> Any:
        print("looking for", token.get_refresh_token(), file=sys.stderr)
        return super().find_token(token)


@fails("logs-show-no-secret")
class WarnsOfTheToken(OnDisk):
    def delete_token(self, id: str) -> None:  # noqa: A002
        for row in self.rows:
            if row.id == id:
                warnings.warn(f"{row.refresh_token} isn't revoked", stacklevel=2)
        super().delete_token(id)


@fails("reprs-show-no-secret")
class ShowsWhatItHas(OnDisk):
    def __repr__(self) -> str:
        return f"ShowsWhatItHas({[row.access_token for row in self.rows]})"


@fails("reprs-show-no-secret")
class ReturnsTokensThatShow(OnDisk):
    def find_token_by_id(self, id: str) -> Any:  # noqa: A002
        token = super().find_token_by_id(id)
        shown = type("Shown", (type(token),), {"__str__": lambda self: f"token {self.get_access_token()}"})
        token.__class__ = shown
        return token


@fails("sealed-files-show-no-secret")
class SealsNothing(OnDisk):
    abilities = ORDINARY | {Ability.SEALED}


@fails("sealed-files-show-no-secret")
class SealsByEncoding(OnDisk):
    abilities = ORDINARY | {Ability.SEALED}

    def save_token(self, token: Any) -> None:
        kept = {
            name: text and base64.b64encode(text.encode()).decode() for name, text in fields_of(token).items()
        }
        token.set_id(uuid.uuid4().hex[:10])
        self.overwrite(TokenRecord(access_token=kept["access_token"]), token.get_id())


@fails("damage-hides-nobody-else", "damage-stops-no-save")
class ReadsAllToFindOne(OnDisk):
    def find_token_by_id(self, id: str) -> Any:  # noqa: A002
        self.read_all()
        return super().find_token_by_id(id)


@fails("damage-spoils-no-list")
class ListsAllOrNobody(OnDisk):
    def get_tokens(self) -> list[Any]:
        self.read_all()
        return super().get_tokens()


@fails("damage-stops-no-save")
class ReadsAllToSaveOne(OnDisk):
    def save_token(self, token: Any) -> None:
        self.read_all()
        super().save_token(token)
