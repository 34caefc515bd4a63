"""Where things lie below one checkout. Two checkouts share nothing."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from release.errors import MachineLacks

SOCKET_PATH_MAX = 100  # Unix sockets end at 104 (macOS) or 108 bytes (Linux)


@dataclass(frozen=True)
class Home:
    """`root` is the checkout; everything that is written goes below `root/var`, or where SLIPWAY_VAR says."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Home:
        """The checkout around `start` (default: SLIPWAY_HOME, else the current folder, else this file's own)."""
        named = os.environ.get("SLIPWAY_HOME")
        if named:
            return cls(Path(named).resolve())
        for base in (start or Path.cwd(), Path(__file__)):
            for folder in (base.resolve(), *base.resolve().parents):
                if (folder / "pipeline" / "policy.yaml").is_file():
                    return cls(folder)
        raise MachineLacks("This is not a Slipway checkout.", remedy="Run the command inside the cloned repository.")

    @property
    def var(self) -> Path:
        """A host's runner names a folder that survives its next checkout."""
        return Path(os.environ.get("SLIPWAY_VAR") or self.root / "var").absolute()

    @property
    def policy(self) -> Path:
        """SLIPWAY_POLICY names another file, say one per environment."""
        return Path(os.environ.get("SLIPWAY_POLICY") or self.root / "pipeline" / "policy.yaml")

    @property
    def approvers(self) -> Path:
        """Whose yes counts; SLIPWAY_APPROVERS names another list."""
        return Path(os.environ.get("SLIPWAY_APPROVERS") or self.root / "pipeline" / "approvers")

    @property
    def artifacts(self) -> Path:
        """OCI image layout, shared by all environments: an artifact has no environment."""
        return self.var / "oci"

    @property
    def images(self) -> Path:
        """OCI image layout of the images that were built here, with what is attested about them."""
        return self.var / "images"

    @property
    def advisories(self) -> Path:
        """What is known of vulnerable packages: SLIPWAY_ADVISORIES, else a folder of this checkout."""
        return Path(os.environ.get("SLIPWAY_ADVISORIES") or self.var / "advisories")

    @property
    def keys(self) -> Path:
        return self.var / "keys"

    @property
    def releases(self) -> Path:
        return self.var / "releases"

    def release(self, digest: str) -> Path:
        """Where an artifact's files are unpacked to run."""
        return self.releases / short(digest)

    @property
    def venvs(self) -> Path:
        """Named by the lock that they were made from, so that releases may share one."""
        return self.var / "venvs"

    def env(self, name: str) -> Path:
        """State of one environment: ledger, lock, processes, database, edge, logs."""
        return self.var / "envs" / name

    def envs(self) -> list[Path]:
        """The folders of all environments."""
        return sorted(folder for folder in (self.var / "envs").glob("*") if folder.is_dir())

    def reports(self) -> Path:
        return self.root / "reports"

    def socket_folder(self, env: str) -> Path:
        """Folder for the edge's admin socket: in the environment, or where a deep checkout makes that path too long, below the temporary folder."""
        wanted = self.env(env) / "edge"
        if len(str(wanted / "admin.sock").encode()) <= SOCKET_PATH_MAX:
            return wanted
        mark = hashlib.sha256(str(wanted).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"slipway-{os.getuid()}-{mark}"


def short(digest: str) -> str:
    """The first 12 hex digits: what people, headers, cluster names and folders use. Never an identity on its own."""
    return digest.removeprefix("sha256:")[:12]
