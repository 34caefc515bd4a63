"""One repository of an OCI registry. https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md

Byte-exact manifests and the tag that stands in for a missing referrers API are what client libraries for Python do not offer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from release.adapters.containers.login import LOOPBACK, Login
from release.artifact import MANIFEST_TYPE, Descriptor, Index, Manifest, decode, descriptor, digest_of, encode
from release.errors import RegistryAway, Tampered

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
ANSWER_S = 60.0


@dataclass(frozen=True)
class Registry:
    """`name`: `host:port/repository`. Loopback is spoken to without TLS, as Docker does."""

    name: str

    @property
    def _base(self) -> str:
        host, _, repository = self.name.partition("/")
        return f"{'http' if host.rpartition(':')[0] in LOOPBACK or host in LOOPBACK else 'https'}://{host}/v2/{repository}"

    def manifest(self, reference: str) -> bytes | None:
        """By digest or tag; None where there is none. The caller compares a digest. Raises RegistryAway."""
        with self._asked() as client:
            answer = client.get(f"{self._base}/manifests/{reference}", headers={"accept": f"{MANIFEST_TYPE}, {INDEX_TYPE}"})
            return None if answer.status_code == 404 else answer.raise_for_status().content

    def blob(self, wanted: Descriptor, name: str) -> bytes:
        """With exactly its size and hash. Raises Tampered, RegistryAway."""
        with self._asked() as client:
            answer = client.get(f"{self._base}/blobs/{wanted.digest}", follow_redirects=True)
            if answer.status_code == 404:
                raise Tampered(f"{name} ({wanted.digest}) is not in the registry.")
            data = answer.raise_for_status().content
        if len(data) != wanted.size or digest_of(data) != wanted.digest:
            raise Tampered(f"{name} ({wanted.digest}) has other content than its name says.")
        return data

    def referrers(self, digest: str) -> Sequence[Descriptor]:
        """Manifests whose subject this is, of whatever kind."""
        with self._asked() as client:
            answer = client.get(f"{self._base}/referrers/{digest}", headers={"accept": INDEX_TYPE})
            if answer.status_code != 404:
                return decode(answer.raise_for_status().content, Index, "The list of referrers").manifests
        return self._listed(digest).manifests

    def push(self, manifest: bytes, blobs: Sequence[tuple[str, Path]]) -> None:
        """An artifact: its blobs, by digest and file, then its manifest; and where it is about another, the link from that."""
        found = decode(manifest, Manifest, "A manifest")
        with self._asked() as client:
            for digest, path in blobs:
                if client.head(f"{self._base}/blobs/{digest}").status_code == 404:
                    self._upload(client, digest, path.read_bytes())
            answer = client.put(
                f"{self._base}/manifests/{digest_of(manifest)}", content=manifest, headers={"content-type": MANIFEST_TYPE}
            ).raise_for_status()
        if found.subject and "oci-subject" not in answer.headers:
            self._link(found.subject.digest, manifest, found)

    def _upload(self, client: httpx.Client, digest: str, data: bytes) -> None:
        place = client.post(f"{self._base}/blobs/uploads/").raise_for_status().headers["location"]
        url = httpx.URL(self._base).join(place).copy_merge_params({"digest": digest})
        client.put(url, content=data, headers={"content-type": "application/octet-stream"}).raise_for_status()

    def _link(self, subject: str, manifest: bytes, found: Manifest) -> None:
        """Where the registry has no referrers API: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#referrers-tag-schema"""
        before = self._listed(subject).manifests
        new = descriptor(MANIFEST_TYPE, manifest, found.type)
        index = encode(Index(manifests=(*(item for item in before if item.digest != new.digest), new)))
        with self._asked() as client:
            client.put(f"{self._base}/manifests/{_tag(subject)}", content=index, headers={"content-type": INDEX_TYPE}).raise_for_status()

    def _listed(self, subject: str) -> Index:
        data = self.manifest(_tag(subject))
        return decode(data, Index, "The list of referrers") if data else Index(manifests=())

    @contextmanager
    def _asked(self) -> Iterator[httpx.Client]:
        try:
            with httpx.Client(timeout=ANSWER_S, auth=Login.from_environment(), trust_env=self._base.startswith("https")) as client:
                yield client
        except httpx.HTTPStatusError as problem:
            raise RegistryAway(
                f"The registry {self.name} answered {problem.response.status_code}: {problem.response.text[:200]}"
            ) from problem
        except httpx.HTTPError as problem:
            raise RegistryAway(f"The registry {self.name} does not answer: {problem!r}") from problem


def _tag(digest: str) -> str:
    return digest.replace(":", "-")
