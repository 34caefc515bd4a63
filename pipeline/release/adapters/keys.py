"""The key that this machine signs with, and those that it trusts: var/keys/release.key and release.pub, and the public keys in var/keys/trusted."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from collections.abc import Container, Mapping
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from release.adapters.files import alone
from release.errors import BuildFailed, UnknownKey, WrongSignature

PRIVATE, PUBLIC, TRUSTED = "release.key", "release.pub", "trusted"
ID_DIGITS = 12
PATIENCE_S = 10.0


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
    """The public key of this machine. Raises WrongSignature where there is none to trust."""
    return _public(folder / PUBLIC)


def trusted_keys(folder: Path) -> Mapping[str, ec.EllipticCurvePublicKey]:
    """All that may have signed a release, by their hints, this machine's first. One that can't be read is an error, not one less. Raises WrongSignature."""
    others = sorted((folder / TRUSTED).glob("*.pub"))
    own = [folder / PUBLIC] if (folder / PUBLIC).exists() or not others else []
    return {hint(key): key for key in map(_public, [*own, *others])}


def file_of(folder: Path, hints: Container[str]) -> Path:
    """Where the trusted key lies that is one of these; this machine's own comes first. Raises WrongSignature."""
    for path in (folder / PUBLIC, *sorted((folder / TRUSTED).glob("*.pub"))):
        if path.exists() and hint(_public(path)) in hints:
            return path
    raise WrongSignature(f"No key in {folder} is one of those that signed it.")


def key_id(key: ec.EllipticCurvePublicKey) -> str:
    """What people call it: the first hex digits of the hash that its hint is."""
    return hashlib.sha256(_der(key)).hexdigest()[:ID_DIGITS]


def rotate(folder: Path) -> tuple[ec.EllipticCurvePublicKey, ec.EllipticCurvePublicKey]:
    """A new key signs from now on, the old one stays trusted; both, the old one first.

    Killed anywhere, what signs is trusted: each public key lies in its place before the private one that belongs to it signs. Raises BuildFailed.
    """
    with alone(folder / "rotation", PATIENCE_S):
        old, new = signing_key(folder).public_key(), ec.generate_private_key(ec.SECP256R1())
        for key in (old, new.public_key()):
            trust(folder, key)
        _put(folder / PRIVATE, _private_pem(new), mode=0o600, over=True)
        _put(folder / PUBLIC, _public_pem(new.public_key()), mode=0o644, over=True)
        _place(folder, key_id(new.public_key())).unlink()
    return old, new.public_key()


def trust(folder: Path, key: ec.EllipticCurvePublicKey) -> str:
    """Releases that this key signed are accepted from now on; its id. Idempotent."""
    place = _place(folder, key_id(key))
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _put(place, _public_pem(key), mode=0o644)
    return key_id(key)


def retire(folder: Path, wanted: str) -> None:
    """Releases that only this key signed are refused from now on. Raises UnknownKey."""
    known = {key_id(key) for key in trusted_keys(folder).values()}
    if wanted not in known:
        raise UnknownKey(f"No key {wanted} is trusted here.")
    if (folder / PUBLIC).exists() and key_id(trusted_key(folder)) == wanted:
        raise UnknownKey(f"{wanted} is the key that signs.", remedy="`release keys rotate` makes a new one; then retire the old one.")
    _place(folder, wanted).unlink()


def read_public(path: Path) -> ec.EllipticCurvePublicKey:
    """Raises WrongSignature."""
    return _public(path)


def _place(folder: Path, named: str) -> Path:
    return folder / TRUSTED / f"{named}.pub"


def _public(path: Path) -> ec.EllipticCurvePublicKey:
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as problem:
        raise WrongSignature(f"{path} is no readable public key, so no signature can be trusted.") from problem
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise WrongSignature(f"{path} is not an ECDSA key on P-256.")
    return key


def hint(key: ec.EllipticCurvePublicKey) -> str:
    """How a Sigstore bundle names a key: base64 of the SHA-256 of its DER form."""
    return base64.b64encode(hashlib.sha256(_der(key)).digest()).decode()


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _put(folder / PRIVATE, _private_pem(ec.generate_private_key(ec.SECP256R1())), mode=0o600)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _der(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _public_pem(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _put(path: Path, data: bytes, mode: int, *, over: bool = False) -> None:
    """Appears whole or not at all, and unless `over` never over an existing file: a link fails where the first process has already linked."""
    handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)  # 0600 from the start
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if over:
            os.replace(name, path)
            return
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)
