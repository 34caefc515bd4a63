"""Keys that nobody else can read, and bundles that vouch for exactly what was signed."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from release import errors
from release.adapters.keys import hint, signing_key, trusted_key
from release.adapters.signing import pre_authentication, sign_message, sign_statement, verify_message, verify_statement

FIRST_USE = (
    "import sys; from pathlib import Path; from release.adapters.keys import *; "
    "print(hint(signing_key(Path(sys.argv[1])).public_key()), hint(trusted_key(Path(sys.argv[1]))))"
)


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "keys"
    first = signing_key(folder)
    assert hint(signing_key(folder).public_key()) == hint(first.public_key()) == hint(trusted_key(folder))
    assert (folder / "release.key").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in folder.iterdir()) == ["release.key", "release.pub"]


def test_the_private_key_never_had_a_wider_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    link = os.link

    def watched(name: str, path: Path) -> None:
        modes.append(os.stat(name).st_mode & 0o777)
        link(name, path)

    monkeypatch.setattr(os, "link", watched)
    old = os.umask(0)
    try:
        signing_key(tmp_path / "keys")
    finally:
        os.umask(old)
    assert modes == [0o600, 0o644]


@pytest.mark.real
def test_processes_that_come_at_once_get_the_same_key(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FIRST_USE, str(tmp_path / "keys")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) for _ in range(4)]
    said = {word for process in running for word in process.communicate(timeout=60)[0].split()}
    assert [process.returncode for process in running] == [0] * 4
    assert len(said) == 1
    assert not list((tmp_path / "keys").glob(".new-*"))


def test_a_lost_public_key_comes_from_the_private_one(tmp_path: Path) -> None:
    key = signing_key(tmp_path)
    (tmp_path / "release.pub").unlink()
    signing_key(tmp_path)
    assert hint(trusted_key(tmp_path)) == hint(key.public_key())


# pragma: allowlist nextline secret
@pytest.mark.parametrize("content", [b"", b"garbage", b"-----BEGIN PRIVATE KEY-----\nAA\n-----END PRIVATE KEY-----\n"])
def test_a_damaged_key_is_never_replaced_by_a_new_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "release.key").write_bytes(content)
    with pytest.raises(errors.BuildFailed, match=r"release\.key"):
        signing_key(tmp_path)
    assert (tmp_path / "release.key").read_bytes() == content


def test_a_key_of_another_kind(tmp_path: Path) -> None:
    other = ed25519.Ed25519PrivateKey.generate()
    pem, none = serialization.Encoding.PEM, serialization.NoEncryption()
    (tmp_path / "release.key").write_bytes(other.private_bytes(pem, serialization.PrivateFormat.PKCS8, none))
    (tmp_path / "release.pub").write_bytes(other.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(errors.BuildFailed, match="P-256"):
        signing_key(tmp_path)
    with pytest.raises(errors.WrongSignature, match="P-256"):
        trusted_key(tmp_path)


@pytest.mark.parametrize("content", [None, b"", b"garbage"])
def test_without_a_readable_public_key_nothing_is_trusted(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "release.pub").write_bytes(content)
    with pytest.raises(errors.WrongSignature):
        trusted_key(tmp_path)


def test_the_hint_is_the_hash_of_what_the_public_file_holds(tmp_path: Path) -> None:
    key = signing_key(tmp_path)
    der = base64.b64decode("".join((tmp_path / "release.pub").read_text().splitlines()[1:-1]))
    assert hint(key.public_key()) == base64.b64encode(hashlib.sha256(der).digest()).decode()


def test_pre_authentication_is_as_dsse_has_it() -> None:
    assert pre_authentication("http://example.com/HelloWorld", b"hello world") == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pre_authentication("é", "ü".encode()) == "DSSEv1 2 é 2 ü".encode()


def test_a_message_bundle_has_the_form_of_sigstore(key: ec.EllipticCurvePrivateKey) -> None:
    bundle = json.loads(sign_message(key, b"message"))
    signature = bundle["messageSignature"].pop("signature")
    assert base64.b64decode(signature, validate=True)[0] == 0x30  # an ASN.1 sequence
    assert bundle == {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": hint(key.public_key())}},
        "messageSignature": {
            "messageDigest": {"algorithm": "SHA2_256", "digest": base64.b64encode(hashlib.sha256(b"message").digest()).decode()}
        },
    }


def test_a_statement_bundle_has_the_form_of_sigstore(key: ec.EllipticCurvePrivateKey) -> None:
    bundle = json.loads(sign_statement(key, b"{}"))
    assert bundle["dsseEnvelope"].pop("signatures")[0]["keyid"] == ""
    assert bundle["dsseEnvelope"] == {"payload": "e30=", "payloadType": "application/vnd.in-toto+json"}


def test_what_was_signed_verifies(key: ec.EllipticCurvePrivateKey) -> None:
    verify_message(key.public_key(), sign_message(key, b"message"), b"message", "It")
    assert verify_statement(key.public_key(), sign_statement(key, b'{"a":1}'), "It") == b'{"a":1}'


def test_another_message_another_key(key: ec.EllipticCurvePrivateKey) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(errors.WrongSignature, match="something else"):
        verify_message(key.public_key(), sign_message(key, b"message"), b"massage", "It")
    with pytest.raises(errors.WrongSignature, match="another key"):
        verify_message(key.public_key(), sign_message(other, b"message"), b"message", "It")
    with pytest.raises(errors.WrongSignature, match="another key"):
        verify_statement(key.public_key(), sign_statement(other, b"{}"), "It")


def changed(bundle: bytes, path: str, value: object) -> bytes:
    tree: Any = json.loads(bundle)
    place = tree
    *folders, last = path.split(".")
    for folder in folders:
        place = place[int(folder) if isinstance(place, list) else folder]
    place[last] = value
    return json.dumps(tree).encode()


def test_a_hint_is_no_proof(key: ec.EllipticCurvePrivateKey) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    own = hint(key.public_key())
    with pytest.raises(errors.WrongSignature, match="not by the trusted key"):
        verify_message(key.public_key(), changed(sign_message(other, b"m"), "verificationMaterial.publicKey.hint", own), b"m", "It")
    with pytest.raises(errors.WrongSignature, match="not by the trusted key"):
        verify_statement(key.public_key(), changed(sign_statement(other, b"{}"), "verificationMaterial.publicKey.hint", own), "It")


def test_a_digest_that_is_put_right_is_no_proof(key: ec.EllipticCurvePrivateKey) -> None:
    digest = base64.b64encode(hashlib.sha256(b"massage").digest()).decode()
    with pytest.raises(errors.WrongSignature, match="not by the trusted key"):
        verify_message(
            key.public_key(), changed(sign_message(key, b"message"), "messageSignature.messageDigest.digest", digest), b"massage", "It"
        )


def test_another_payload(key: ec.EllipticCurvePrivateKey) -> None:
    with pytest.raises(errors.WrongSignature, match="not by the trusted key"):
        verify_statement(key.public_key(), changed(sign_statement(key, b"{}"), "dsseEnvelope.payload", "e30KIA=="), "It")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("dsseEnvelope.payloadType", "text/plain"),
        ("dsseEnvelope.signatures", []),
        ("dsseEnvelope.payload", "not base64!"),
        ("dsseEnvelope.payload", "e30"),
        ("dsseEnvelope.payload", "é"),
        ("dsseEnvelope", None),
        ("dsseEnvelope.signatures.0.sig", 7),
        ("mediaType", "application/vnd.dev.sigstore.bundle+json;version=0.2"),
        ("verificationMaterial", {}),
        ("messageSignature", {"messageDigest": {"algorithm": "SHA2_256", "digest": ""}, "signature": ""}),
    ],
)
def test_a_statement_bundle_of_another_form(key: ec.EllipticCurvePrivateKey, path: str, value: object) -> None:
    with pytest.raises(errors.Tampered):
        verify_statement(key.public_key(), changed(sign_statement(key, b"{}"), path, value), "It")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("messageSignature.messageDigest.algorithm", "SHA2_512"),
        ("messageSignature.messageDigest.digest", "?"),
        ("messageSignature.signature", "?"),
        ("messageSignature", None),
        ("dsseEnvelope", {"payload": "", "payloadType": "", "signatures": []}),
    ],
)
def test_a_message_bundle_of_another_form(key: ec.EllipticCurvePrivateKey, path: str, value: object) -> None:
    with pytest.raises(errors.Tampered):
        verify_message(key.public_key(), changed(sign_message(key, b"m"), path, value), b"m", "It")


@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_a_signature_that_is_none(key: ec.EllipticCurvePrivateKey, signature: str) -> None:
    with pytest.raises(errors.WrongSignature):
        verify_message(key.public_key(), changed(sign_message(key, b"m"), "messageSignature.signature", signature), b"m", "It")
