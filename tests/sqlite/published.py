"""A program that works on the database as Zoho's published SQLite sample does: its shapes of SQL.

Every call has a connection of its own, with the default timeout. Values stand in the text of the
statements, as they do there.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

TEN_COLUMNS = (
    "id, user_name, client_id, client_secret, refresh_token, access_token, grant_token, expiry_time, "
    "redirect_url, api_domain"
)
CREATE = (
    "create table oauthtoken (id varchar(10) NOT NULL, user_name varchar(255), client_id varchar(255), "
    "client_secret varchar(255), refresh_token varchar(255), access_token varchar(255), "
    "grant_token varchar(255), expiry_time varchar(20), redirect_url varchar(255), "
    "api_domain varchar(255), primary key (id))"
)

PublishedRow = tuple[str | None, ...]


@contextlib.contextmanager
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path)) as opened:
        yield opened
        opened.commit()


def create(path: Path) -> None:
    with connection(path) as opened:
        opened.execute(CREATE)


def find_by_name(path: Path, user_name: str) -> PublishedRow | None:
    with connection(path) as opened:
        found: PublishedRow | None = opened.execute(
            f"select * from oauthtoken where user_name='{user_name}' limit 1"
        ).fetchone()
    return found and found[:10]


def find_by_id(path: Path, row_id: str) -> PublishedRow | None:
    with connection(path) as opened:
        found: PublishedRow | None = opened.execute(
            f"select * from oauthtoken where id='{row_id}'"
        ).fetchone()
    return found and found[:10]


def insert(path: Path, user_name: str, *, tokens: str, client_id: str = "1000.C") -> str:
    """Add a row under the next id; its refresh, access and grant token are made of `tokens`."""
    row_id = next_id(path)
    values = (
        row_id, user_name, client_id, "secret", f"refresh-{tokens}", f"access-{tokens}",
        f"grant-{tokens}", "4102444800000", None, "https://www.zohoapis.com",
    )  # fmt: skip
    with connection(path) as opened:
        opened.execute(f"insert into oauthtoken ({TEN_COLUMNS}) values (?,?,?,?,?,?,?,?,?,?)", values)
    return row_id


def update(path: Path, user_name: str, *, access_token: str, expiry_time: str = "4102444800000") -> None:
    """With the limit only where this SQLite is built for it; the published code fails elsewhere."""
    statement = (
        f"update oauthtoken set access_token='{access_token}', expiry_time='{expiry_time}' "
        f"where user_name='{user_name}'"
    )
    with connection(path) as opened:
        options = [name for (name,) in opened.execute("pragma compile_options")]
        limit = " limit 1" if "ENABLE_UPDATE_DELETE_LIMIT" in options else ""
        opened.execute(statement + limit)


def delete(path: Path, row_id: str) -> None:
    with connection(path) as opened:
        opened.execute(f"delete from oauthtoken where id='{row_id}'")


def next_id(path: Path) -> str:
    """The greatest id as text, plus one."""
    with connection(path) as opened:
        (greatest,) = opened.execute("select max(id) from oauthtoken").fetchone()
    return str(int(greatest or 0) + 1)
