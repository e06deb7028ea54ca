"""What is asked of the errors of each family."""

from __future__ import annotations

import pickle
from typing import Any

from zoho_tokenstore import errors
from zoho_tokenstore.sdk._base_store import BaseStore
from zoho_tokenstore.sdk._twins import to_sdk_error


def check_twins(store: type[BaseStore], sdk_exception: Any) -> None:
    """Assert that each of our errors becomes one of the SDK's, which goes from process to process."""
    twins = store.family.twins
    assert {kind.__name__ for kind in twins} == {*errors.__all__} - {"FailureKind"}
    for ours, twin in twins.items():
        error = to_sdk_error(ours("What happened."), twins)
        assert isinstance(error, sdk_exception)
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) is twin
        assert str(again) == str(error) == "What happened."
        assert issubclass(twin, ours)
        refused = issubclass(ours, errors.InvalidGrantError | errors.InvalidClientError)
        assert vars(again)["code"] == ("INVALID TOKEN ERROR" if refused else "TOKEN_STORE")
