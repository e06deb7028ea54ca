"""A small cluster: the store's keys lie in one slot, and calls find them wherever it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.redis.conftest import Open
from tests.redis.support import prefix_of, rows_in, shared
from tests.redis.test_sentinel import at_last
from tests.support.servers._process import free_port
from tests.support.servers.redis_groups import Cluster, cluster, until
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends.redis import RedisBackend
from zoho_tokenstore.errors import BackendError, BackendUnavailableError, ConfigurationError
from zoho_tokenstore.records import Row
from zoho_tokenstore.testing import BackendContract
from zoho_tokenstore.testing._backend import full_row
from zoho_tokenstore.testing._subject import together


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[Cluster]:
    """A cluster that no test changes."""
    shared()
    with cluster() as made:
        yield made


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A cluster for one test."""
    shared()
    with cluster() as made:
        yield made


def prefix_on(made: Cluster, node: int) -> str:
    """Return a prefix whose slot is one of that primary's."""
    return next(name for name in map(str, range(1000)) if made.owner(f"{{{name}}}") == node)


class TestCluster(BackendContract):
    @pytest.fixture(autouse=True)
    def _on(self, shared_cluster: Cluster) -> None:
        self.url = shared_cluster.url

    def make_backend(self, folder: Path) -> Backend:
        return RedisBackend(self.url, prefix=prefix_of(folder))

    def reopen(self, backend: Backend, folder: Path) -> Backend:
        return RedisBackend(self.url, prefix=prefix_of(folder))


@pytest.mark.parametrize("node", [0, 1])
def test_all_keys_of_a_store_lie_on_one_node(shared_cluster: Cluster, open_store: Open, node: int) -> None:
    """Every key of a store is on the primary that has the slot of its prefix."""
    prefix = prefix_on(shared_cluster, node)
    store = open_store(shared_cluster.url, prefix=prefix)
    store.write(full_row(), expect=None)
    assert store.leases.replace("a", "", "text", 60_000)
    counts = [len(driver.keys(f"{{{prefix}}}*")) for driver in shared_cluster.drivers[:2]]
    assert counts[node] == 8
    assert counts[1 - node] == 0


def test_one_node_of_the_url_is_enough(shared_cluster: Cluster, open_store: Open) -> None:
    """The others are learned from any node that is there."""
    port = shared_cluster.nodes[1].port
    store = open_store(f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{port}", timeout=1)
    together(8, lambda number: store.load(str(number)))
    store.write(Row(id="1"), expect=None)
    assert store.clear() == 1


@pytest.mark.long
def test_the_store_follows_a_failover(own_cluster: Cluster, open_store: Open) -> None:
    """When the primary of the store's slot dies and its replica takes over, the same handle goes on."""
    store = open_store(own_cluster.url, prefix=prefix_on(own_cluster, 0), timeout=1)
    etag = store.write(Row(id="1", user_name="alice"), expect=None)
    replica = own_cluster.drivers[2]
    until(lambda: len(replica.keys("*:row:1")) == 1, "the replica to catch up")
    own_cluster.nodes[0].kill()
    with pytest.raises(BackendUnavailableError):
        store.load("1")
    replica.execute_command("CLUSTER", "FAILOVER", "TAKEOVER")
    row = at_last(lambda: store.load("1"))
    assert row.etag == etag
    newer = at_last(lambda: store.write(row._replace(user_name="bob"), expect=etag))
    assert [found.etag for found in rows_in(store.find("user_name", "bob"))] == [newer]


@pytest.mark.long
def test_a_slot_that_was_moved(own_cluster: Cluster, open_store: Open) -> None:
    """When the slot is moved to another node the same handle goes on there, without an error."""
    store, slot = _filled(own_cluster, open_store)
    _migrate(own_cluster, slot, share=1.0)
    _finish(own_cluster, slot)
    assert [row.id for row in store.find("user_name", "user_name-a")] == ["1", "2", "3"]
    assert store.remove("2") is True
    assert len(own_cluster.drivers[0].keys()) == 0


@pytest.mark.long
@pytest.mark.parametrize("order", [1, -1])
def test_a_slot_that_is_being_moved(own_cluster: Cluster, open_store: Open, order: int) -> None:
    """While some of the keys have moved a call works or is an error: no row is missed, none is half done."""
    store, slot = _filled(own_cluster, open_store)
    expected = sorted(rows_in(store.scan()))
    _migrate(own_cluster, slot, share=0.5, order=order)
    uses: list[Any] = [
        lambda: store.find("user_name", "user_name-a"),
        lambda: sorted(store.scan()),
        lambda: [store.load(row.id) for row in expected],
    ]
    answers = [_answer(use) for use in uses]
    assert all(answer == expected or "moving the store's keys" in answer for answer in answers)
    changes: list[Any] = [
        lambda: store.write(full_row("1", "b"), expect=expected[0].etag),
        lambda: store.write(full_row("4"), expect=None),
        lambda: store.remove("3"),
        lambda: store.clear(),
    ]
    done = [_answer(change) for change in changes]
    _migrate(own_cluster, slot, share=1.0)
    _finish(own_cluster, slot)
    assert ["moving the store's keys" in str(text) for text in done] == [True] * len(changes)
    assert sorted(store.scan()) == sorted(store.find("user_name", "user_name-a")) == expected
    assert [store.load(row.id) for row in expected] == expected
    assert store.clear() == 3


def _filled(made: Cluster, open_store: Open) -> tuple[RedisBackend, int]:
    prefix = prefix_on(made, 0)
    store = open_store(made.url, prefix=prefix)
    for row_id in "123":
        store.write(full_row(row_id), expect=None)
    slot: int = made.drivers[0].execute_command("CLUSTER", "KEYSLOT", f"{{{prefix}}}")
    return store, slot


def _migrate(made: Cluster, slot: int, share: float, order: int = 1) -> None:
    """Move a share of the keys of a slot from the first node to the second."""
    names = made.names()
    source, target, _ = made.drivers
    target.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", names[0])
    source.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", names[1])
    keys = sorted(source.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1000))
    moved = keys[::order][: round(len(keys) * share)]
    source.execute_command("MIGRATE", "127.0.0.1", made.nodes[1].port, "", 0, 5000, "KEYS", *moved)


def _finish(made: Cluster, slot: int) -> None:
    for driver in reversed(made.drivers[:2]):
        driver.execute_command("CLUSTER", "SETSLOT", slot, "NODE", made.names()[1])


def _answer(use: Any) -> Any:
    try:
        return use()
    except BackendUnavailableError as error:
        return str(error)


@pytest.mark.long
def test_a_cluster_that_is_down(own_cluster: Cluster, open_store: Open) -> None:
    """Without some of its slots a cluster is down: told in bounded time, by a handle and at opening."""
    store = open_store(own_cluster.url, prefix=prefix_on(own_cluster, 0), timeout=1)
    store.write(Row(id="1"), expect=None)
    own_cluster.nodes[1].kill()
    until(lambda: own_cluster.drivers[0].cluster("INFO")["cluster_state"] == "fail", "the cluster to be down")
    for use in (
        lambda: store.load("1"),
        lambda: store.find("user_name", "a"),
        lambda: open_store(own_cluster.url),
    ):
        began = time.monotonic()
        with pytest.raises(BackendUnavailableError, match="cluster"):
            use()
        assert time.monotonic() - began < 15


def test_what_is_no_cluster(open_store: Open) -> None:
    """A server without cluster mode, or nobody, is an error at opening."""
    url = shared().url.replace("redis://", "redis+cluster://")
    with pytest.raises(BackendError, match="the cluster cannot be reached"):
        open_store(url, timeout=1)
    with pytest.raises(BackendUnavailableError, match="the cluster cannot be reached"):
        open_store(f"redis+cluster://127.0.0.1:{free_port()}", timeout=1)


def test_a_node_of_a_cluster_taken_for_a_server(shared_cluster: Cluster, open_store: Open) -> None:
    """A plain URL to the node that does not have the keys is an error, not absence."""
    prefix = prefix_on(shared_cluster, 0)
    with pytest.raises(BackendError, match=r"redis\+cluster"):
        open_store(f"redis://127.0.0.1:{shared_cluster.nodes[1].port}", prefix=prefix)


def test_checks_ask_the_node_of_the_store(own_cluster: Cluster, open_store: Open) -> None:
    """What a server must be is asked of the node that has the store's slot."""
    own_cluster.drivers[1].config_set("maxmemory", "100mb")
    own_cluster.drivers[1].config_set("maxmemory-policy", "allkeys-lru")
    open_store(own_cluster.url, prefix=prefix_on(own_cluster, 0))
    with pytest.raises(ConfigurationError, match="allkeys-lru"):
        open_store(own_cluster.url, prefix=prefix_on(own_cluster, 1))
