"""Two people of a drill who approve: keys of their own, and a list with both. As `ssh-keygen -Y sign` signs, for it may not be installed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sshsig.sshsig import SshsigWrapper, ssh_enarmor_sshsig

from release.approvals import NAMESPACE, message

PEOPLE = ("ada", "grace")
KIND, HASH = b"ssh-ed25519", "sha512"
VERSION = (1).to_bytes(4, "big")


@dataclass(frozen=True)
class Signer:
    name: str
    key: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)

    def sign(self, text: bytes) -> str:
        """Source: PROTOCOL.sshsig of OpenSSH."""
        namespace = NAMESPACE.encode()
        digest = hashlib.new(HASH, text).digest()
        signature = self.key.sign(SshsigWrapper(namespace=namespace, hash_algo=HASH.encode(), hash=digest).to_bytes())
        raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        parts = (_string(KIND) + _string(raw), namespace, b"", HASH.encode(), _string(KIND) + _string(signature))
        return ssh_enarmor_sshsig(b"SSHSIG" + VERSION + b"".join(map(_string, parts)))


def _string(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


@dataclass(frozen=True)
class Signers:
    """`folder` gets the list, and each signature."""

    folder: Path
    people: tuple[Signer, ...]

    @classmethod
    def new(cls, folder: Path) -> Signers:
        folder.mkdir(parents=True, exist_ok=True)
        people = tuple(Signer(name, Ed25519PrivateKey.generate()) for name in PEOPLE)
        (folder / "approvers").write_text("".join(f"{one.name} {one.public.decode()}\n" for one in people))
        return cls(folder, people)

    @property
    def file(self) -> Path:
        return self.folder / "approvers"

    def signatures(self, change: str, environment: str) -> Iterator[tuple[str, Path]]:
        """Who, and the file with their signature."""
        for one in self.people:
            path = self.folder / f"{one.name}.sig"
            path.write_text(one.sign(message(change, environment)))
            yield one.name, path
