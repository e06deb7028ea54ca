"""Certificates that are worth nothing outside of a test."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)
_PEM = serialization.Encoding.PEM


def write_certificates(folder: Path, address: str = "127.0.0.1") -> Path:
    """Write ``ca.crt``, and ``server`` and ``client`` with ``.crt`` and ``.key``; return the folder.

    Arguments:
        folder: where to.
        address: the one address that the server's certificate is for.
    """
    folder.mkdir(exist_ok=True)
    authority = ec.generate_private_key(ec.SECP256R1())
    issuer = _name("authority of a test")
    own = _builder(issuer, issuer, authority.public_key())
    own = own.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    (folder / "ca.crt").write_bytes(own.sign(authority, hashes.SHA256()).public_bytes(_PEM))
    for name in ("server", "client"):
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(name), issuer, key.public_key())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        builder = builder.add_extension(names, critical=False)
        signed = builder.sign(authority, hashes.SHA256())
        (folder / f"{name}.crt").write_bytes(signed.public_bytes(_PEM))
        (folder / f"{name}.key").write_bytes(_private(key))
    return folder


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=now - _DAY,
        not_valid_after=now + _DAY,
    )


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
