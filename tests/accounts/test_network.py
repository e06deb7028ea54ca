"""What lies between us and a server: TLS, proxies, and the environment's settings for both."""

from __future__ import annotations

import socket
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from tests.accounts.conftest import Serve
from tests.accounts.exchanges import LIMIT, SECRET, SHORT, failure, post
from tests.accounts.support import Behaviour, RawServer, answering, hang, http, requests_under_way, wait_until
from zoho_tokenstore.renewal._transport import Transport


class TestTLS:
    """Certificates, and the environment's CA bundle."""

    def test_a_certificate_that_nobody_vouches_for(self, serve: Serve, certificate: Path) -> None:
        """Nothing is sent to a server that is not who it says it is."""
        server = serve(answering(http({})), certificate)
        error = failure(server.url)
        assert error.kind == "transient"
        assert "certificate verify failed" in str(error)
        assert server.requests == []

    @pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    def test_a_bundle_of_the_environment(
        self, serve: Serve, certificate: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        """A company's own CA is trusted where the environment names it."""
        monkeypatch.setenv(name, str(certificate))
        assert post(serve(answering(http({})), certificate).url).status == 200

    def test_another_host(self, serve: Serve, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A certificate for another name does not count."""
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        server = serve(answering(http({})), certificate)
        assert failure(f"https://localhost:{server.port}").kind == "transient"
        assert server.requests == []

    def test_a_missing_bundle(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A bundle that is not there is an error of ours; nothing is sent unverified."""
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
        assert failure("https://127.0.0.1:1/").kind == "transient"

    def test_a_handshake_that_never_ends(self, serve: Serve) -> None:
        """A server that speaks no TLS holds nobody, nor the thread; and nothing was sent."""

        def behave(connection: socket.socket, server: RawServer) -> None:
            server.ended.wait()

        server = serve(behave)
        transport = Transport(timeout=timedelta(seconds=LIMIT), connect=timedelta(seconds=30))
        assert failure(server.url.replace("http", "https"), transport).kind == "transient"
        assert wait_until(lambda: requests_under_way() == 0, 0.5)

    def test_a_handshake_that_drips(self, serve: Serve) -> None:
        """Each byte comes in time, and all of them never: the same."""

        def behave(connection: socket.socket, server: RawServer) -> None:
            connection.recv(65536)
            for byte in b"\x16\x03\x03\x40\x00" + b"\x02" * 1000:
                if server.ended.wait(0.02):
                    return
                connection.sendall(bytes([byte]))

        server = serve(behave)
        assert failure(server.url.replace("http", "https")).kind == "transient"
        assert wait_until(lambda: requests_under_way() == 0, 0.5)

    def test_a_hang_under_tls(self, serve: Serve, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A server that hangs behind TLS is left in time, and its connection is ended."""
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        server = serve(hang, certificate)
        assert failure(server.url, Transport(timeout=timedelta(seconds=LIMIT))).kind == "uncertain"
        assert len(server.requests) == 1
        assert wait_until(lambda: requests_under_way() == 0, 0.5)


def tunnelling(connection: socket.socket, server: RawServer) -> None:
    """Be a proxy: connect to where `CONNECT` says, and pass everything on."""
    target = server.read_request(connection).split(b" ")[1].decode()
    host, _, port = target.rpartition(":")
    with socket.create_connection((host, int(port)), 5) as upstream:
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=_pump, args=[upstream, connection])
        back.start()
        _pump(connection, upstream)
        back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


class TestEnvironment:
    """Proxies as requests takes them from the environment; nothing from `.netrc`."""

    def test_a_proxy(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        """A request goes to the proxy, with the whole address."""
        proxy = serve(answering(http({"from": "proxy"})))
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert post("http://accounts.example/oauth").body == b'{"from": "proxy"}'
        assert proxy.requests[0].startswith(b"POST http://accounts.example/oauth HTTP/1.1\r\n")

    @pytest.mark.parametrize("exempt", ["127.0.0.1", "*", "localhost,127.0.0.0/8"])
    def test_no_proxy(self, serve: Serve, monkeypatch: pytest.MonkeyPatch, exempt: str) -> None:
        """What `NO_PROXY` names is asked directly."""
        proxy, server = serve(hang), serve(answering(http({})))
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", exempt)
        assert post(server.url).status == 200
        assert proxy.connections == 0

    def test_a_tunnel(self, serve: Serve, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """TLS goes through the proxy, which sees nothing of the request."""
        server, proxy = serve(answering(http({})), certificate), serve(tunnelling)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        transport = Transport(timeout=timedelta(seconds=5))
        assert post(server.url, transport).status == 200
        assert SECRET.encode() not in b"".join(proxy.requests)
        assert SECRET.encode() in server.requests[0]

    def test_a_hang_in_a_tunnel(
        self, serve: Serve, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Through a proxy the outcome is as open, and the connection as surely ended."""
        proxy, server = serve(tunnelling), serve(hang, certificate)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert failure(server.url, Transport(timeout=timedelta(seconds=LIMIT))).kind == "uncertain"
        assert wait_until(lambda: requests_under_way() == 0, 0.5)

    @pytest.mark.parametrize(
        "behave",
        [answering(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"), answering(b""), hang],
        ids=["407", "closed", "hangs"],
    )
    def test_a_proxy_that_does_not_connect(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch, behave: Behaviour
    ) -> None:
        """Without a tunnel nothing of the request was sent. The proxy's password is not told."""
        proxy = serve(behave)
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:{SECRET}@127.0.0.1:{proxy.port}")
        error = failure("https://accounts.example/")
        assert error.kind == "transient"
        assert SECRET not in f"{error}{error.__cause__!r}"

    def test_no_credentials_of_netrc(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A `.netrc` that knows the host adds nothing, and takes no header's place."""
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login me password mine\ndefault login me password mine\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        server = serve(answering(http({})))
        post(server.url)
        SHORT.get(server.url, {"Authorization": "Zoho-oauthtoken t"})
        assert b"authorization:" not in server.requests[0].lower()
        assert b"\r\nAuthorization: Zoho-oauthtoken t\r\n" in server.requests[1]
