"""The published stores, to be checked by name: each clause has a place of its own."""

from __future__ import annotations

import hashlib
import json
import os
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Final

from zohocrmsdk.src.com.zoho.api.authenticator.store import DBStore, FileStore

MARIADB: Final = "ZOHO_CHECK_MARIADB"
"""Names a server: a JSON object with host, port, user and password."""

SAMPLES: Final = "ZOHO_CHECK_SAMPLES"
"""Names the reader's own copy of the folder of Zoho's samples: nothing of it is shipped here."""

_TABLE: Final = (
    "CREATE TABLE oauthtoken (id varchar(10) NOT NULL, user_name varchar(255), client_id varchar(255), "
    "client_secret varchar(255), refresh_token varchar(255), access_token varchar(255), "
    "grant_token varchar(255), expiry_time varchar(20), redirect_url varchar(255), api_domain varchar(255), "
    "PRIMARY KEY (id))"
)
"""As Zoho documents it for SDK 5 and newer."""


def file_store(folder: Path) -> Any:
    return FileStore(str(folder / "sdk_tokens.txt"))


def db_store(folder: Path) -> Any:
    server = json.loads(os.environ[MARIADB])
    database = "tokens_check_" + hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    _create(server, database)
    return DBStore(server["host"], database, server["user"], server["password"], str(server["port"]))


def _create(server: dict[str, Any], database: str) -> None:
    import mysql.connector  # which Zoho's SDK brings along

    with mysql.connector.connect(**server) as connection, connection.cursor() as cursor:
        cursor.execute(f"SHOW DATABASES LIKE '{database}'")
        if not cursor.fetchall():
            cursor.execute(f"CREATE DATABASE {database}")
            cursor.execute(f"USE {database}")
            cursor.execute(_TABLE)


def sample_sqlite(folder: Path) -> Any:
    os.chdir(folder)  # it keeps its database in the current folder
    return _sample("custom_store_sqlite").CustomStoreSQLite()


def sample_in_memory() -> Any:
    return _sample("custom_store_in_memory").CustomStore()


def sample_list() -> Any:
    return _sample("custom_store_list").CustomStoreList()


def _sample(name: str) -> Any:
    spec = spec_from_file_location(name, Path(os.environ[SAMPLES], f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"{name} is no module")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
