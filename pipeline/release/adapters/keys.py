"""The key that this machine signs with, and the one that it trusts: var/keys/release.key and release.pub."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from release.errors import BuildFailed, WrongSignature

PRIVATE, PUBLIC = "release.key", "release.pub"


def signing_key(folder: Path) -> ec.EllipticCurvePrivateKey:
    """The private key, made at first use: ECDSA on P-256. Processes that come at once get the same one. Raises BuildFailed."""
    path = folder / PRIVATE
    if not path.exists():
        _make(folder)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as problem:
        raise BuildFailed(
            f"{path} is no readable private key.", remedy=f"Restore it, or remove {folder} to begin with a new key."
        ) from problem
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BuildFailed(f"{path} is not an ECDSA key on P-256.", remedy=f"Restore it, or remove {folder} to begin with a new key.")
    if not (folder / PUBLIC).exists():
        _put(folder / PUBLIC, _public_pem(key.public_key()), mode=0o644)
    return key


def trusted_key(folder: Path) -> ec.EllipticCurvePublicKey:
    """The public key that a release must be signed with. Raises WrongSignature where there is none to trust."""
    path = folder / PUBLIC
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as problem:
        raise WrongSignature(f"{path} is no readable public key, so no signature can be trusted.") from problem
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise WrongSignature(f"{path} is not an ECDSA key on P-256.")
    return key


def hint(key: ec.EllipticCurvePublicKey) -> str:
    """How a Sigstore bundle names a key: base64 of the SHA-256 of its DER form."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _put(folder / PRIVATE, pem, mode=0o600)


def _public_pem(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _put(path: Path, data: bytes, mode: int) -> None:
    """Appears whole or not at all, and never over an existing file: a link fails where the first process has already linked."""
    handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)  # 0600 from the start
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.unlink(name)
