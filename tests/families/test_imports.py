"""Each family's store needs its own SDK alone, and says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

SDKS = {"zohocrmsdk": "", "zcrmsdk": "crm2", "officeintegrator": "office_integrator"}

BLOCK = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
"""


def output(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("sdk", ["zcrmsdk", "officeintegrator"])
def test_a_store_needs_no_other_sdk(sdk: str) -> None:
    """Where only one SDK is installed, its store opens; no other SDK is loaded."""
    others = [name for name in SDKS if name != sdk]
    opened = output(
        BLOCK.format(names=others) + f"from zoho_tokenstore.sdk.{SDKS[sdk]} import open_store\n"
        "with open_store('list://') as store: print(store, store.get_tokens())"
    )
    assert opened.startswith("RepositoryStore(")
    assert opened.endswith(" []\n")


@pytest.mark.parametrize(
    ("sdk", "install"),
    [("zcrmsdk", "pip install zohocrmsdk2-1"), ("officeintegrator", "pip install office-integrator-sdk")],
)
def test_a_missing_sdk_is_told(sdk: str, install: str) -> None:
    """Without the SDK the import is a `MissingDependencyError` that says what to install."""
    told = output(
        BLOCK.format(names=[sdk]) + "from zoho_tokenstore import MissingDependencyError\n"
        f"try:\n    import zoho_tokenstore.sdk.{SDKS[sdk]}\n"
        "except MissingDependencyError as error:\n    print(error)\n"
    )
    assert install in told
