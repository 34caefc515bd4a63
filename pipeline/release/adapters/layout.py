"""An OCI image layout on disk: blobs named by their hash, and an index of the manifests.

https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from release.artifact import BUNDLE_TYPE, MANIFEST_TYPE, MEDIA_TYPE, Descriptor, Index, Manifest, decode, descriptor, digest_of, encode
from release.errors import BuildFailed, Tampered

LAYOUT = b'{"imageLayoutVersion": "1.0.0"}'
BLOB_MAX = 256 << 20
LOCK_WAIT_S = 30.0
LOCK_POLL_S = 0.02
UNFINISHED = ".new-"


@dataclass(frozen=True)
class Layout:
    """`release_type`: which of the manifests are releases; the others are about them."""

    root: Path
    release_type: str = MEDIA_TYPE

    def path(self, digest: str) -> Path:
        return self.root / "blobs" / "sha256" / digest.removeprefix("sha256:")

    def read(self, wanted: Descriptor, name: str) -> bytes:
        """A blob with exactly its size and hash. Raises Tampered, saying which blob and what is wrong with it."""
        path = self.path(wanted.digest)
        if wanted.size > BLOB_MAX:
            raise Tampered(f"{name} ({wanted.digest}) would be larger than {BLOB_MAX >> 20} MiB.")
        try:
            with path.open("rb") as blob:
                data = blob.read(wanted.size + 1)
        except OSError as problem:
            raise Tampered(f"{name} ({wanted.digest}) can't be read: {problem.strerror}.") from problem
        if len(data) != wanted.size:
            raise Tampered(f"{name} ({wanted.digest}) is not {wanted.size} bytes long.")
        if digest_of(data) != wanted.digest:
            raise Tampered(f"{name} ({wanted.digest}) has other content than its name says.")
        return data

    def index(self) -> Index:
        """Empty where nothing was built yet. Raises Tampered for one that is damaged or lost."""
        path = self.root / "index.json"
        try:
            return decode(path.read_bytes(), Index, str(path))
        except FileNotFoundError as problem:
            if (self.root / "blobs").exists():
                raise Tampered(f"{path} is missing, though there are blobs.") from problem
            return Index(manifests=())
        except OSError as problem:
            raise Tampered(f"{path} can't be read: {problem.strerror}.") from problem

    def releases(self) -> tuple[Descriptor, ...]:
        return tuple(item for item in self.index().manifests if item.artifact_type == self.release_type)

    def oldest_first(self) -> tuple[str, ...]:
        """Digests of all releases by when they were last built. A lost manifest counts as old."""
        return tuple(sorted((item.digest for item in self.releases()), key=self._built_at))

    def built_now(self, digest: str) -> None:
        """Also one that was there already is as new as if it had not been."""
        os.utime(self.path(digest))

    def referrers(self, digest: str) -> tuple[list[Manifest], list[Tampered]]:
        """The manifests whose subject is this digest, and what is wrong with those that can't be read: nobody knows whose they were."""
        found, damaged = [], []
        for item in self.index().manifests:
            if item.artifact_type != BUNDLE_TYPE:
                continue
            try:
                name = "an attestation's manifest"
                manifest = decode(self.read(item, name), Manifest, name)
            except Tampered as problem:
                damaged.append(problem)
                continue
            if manifest.subject and manifest.subject.digest == digest:
                found.append(manifest)
        return found, damaged

    def write(self, data: bytes) -> None:
        """Have this blob, whole and on disk. One that is there is read, not believed."""
        path = self.path(digest_of(data))
        with suppress(OSError):
            if path.read_bytes() == data:
                return
        _replace(path, data)

    def add(self, manifests: Iterable[Manifest | bytes], instead_of: Iterable[Manifest] = ()) -> None:
        """List manifests, all of them at once; one that others wrote comes as its own bytes. Their blobs are written before, and the caller holds the lock."""
        gone = {digest_of(encode(manifest)) for manifest in instead_of}
        listed = {item.digest: item for item in self._index_or_salvage().manifests if item.digest not in gone}
        for manifest in manifests:
            data = manifest if isinstance(manifest, bytes) else encode(manifest)
            self.write(data)
            listed.setdefault(digest_of(data), _listing(data))
        _replace(self.root / "index.json", encode(Index(manifests=tuple(listed.values()))))

    def replace_index(self, index: Index) -> None:
        """The caller holds the lock."""
        if index != self.index():
            _replace(self.root / "index.json", encode(index))

    def about(self, index: Index, digests: Set[str]) -> Index:
        """The part of the index that is about these releases. What is damaged stays: nobody knows whose it is. Raises Tampered."""
        return Index(manifests=tuple(item for item in index.manifests if self._is_about(item, digests)))

    def _is_about(self, item: Descriptor, digests: Set[str]) -> bool:
        if item.artifact_type == self.release_type:
            return item.digest in digests
        manifest = self._undamaged(item)
        return manifest is None or manifest.subject is None or manifest.subject.digest in digests

    def sweep(self) -> int:
        """Remove the blobs that nothing listed names; how many. The caller holds the lock. Raises Tampered, and then none."""
        named = set()
        for item in self.index().manifests:
            manifest = self._undamaged(item)
            named |= {item.digest, *((part.digest for part in (manifest.config, *manifest.layers)) if manifest else ())}
        gone = [path for path in self.path("").glob("*") if f"sha256:{path.name}" not in named]
        for path in gone:
            path.unlink()
        return len(gone)

    def _undamaged(self, item: Descriptor) -> Manifest | None:
        """None for one that is lost or has other content. Raises Tampered for one that the machine only does not give out now."""
        try:
            return decode(self.read(item, "A manifest"), Manifest, "A manifest")
        except Tampered as problem:
            if isinstance(problem.__cause__, OSError) and not isinstance(problem.__cause__, FileNotFoundError):
                raise
            return None

    def _built_at(self, digest: str) -> int:
        try:
            return self.path(digest).stat().st_mtime_ns
        except OSError:
            return 0

    def _begin(self) -> None:
        """The index stands before the first blob, so that a killed build leaves blobs that nothing lists, never blobs without an index."""
        for folder in (self.root, self.path("")):
            for stale in folder.glob(f"{UNFINISHED}*"):
                stale.unlink()
        if not (self.root / "blobs").exists():
            _replace(self.root / "oci-layout", LAYOUT)
            _replace(self.root / "index.json", encode(Index(manifests=())))

    def _index_or_salvage(self) -> Index:
        """A damaged index is made anew from the blobs: each is named by its own hash, so nothing needs to be believed."""
        try:
            return self.index()
        except Tampered:
            return Index(manifests=tuple(self._manifests()))

    def _manifests(self) -> Iterator[Descriptor]:
        for path in sorted(self.path("").glob("*")):
            with suppress(OSError, Tampered):
                data = path.read_bytes() if path.stat().st_size < 1 << 20 else b""
                if digest_of(data) == f"sha256:{path.name}":
                    yield _listing(data)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One writer at a time, over all processes. Readers need no lock: every file is replaced whole."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("a") as lock:
            until_s = time.monotonic() + LOCK_WAIT_S
            while not _try_lock(lock.fileno()):
                if time.monotonic() > until_s:
                    raise BuildFailed(
                        f"Another build has been writing for {LOCK_WAIT_S:.0f} s.", remedy="Wait for it, or end it; then build again."
                    )
                time.sleep(LOCK_POLL_S)
            self._begin()
            yield


def _listing(data: bytes) -> Descriptor:
    """Raises Tampered for what is no manifest."""
    return descriptor(MANIFEST_TYPE, data, decode(data, Manifest, "A manifest").type)


def _try_lock(fileno: int) -> bool:
    try:
        fcntl.flock(fileno, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _replace(path: Path, data: bytes) -> None:
    """Readers see the old file or the new one, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
