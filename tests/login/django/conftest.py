"""A project on a SQLite file with all its tables."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connections

from tests.login.django.support import Browser, Project, use_database
from tests.sdk.portal import forget_sdk_state
from zoho_tokenstore.emulator import Emulator


@pytest.fixture(scope="session")
def _migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("django") / "db.sqlite3"
    use_database("default", NAME=str(path))
    call_command("migrate", verbosity=0)
    connections["default"].close()
    return path


@pytest.fixture
def project(zoho: Emulator, tmp_path: Path, _migrated: Path) -> Iterator[Project]:
    path = tmp_path / "db.sqlite3"
    shutil.copy(_migrated, path)
    use_database("default", NAME=str(path))
    with ExitStack() as opened:
        yield Project(zoho, tmp_path, opened)
    connections.close_all()
    forget_sdk_state()


@pytest.fixture
def browser(project: Project) -> Browser:
    return project.browser()
