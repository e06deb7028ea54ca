"""Nobody pays for Django who does not use it; who lacks it is told what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.unit.test_imports import BLOCK


def output(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["zoho_tokenstore", "zoho_tokenstore.login", "zoho_tokenstore.cli._app"])
def test_nothing_else_loads_django(name: str) -> None:
    loaded = output(f"import sys, {name}; print(*sys.modules)").split()
    assert name in loaded
    assert not {"django", "asgiref"} & set(loaded)


def test_the_app_loads_no_command_line() -> None:
    """Its commands speak in the same words without typer, which the extra does not install."""
    code = BLOCK.format(name="typer") + (
        "from django.conf import settings\n"
        "import django\n"
        "settings.configure(INSTALLED_APPS=['zoho_tokenstore.login.django'])\n"
        "django.setup()\n"
        "from django.core.management import get_commands, load_command_class\n"
        "for name, app in get_commands().items():\n"
        "    if name.startswith('zoho_'):\n"
        "        print(load_command_class(app, name).help)\n"
    )
    assert len(output(code).splitlines()) == 4


def test_without_django() -> None:
    code = BLOCK.format(name="django") + (
        "from zoho_tokenstore import MissingDependencyError\n"
        "try:\n    import zoho_tokenstore.login.django\n"
        "except MissingDependencyError as error:\n    print(error)\n"
    )
    assert '"zoho-tokenstore[django]"' in output(code)
