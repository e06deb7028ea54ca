"""What docs/reference/stores/redis.md says, done."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.docs.pages import DOCS, Page
from tests.redis.conftest import Open
from tests.redis.support import shared, teach
from tests.redis.test_cluster import prefix_on
from tests.support.servers.redis import LocalRedis, start_local
from tests.support.servers.redis_groups import cluster, sentinel_pair, until
from zoho_tokenstore.backends.redis import _failures as failures
from zoho_tokenstore.errors import BackendUnavailableError
from zoho_tokenstore.records import Row
from zoho_tokenstore.testing._backend import full_row

PAGE = Page(DOCS / "reference" / "stores" / "redis.md")
TEXTS = [block.source for block in PAGE.blocks("text")]
(RIGHTS,) = [text.split() for text in TEXTS if text.startswith("ACL SETUSER")]
(CONFIGURATION,) = [text for text in TEXTS if text.startswith("appendonly")]
SECRET = "1000.very-secret-and-long-enough-to-be-found"  # made up


def grant(server: LocalRedis, *more: str, without: str = "") -> str:
    """Make the page's user, with more rights or one less; return the URL for it."""
    with server.driver() as driver:
        driver.execute_command(*[word for word in RIGHTS if word != without], *more)
    return server.url.replace("://", "://portal:PASSWORD@")


def test_the_rights_are_enough(open_store: Open) -> None:
    """The page's user does all that a store does, and nothing that is refused."""
    shared()
    with start_local(appendonly="yes") as server, server.driver() as driver:
        store = open_store(grant(server))
        teach(store)
        etag = store.write(full_row(), expect=None)
        store.write(full_row(mark="b"), expect=etag)
        assert store.find("access_token", "access_token-b")
        # redis-py introduces itself where the server knows how, and does not mind if it may not.
        assert [entry for entry in driver.acl_log() if "client" not in entry["object"]] == []


@pytest.mark.parametrize("right", [word for word in RIGHTS if word.startswith("+") and word != "+info"])
def test_every_right_is_needed(local: LocalRedis, open_store: Open, right: str) -> None:
    """Without one of the rights the store does not open."""
    with pytest.raises(BackendUnavailableError, match="may not do what the store needs"):
        open_store(grant(local, without=right))


def test_the_rights_are_for_the_store_alone(local: LocalRedis) -> None:
    """The page's user touches no other key, and neither lists, empties nor configures the server."""
    grant(local)
    others: list[list[str]] = [
        ["HGET", "{other}:row:1", "id"],
        ["EVAL", "return redis.call('HGET', '{other}:row:1', 'id')", "0"],
        ["KEYS", "*"],
        ["FLUSHDB"],
        ["FLUSHALL"],
        ["CONFIG", "GET", "*"],
        ["MONITOR"],
        ["ACL", "LIST"],
    ]
    with redis.Redis(port=local.port, username="portal", password="PASSWORD", protocol=2) as portal:
        for command in others:
            with pytest.raises(redis.ResponseError, match=r"no permissions|user executing the script"):
                portal.execute_command(*command)


def test_the_rights_for_another_database(local: LocalRedis, open_store: Open) -> None:
    """With `+select`, the user opens another database."""
    assert "`+select`" in PAGE.text
    url = grant(local, "+select").replace("/0", "/3")
    open_store(url).write(Row(id="1"), expect=None)


@pytest.mark.long
def test_the_rights_in_a_cluster(open_store: Open) -> None:
    """With the rights that the page adds for a cluster, the user works there."""
    shared()
    (more,) = re.findall(r"`([^`]*)` for a cluster", PAGE.text)
    with cluster() as made:
        prefix = prefix_on(made, 1)
        for node in made.nodes:
            grant(node, *more.split(), f"~{{{prefix}}}:*")
        login = made.url.replace("://", "://portal:PASSWORD@")
        teach(open_store(login, prefix=prefix))


@pytest.mark.long
def test_the_rights_of_sentinels(open_store: Open) -> None:
    """The user of the Sentinels needs no more than the page says."""
    shared()
    (right,) = re.findall(r"The Sentinels need `([^`]*)`", PAGE.text)
    with sentinel_pair() as (_, _, sentinel):
        with sentinel.driver() as driver:
            driver.execute_command("ACL", "SETUSER", "portal", "on", ">PASSWORD", right)
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/tokens"
        teach(open_store(url, sentinel_username="portal", sentinel_password="PASSWORD"))


def test_the_password_is_changed_without_a_gap(local: LocalRedis, open_store: Open) -> None:
    """A user may have two passwords for a while, and open connections stay."""
    store = open_store(grant(local))
    with local.driver() as driver:
        driver.execute_command("ACL", "SETUSER", "portal", ">NEW")
        newer = open_store(local.url.replace("://", "://portal:NEW@"))
        driver.execute_command("ACL", "SETUSER", "portal", "<PASSWORD")
    assert store.load("1") is newer.load("1") is None


def test_the_configuration_is_a_good_one(open_store: Open, caplog: pytest.LogCaptureFixture) -> None:
    """A server with the page's configuration is opened without a warning."""
    shared()
    config: dict[str, Any] = dict(line.split(" ") for line in CONFIGURATION.splitlines())
    with start_local(**{name.replace("-", "_"): value for name, value in config.items()}) as server:
        open_store(grant(server))
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_rewriting_the_files_removes_replaced_secrets(open_store: Open) -> None:
    """A secret that was replaced is still in the server's files; after the page's commands it is not."""
    shared()
    with (
        start_local(save="3600 1", appendonly="yes", rdbcompression="no") as server,
        server.driver() as driver,
    ):
        store = open_store(server.url)
        etag = store.write(Row(id="1", access_token=SECRET), expect=None)
        driver.save()
        store.write(Row(id="1", access_token="sealed"), expect=etag)
        assert {path.suffix for path in _files_with_the_secret(server.folder)} == {".rdb", ".aof"}
        driver.bgrewriteaof()
        _until_idle(driver)
        driver.bgsave()
        _until_idle(driver)
        assert _files_with_the_secret(server.folder) == []


def _files_with_the_secret(folder: Path) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if SECRET.encode() in path.read_bytes()]


def _until_idle(driver: Any) -> None:
    busy = ("rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled")
    until(lambda: not any(driver.info("persistence")[name] for name in busy), "the files to be written")


@pytest.mark.parametrize("code", [*failures._UNAVAILABLE, *failures._UNUSABLE])
def test_every_failure_is_on_the_page(code: str) -> None:
    """What the message says is in the table, in the same words."""
    said = {**failures._UNAVAILABLE, **failures._UNUSABLE}[code]
    assert re.split(r"[.(]|, perhaps", said)[0].strip() in PAGE.text
