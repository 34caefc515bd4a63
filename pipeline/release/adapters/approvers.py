"""The list of those whose yes counts (OpenSSH's allowed signers), and signatures as `ssh-keygen -Y` and git make them, verified here."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import sshsig
from sshsig.allowed_signers import AllowedSigner, load_allowed_signers_file
from sshsig.ssh_public_key import PublicKey

from release.approvals import NAMESPACE, Approval, message
from release.errors import BadApproval, MachineLacks

SIGN_S = 120.0  # a key may ask for its passphrase, or to be touched


@dataclass(frozen=True)
class SshApprovers:
    """Implements the port Approvers. `file` is in git, so who is in it changes as code does."""

    file: Path
    environment: str

    def verify(self, change: str, signature: str) -> Approval:
        try:
            key = sshsig.check_signature(message(change, self.environment), signature, NAMESPACE)
        except (sshsig.InvalidSignature, NotImplementedError, ValueError, EOFError) as problem:
            raise BadApproval(f"This is no signature for “{change}” in {self.environment}: {problem}") from problem
        people = self._people(key)
        if not people:
            raise BadApproval(f"The key that signed is not in {self.file.name}.")
        return Approval(change, people, _text(key))

    def _people(self, key: PublicKey) -> tuple[str, ...]:
        lines = [line for line in self._signers() if f"{line.key_type} {line.base64_key}" == _text(key)]
        return tuple(dict.fromkeys(name for line in lines for name in line.principals.split(",")))

    def _signers(self) -> Iterable[AllowedSigner]:
        """Those that may sign for us, at any time: we know of no other limits than the namespace."""
        try:
            lines = list(load_allowed_signers_file(self.file))
        except FileNotFoundError:
            return []
        except (ValueError, NotImplementedError, IndexError) as problem:
            raise BadApproval(
                f"{self.file} can't be read: {problem}",
                remedy="A line is: NAME ssh-ed25519 KEY; `man ssh-keygen`, ALLOWED SIGNERS, says the rest.",
            ) from problem
        for line in lines:
            if set(line.options or {}) - {"namespaces"}:
                raise BadApproval(f"{self.file}: {line.principals} has limits that we do not know: {', '.join(line.options or {})}.")
        return [line for line in lines if NAMESPACE in (line.options or {}).get("namespaces", NAMESPACE).split(",")]


def sign(change: str, environment: str, key: Path) -> str:
    """By ssh-keygen, which knows agents, passphrases and security keys. Raises MachineLacks, BadApproval."""
    if not shutil.which("ssh-keygen"):
        raise MachineLacks(
            "ssh-keygen is not installed.", remedy="Install OpenSSH, or sign elsewhere: `release approve … --print`, then --signature."
        )
    argv = ["ssh-keygen", "-Y", "sign", "-n", NAMESPACE, "-f", str(key)]
    try:
        done = subprocess.run(argv, input=message(change, environment), capture_output=True, timeout=SIGN_S, check=False)
    except subprocess.TimeoutExpired as problem:
        raise BadApproval(f"ssh-keygen did not end within {SIGN_S:g} s.") from problem
    if done.returncode != 0:
        raise BadApproval(f"ssh-keygen does not sign with {key}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode()


def _text(key: PublicKey) -> str:
    return " ".join(key.openssh_str().split()[:2])
