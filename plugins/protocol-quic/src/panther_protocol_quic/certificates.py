"""Certificates that follow from the seed: one authority for a case, and a chain below it for the server."""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
from collections.abc import Sequence

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_FROM = dt.datetime(1999, 1, 1, tzinfo=dt.UTC)
"""Before the year 2000, in which the clocks of simulators begin."""
_UNTIL = dt.datetime(2120, 1, 1, tzinfo=dt.UTC)
_CURVE = ec.SECP256R1()
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_PADDING = 16
"""Names in every certificate of a long chain, so that it takes more than a few packets."""
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER


@attrs.frozen
class Signer:
    """A key, and the name under which it signs."""

    name: x509.Name
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def of(cls, seed: int, who: str) -> Signer:
        """Return the one of that seed and name."""
        number = int.from_bytes(hashlib.sha256(f"{seed} {who}".encode()).digest())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{who} {seed}")])
        return cls(name, ec.derive_private_key(number % (_ORDER - 1) + 1, _CURVE))


@attrs.frozen
class Chain:
    """What a server shows: its key, its certificate, and those between it and the authority."""

    key: ec.EllipticCurvePrivateKey
    certificates: tuple[x509.Certificate, ...]

    def pem(self) -> bytes:
        """Return the certificates, the server's first."""
        return b"".join(each.public_bytes(PEM) for each in self.certificates)

    def der(self) -> bytes:
        """Return the server's certificate in binary form."""
        return self.certificates[0].public_bytes(DER)

    def private(self, encoding: serialization.Encoding = PEM) -> bytes:
        """Return the key, PKCS 8 without a password."""
        none = serialization.NoEncryption()
        return self.key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, none)


def authority(seed: int) -> x509.Certificate:
    """Return the certificate that clients of a case trust."""
    root = Signer.of(seed, "PANTHER authority")
    return _certificate(root, root, seed=seed, names=(), is_authority=True)


def chain(seed: int, names: Sequence[str], length: int = 1) -> Chain:
    """Return a chain for a server that is reached under ``names``: host names and addresses."""
    signer, between = Signer.of(seed, "PANTHER authority"), []
    padding = tuple(f"padding-{number:02}-of-a-long-chain.example" for number in range(_PADDING if length > 1 else 0))
    for number in range(length - 1):
        own = Signer.of(seed, f"PANTHER intermediate {number}")
        between.append(_certificate(own, signer, seed=seed, names=padding, is_authority=True))
        signer = own
    leaf = Signer.of(seed, "PANTHER server")
    last = _certificate(leaf, signer, seed=seed, names=tuple(dict.fromkeys((*names, *padding))), is_authority=False)
    return Chain(leaf.key, (last, *reversed(between)))


def _certificate(
    own: Signer, issuer: Signer, *, seed: int, names: tuple[str, ...], is_authority: bool
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(own.name)
        .issuer_name(issuer.name)
        .public_key(own.key.public_key())
        .serial_number(int.from_bytes(hashlib.sha256(f"{seed} {own.name} serial".encode()).digest()[:8]) + 1)
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
        .add_extension(_usage(is_authority=is_authority), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(map(_general, names)), critical=False)
    if not is_authority:
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(purposes, critical=False)
    return builder.sign(issuer.key, hashes.SHA256(), ecdsa_deterministic=True)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
