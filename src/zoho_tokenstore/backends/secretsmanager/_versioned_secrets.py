"""Secrets with compare-and-set.

What Secrets Manager offers, and documents: a secret has versions, each under an id of our choice, and
one has the label ``AWSCURRENT``. Moving the label names the version to take it from, and fails if
another has it. So a change has two steps:

1. A new version is stored under a label that nobody reads. It is not current.
2. ``AWSCURRENT`` is moved from the version that was read to the new one, or the change is refused.

Deleting takes no condition. So a secret is first *closed*: content that says so is made current as
above, and readers then see no secret. From then on nobody changes it, and anybody may delete it. It is
deleted by its ARN, which is partly random: so never a later one of the same name.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from zoho_tokenstore._util.deadlines import Deadline
from zoho_tokenstore.backends._aws.calls import AWSCalls, Refusal
from zoho_tokenstore.errors import BackendError, BackendTimeoutError

MAX_SECRET_BYTES: Final = 65_536

_CURRENT: Final = "AWSCURRENT"
_PREVIOUS: Final = "AWSPREVIOUS"
_NEXT: Final = "ZOHO_TOKENSTORE_NEXT"
_CLOSED: Final = {"closed": True}

_GONE: Final = ("ResourceNotFoundException", "InvalidRequestException")

Content = dict[str, Any]


class VersionedSecret(NamedTuple):
    """A secret as read. `content` is `None` if it is not a JSON object, as all of ours are."""

    name: str
    arn: str
    version: str
    content: Content | None

    @property
    def is_closed(self) -> bool:
        return self.content == _CLOSED

    def require_content(self) -> Content:
        """Return the content, or raise a `BackendError` if there is none."""
        if self.content is None:
            raise unreadable_error(self.name)
        return self.content


class ChangedError(Exception):
    """The secret has changed since it was read, or already exists."""


def new_version() -> str:
    """Return an id for a version that is about to be written."""
    return str(uuid.uuid4())


class VersionedSecrets:
    """The secrets of one store."""

    def __init__(self, calls: AWSCalls, kms_key_id: str | None) -> None:
        self._calls = calls
        self._key: dict[str, Any] = {} if kms_key_id is None else {"KmsKeyId": kms_key_id}

    def read(self, name: str, deadline: Deadline) -> VersionedSecret | None:
        """Return a secret; `None` if there is none, or only one being deleted."""
        secret = self.read_even_closed(name, deadline)
        return None if secret is None or secret.is_closed else secret

    def read_even_closed(self, name: str, deadline: Deadline) -> VersionedSecret | None:
        """Return a secret, even a closed one."""
        try:
            answer = self._calls.call(
                "get_secret_value", deadline, refusals=_GONE, SecretId=name, VersionStage=_CURRENT
            )
        except Refusal as refusal:
            self._check_gone(refusal)
            return None
        return VersionedSecret(name, answer["ARN"], answer["VersionId"], _content(answer))

    def create(self, name: str, content: Content, version: str, deadline: Deadline) -> None:
        """Create a secret, or raise a `ChangedError` if there is one; the deletion of one is waited for."""
        text = self._text(name, content)
        while not self._try_to_create(name, text, version, deadline):
            if not deadline.delay():
                raise BackendTimeoutError(
                    f"The secret {name} is scheduled for deletion, and AWS keeps its name until then. If "
                    "it was just deleted, try again in a moment; if it has a recovery window, restore "
                    "it or delete it without one."
                )

    def replace(self, secret: VersionedSecret, content: Content, version: str, deadline: Deadline) -> None:
        """Make a new version current, or raise a `ChangedError`: the one that was read no longer is."""
        try:
            self._calls.call(
                "put_secret_value",
                deadline,
                refusals=_GONE,
                SecretId=secret.arn,
                ClientRequestToken=version,
                SecretString=self._text(secret.name, content),
                VersionStages=[_NEXT],
            )
        except Refusal as refusal:
            self._check_gone(refusal)
            raise ChangedError from refusal
        self._make_current(secret, version, deadline)

    def discard(self, secret: VersionedSecret, deadline: Deadline) -> None:
        """Delete a secret as it was read, with all its versions; raise a `ChangedError` if it has changed."""
        self.replace(secret, _CLOSED, new_version(), deadline)
        self.delete_closed(secret, deadline)

    def delete_closed(self, secret: VersionedSecret, deadline: Deadline) -> None:
        """Delete a secret that has been closed; no matter by whom, or how often."""
        self._calls.call("delete_secret", deadline, SecretId=secret.arn, ForceDeleteWithoutRecovery=True)

    def change(self, name: str, change: Callable[[Content], Content], deadline: Deadline) -> None:
        """Change a secret's content, by compare-and-set.

        `change` makes the new content from the present one; no content means no secret. If it returns the
        same, nothing is done.
        """
        while True:
            try:
                self._change(name, change, deadline)
            except ChangedError:
                self._calls.pause(deadline)
            else:
                return

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names with this prefix. AWS may take minutes to notice what is new or gone."""
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
        secret = self.read(name, deadline)
        content = {} if secret is None else secret.require_content()
        changed = change(content)
        if changed == content:
            return
        if secret is None:
            self.create(name, changed, new_version(), deadline)
        elif changed:
            self.replace(secret, changed, new_version(), deadline)
        else:
            self.discard(secret, deadline)

    def _try_to_create(self, name: str, text: str, version: str, deadline: Deadline) -> bool:
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
        if not deadline.has_passed():
            self._delete_if_closed(name, deadline)
        return False

    def _delete_if_closed(self, name: str, deadline: Deadline) -> None:
        there = self.read_even_closed(name, deadline)
        if there is None:
            return
        if not there.is_closed:
            raise ChangedError
        self.delete_closed(there, deadline)

    def _make_current(self, secret: VersionedSecret, version: str, deadline: Deadline) -> None:
        try:
            self._calls.call(
                "update_secret_version_stage",
                deadline,
                refusals=(*_GONE, "InvalidParameterException"),
                SecretId=secret.arn,
                VersionStage=_CURRENT,
                RemoveFromVersionId=secret.version,
                MoveToVersionId=version,
            )
        except Refusal as refusal:
            if not self._was_current(secret, version, deadline):
                raise ChangedError from refusal

    def _was_current(self, secret: VersionedSecret, version: str, deadline: Deadline) -> bool:
        """Return whether a version became current after all: an earlier try may have had no answer."""
        try:
            answer = self._calls.call(
                "get_secret_value", deadline, refusals=_GONE, SecretId=secret.arn, VersionId=version
            )
        except Refusal as refusal:
            self._check_gone(refusal)
            return False
        return not {_CURRENT, _PREVIOUS}.isdisjoint(answer["VersionStages"])

    def _check_gone(self, refusal: Refusal) -> None:
        """Check that a refusal means "there is no such secret", and nothing else."""
        if refusal.code == "InvalidRequestException" and "delet" not in str(refusal.error):
            raise BackendError(
                f"{self._calls.subject} did not work ({refusal.code}): AWS says that a secret is in a state "
                "in which it cannot be used. Look at it in the AWS console; nothing was changed."
            )

    def _text(self, name: str, content: Content) -> str:
        text = text_of(content)
        size = len(text.encode())
        if size > MAX_SECRET_BYTES:
            raise BackendError(
                f"The secret {name} would take {size} bytes, and AWS keeps at most {MAX_SECRET_BYTES}. "
                "Nothing was changed."
            )
        return text


def _content(answer: dict[str, Any]) -> Content | None:
    try:
        content = json.loads(answer["SecretString"])
        text_of(content).encode()  # JSON can hold a lone surrogate, which is not valid text
    except (KeyError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def text_of(content: Content) -> str:
    """Return content as it is stored."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def unreadable_error(name: str) -> BackendError:
    """Return the error for a secret that others have changed."""
    return BackendError(
        f"The secret {name} does not hold what this store wrote. "
        "Correct or delete it; the others are not affected."
    )
