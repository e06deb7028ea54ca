"""Secrets with compare-and-set.

What Secrets Manager offers, and documents: a secret has versions, each under an id of our choice,
and the label ``AWSCURRENT`` is on one of them. Moving the label names the version that it is to be
taken from, and fails if it is on another one. So a change has two steps:

1. A new version is put, under a label that nobody reads. It is stored, but not current.
2. ``AWSCURRENT`` is moved from the version that was read to the new one, or the change is refused.

Deleting takes no condition. So a secret is first *closed*: the content that says so is made current
as above, and whoever reads it sees no secret. From then on nobody changes it, and anybody may delete
it. It is deleted by its ARN, of which a part is random: never one of the same name that came after.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from zoho_tokenstore.backends._aws.calls import Calls, Deadline, Refusal
from zoho_tokenstore.backends._aws.texts import utf8
from zoho_tokenstore.errors import BackendError, BackendTimeoutError

LARGEST: Final = 65_536

_CURRENT: Final = "AWSCURRENT"
_PREVIOUS: Final = "AWSPREVIOUS"
_NEXT: Final = "ZOHO_TOKENSTORE_NEXT"
_CLOSED: Final = {"closed": True}

_GONE: Final = ("ResourceNotFoundException", "InvalidRequestException")

Content = dict[str, Any]


class Cell(NamedTuple):
    """A secret as it was read. `content` is `None` if it is no JSON object, as all of ours are."""

    name: str
    arn: str
    version: str
    content: Content | None

    @property
    def is_closed(self) -> bool:
        return self.content == _CLOSED

    def written(self) -> Content:
        """Return the content.

        Raises:
            BackendError: there is none.
        """
        if self.content is None:
            raise unreadable(self.name)
        return self.content


class ChangedError(Exception):
    """The secret is not as it was read, or is there already."""


def new_version() -> str:
    """Return an id for a version that is about to be written."""
    return str(uuid.uuid4())


class Cells:
    """The secrets of one store."""

    def __init__(self, calls: Calls, kms_key_id: str | None) -> None:
        self._calls = calls
        self._key: dict[str, Any] = {} if kms_key_id is None else {"KmsKeyId": kms_key_id}

    def read(self, name: str, deadline: Deadline) -> Cell | None:
        """Return a secret; `None` if there is none, or only one that is about to go."""
        cell = self.read_even_closed(name, deadline)
        return None if cell is None or cell.is_closed else cell

    def read_even_closed(self, name: str, deadline: Deadline) -> Cell | None:
        """Return a secret, also one that is closed."""
        try:
            answer = self._calls.call(
                "get_secret_value", deadline, refusals=_GONE, SecretId=name, VersionStage=_CURRENT
            )
        except Refusal as refusal:
            self._check_gone(refusal)
            return None
        return Cell(name, answer["ARN"], answer["VersionId"], _content(answer))

    def create(self, name: str, content: Content, version: str, deadline: Deadline) -> None:
        """Make a secret with its first version. One of the same name that is about to go is waited for.

        Raises:
            ChangedError: there is one.
            BackendTimeoutError: its name is still that of one that is being deleted.
        """
        text = self._text(name, content)
        while not self._created(name, text, version, deadline):
            if not deadline.pause():
                raise BackendTimeoutError(
                    f"The secret {name} is scheduled for deletion, and AWS keeps its name until then. If "
                    "it was just deleted, try again in a moment; if it has a recovery window, restore "
                    "it or delete it without one."
                )

    def replace(self, cell: Cell, content: Content, version: str, deadline: Deadline) -> None:
        """Make a new version current, in the place of the one that was read.

        Raises:
            ChangedError: that one is not current any more.
        """
        try:
            self._calls.call(
                "put_secret_value",
                deadline,
                refusals=_GONE,
                SecretId=cell.arn,
                ClientRequestToken=version,
                SecretString=self._text(cell.name, content),
                VersionStages=[_NEXT],
            )
        except Refusal as refusal:
            self._check_gone(refusal)
            raise ChangedError from refusal
        self._make_current(cell, version, deadline)

    def discard(self, cell: Cell, deadline: Deadline) -> None:
        """Delete a secret as it was read, with all its versions.

        Raises:
            ChangedError: it was changed since.
        """
        self.replace(cell, _CLOSED, new_version(), deadline)
        self.delete_closed(cell, deadline)

    def delete_closed(self, cell: Cell, deadline: Deadline) -> None:
        """Delete a secret that has been closed; it does not matter by whom, or how often."""
        self._calls.call("delete_secret", deadline, SecretId=cell.arn, ForceDeleteWithoutRecovery=True)

    def change(self, name: str, change: Callable[[Content], Content], deadline: Deadline) -> None:
        """Give a secret other content, by compare-and-set.

        Arguments:
            name: its name.
            change: what makes the new content of the present one; no content means no secret. If
                it returns the same, nothing is done.
            deadline: that of the whole call.
        """
        while True:
            try:
                self._change(name, change, deadline)
            except ChangedError:
                self._calls.pause(deadline)
            else:
                return

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names that begin so. AWS may take minutes to notice what is new or gone."""
        page: dict[str, Any] = {}
        while True:
            answer = self._calls.call(
                "list_secrets", Filters=[{"Key": "name", "Values": [prefix]}], MaxResults=100, **page
            )
            names = (secret["Name"] for secret in answer["SecretList"])
            yield from (name for name in names if name.startswith(prefix))
            if not answer.get("NextToken"):
                return
            page = {"NextToken": answer["NextToken"]}

    def check_size(self, name: str, content: Content) -> None:
        """Raise a `BackendError` if a secret cannot hold this."""
        self._text(name, content)

    def _change(self, name: str, change: Callable[[Content], Content], deadline: Deadline) -> None:
        cell = self.read(name, deadline)
        content = {} if cell is None else cell.written()
        changed = change(content)
        if changed == content:
            return
        if cell is None:
            self.create(name, changed, new_version(), deadline)
        elif changed:
            self.replace(cell, changed, new_version(), deadline)
        else:
            self.discard(cell, deadline)

    def _created(self, name: str, text: str, version: str, deadline: Deadline) -> bool:
        try:
            self._calls.call(
                "create_secret",
                deadline,
                refusals=("ResourceExistsException", "InvalidRequestException"),
                Name=name,
                ClientRequestToken=version,
                SecretString=text,
                **self._key,
            )
        except Refusal as refusal:
            if refusal.code == "InvalidRequestException":
                self._check_gone(refusal)
                return False
        else:
            return True
        if not deadline.is_over():
            self._delete_if_closed(name, deadline)
        return False

    def _delete_if_closed(self, name: str, deadline: Deadline) -> None:
        there = self.read_even_closed(name, deadline)
        if there is None:
            return
        if not there.is_closed:
            raise ChangedError
        self.delete_closed(there, deadline)

    def _make_current(self, cell: Cell, version: str, deadline: Deadline) -> None:
        try:
            self._calls.call(
                "update_secret_version_stage",
                deadline,
                refusals=(*_GONE, "InvalidParameterException"),
                SecretId=cell.arn,
                VersionStage=_CURRENT,
                RemoveFromVersionId=cell.version,
                MoveToVersionId=version,
            )
        except Refusal as refusal:
            if not self._was_current(cell, version, deadline):
                raise ChangedError from refusal

    def _was_current(self, cell: Cell, version: str, deadline: Deadline) -> bool:
        """Tell whether a version has become current after all: an earlier try may have had no answer."""
        try:
            answer = self._calls.call(
                "get_secret_value", deadline, refusals=_GONE, SecretId=cell.arn, VersionId=version
            )
        except Refusal as refusal:
            self._check_gone(refusal)
            return False
        return not {_CURRENT, _PREVIOUS}.isdisjoint(answer["VersionStages"])

    def _check_gone(self, refusal: Refusal) -> None:
        """See that a refusal means "there is no such secret", and nothing else."""
        if refusal.code == "InvalidRequestException" and "delet" not in str(refusal.error):
            raise BackendError(
                f"{self._calls.subject} did not work ({refusal.code}): AWS says that a secret is in a state "
                "in which it cannot be used. Look at it in the AWS console; nothing was changed."
            )

    def _text(self, name: str, content: Content) -> str:
        text = text_of(content)
        size = len(utf8(text))
        if size > LARGEST:
            raise BackendError(
                f"The secret {name} would take {size} bytes, and AWS keeps {LARGEST} at most. "
                "Nothing was changed."
            )
        return text


def _content(answer: dict[str, Any]) -> Content | None:
    try:
        content = json.loads(answer["SecretString"])
        text_of(content).encode()  # JSON can hold a lone surrogate, which is no text
    except (KeyError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def text_of(content: Content) -> str:
    """Return a content as it is stored."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def unreadable(name: str) -> BackendError:
    """Return the error for a secret that others have changed."""
    return BackendError(
        f"The secret {name} does not hold what this store has written. "
        "Correct or delete it; the others are not affected."
    )
