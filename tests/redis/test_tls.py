"""Connections by TLS, with certificates made for the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.cluster import RedisCluster
from redis.sentinel import SentinelManagedSSLConnection

from tests.redis.certificates import write_certificates
from tests.redis.conftest import Open
from tests.redis.support import shared
from tests.support.servers.redis import LocalRedis, start_local
from zoho_tokenstore.backends.redis import RedisBackend
from zoho_tokenstore.backends.redis._clients import OwnClients
from zoho_tokenstore.backends.redis._urls import settings_of
from zoho_tokenstore.errors import BackendError, BackendUnavailableError, ConfigurationError
from zoho_tokenstore.records import Row

TLS_FAILED = r"TLS failed\. Check the certificates"


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    return write_certificates(tmp_path / "certificates")


@pytest.fixture
def server(certificates: Path) -> Iterator[LocalRedis]:
    """A server that speaks TLS alone, to anybody."""
    shared()
    with start_local(certificates=certificates, tls_auth_clients="no") as server:
        yield server


def test_a_server_with_a_known_certificate(server: LocalRedis, certificates: Path, open_store: Open) -> None:
    """With the authority's certificate the store works over TLS, said by an argument or by the URL."""
    store = open_store(server.url, ssl_ca_certs=str(certificates / "ca.crt"))
    store.write(Row(id="1"), expect=None)
    assert store.location.startswith("rediss://127.0.0.1")
    assert open_store(f"{server.url}?ssl_ca_certs={certificates / 'ca.crt'}").load("1") is not None


def test_a_server_that_nobody_vouches_for(server: LocalRedis, open_store: Open) -> None:
    """A certificate of an unknown authority is refused, unless that is switched off by name."""
    with pytest.raises(BackendUnavailableError, match=TLS_FAILED):
        open_store(server.url)
    open_store(f"{server.url}?ssl_cert_reqs=none&ssl_check_hostname=no")


def test_a_certificate_for_another_host(tmp_path: Path, open_store: Open) -> None:
    """The host of the URL must be in the certificate, unless that is switched off by name."""
    shared()
    certificates = write_certificates(tmp_path / "other", address="127.0.0.2")
    authority = str(certificates / "ca.crt")
    with start_local(certificates=certificates, tls_auth_clients="no") as server:
        with pytest.raises(BackendUnavailableError, match=TLS_FAILED):
            open_store(server.url, ssl_ca_certs=authority)
        open_store(server.url, ssl_ca_certs=authority, ssl_check_hostname=False)


def test_a_server_that_asks_for_a_certificate(certificates: Path, open_store: Open) -> None:
    """A client's certificate is shown to a server that asks for one; without it, there is no connection."""
    shared()
    authority = {"ssl_ca_certs": str(certificates / "ca.crt")}
    own = {"ssl_certfile": str(certificates / "client.crt"), "ssl_keyfile": str(certificates / "client.key")}
    with start_local(certificates=certificates) as server:
        with pytest.raises(BackendUnavailableError):
            open_store(server.url, **authority)
        open_store(server.url, **authority, **own).write(Row(id="1"), expect=None)


@pytest.mark.parametrize("option", ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"])
def test_a_file_that_is_not_there(tmp_path: Path, option: str) -> None:
    """A file that an option names and that is not there is told, before anything is connected to."""
    with pytest.raises(ConfigurationError, match=f"file .* that {option} names"):
        RedisBackend(f"rediss://localhost?{option}={tmp_path / 'none'}")


def test_plain_and_tls_do_not_mix(server: LocalRedis, local: LocalRedis, open_store: Open) -> None:
    """TLS to a plain port and the reverse are errors in bounded time."""
    with pytest.raises(BackendError):
        open_store(server.url.replace("rediss", "redis"), timeout=1)
    with pytest.raises(BackendError):
        open_store(local.url.replace("redis", "rediss"), timeout=1)


@pytest.mark.parametrize("kind", ["sentinel", "cluster"])
def test_options_reach_every_connection(
    monkeypatch: pytest.MonkeyPatch, certificates: Path, kind: str
) -> None:
    """Servers behind Sentinels, the Sentinels, and the nodes of a cluster are spoken to by TLS likewise."""
    made: dict[str, Any] = {}
    monkeypatch.setattr(RedisCluster, "from_url", lambda url, **options: made.update(options, url=url))
    path = "/tokens/0" if kind == "sentinel" else ""
    authority = str(certificates / "ca.crt")
    url = f"rediss+{kind}://one,two{path}?ssl_ca_certs={authority}"
    settings = settings_of(url, prefix="p", timeout=1.0, allow_eviction=False)
    client: Any = OwnClients(settings).make()
    if kind == "cluster":
        assert made["url"].startswith("rediss://")
        assert (made["ssl_ca_certs"], made["ssl_check_hostname"]) == (authority, True)
        return
    pools = [
        client.connection_pool,
        *(one.connection_pool for one in client.connection_pool.sentinel_manager.sentinels),
    ]
    assert [pool.connection_class for pool in pools] == [
        SentinelManagedSSLConnection,
        redis.SSLConnection,
        redis.SSLConnection,
    ]
    for pool in pools:
        options = pool.connection_kwargs
        assert (options["ssl_ca_certs"], options["ssl_check_hostname"]) == (authority, True)
        assert (options["socket_timeout"], options["socket_connect_timeout"]) == (1.0, 1.0)
