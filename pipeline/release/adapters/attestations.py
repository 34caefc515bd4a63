"""What is attested about a release: found beside it, checked with the trusted keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import ec

from release.adapters.keys import trusted_keys
from release.adapters.layout import Layout
from release.adapters.signing import signer, verify_message, verify_statement
from release.artifact import BUNDLE_TYPE, EMPTY_TYPE, Kind, Manifest, Statement, check_manifest, check_statement, decode
from release.errors import SlipwayError, Tampered, Unsigned, WrongSignature

T = TypeVar("T")


@dataclass(frozen=True)
class Attestations:
    """`keys`: the folder of the keys that are trusted."""

    layout: Layout
    keys: Path

    def bundles(self, digest: str, kind: Kind) -> tuple[Manifest, ...]:
        """Those that say that they are of this kind. Raises Unsigned for none, Tampered where one may have been among the unreadable."""
        found, damaged = self.layout.referrers(digest)
        fitting = tuple(item for item in found if item.annotations == kind.annotations)
        if fitting:
            return fitting
        if damaged:
            raise Tampered(f"No {kind.value} of {digest} can be found, and there is damage: {damaged[0].what}")
        raise Unsigned(f"{digest} has no {kind.value}.")

    def signed(self, digest: str, kind: Kind, message: bytes) -> None:
        """Raises Unsigned, Tampered or WrongSignature unless a trusted key signed this message."""
        self._one_good(digest, kind, lambda key, bundle, name: verify_message(key, bundle, message, name))

    def statement(self, digest: str, kind: Kind) -> Statement:
        """Of this kind, about exactly this digest, by a trusted key. Raises Unsigned, Tampered or WrongSignature."""

        def check(key: ec.EllipticCurvePublicKey, bundle: bytes, name: str) -> Statement:
            found = decode(verify_statement(key, bundle, name), Statement, name)
            check_statement(found, kind, digest)
            return found

        return self._one_good(digest, kind, check)

    def signers(self, digest: str) -> frozenset[str]:
        """Hints of the keys by which what is attested about it claims to be."""
        name = f"What is attested about {digest}"
        return frozenset(signer(self.layout.read(item.layers[0], name), name) for item in self.layout.referrers(digest)[0])

    def _one_good(self, digest: str, kind: Kind, check: Callable[[ec.EllipticCurvePublicKey, bytes, str], T]) -> T:
        """The first bundle that passes. A second one, by a key that is gone or never was trusted, can neither help nor harm."""
        keys = trusted_keys(self.keys)
        problem: SlipwayError | None = None
        for manifest in self.bundles(digest, kind):
            try:
                name = f"The {kind.value} of {digest}"
                check_manifest(manifest, name, BUNDLE_TYPE, EMPTY_TYPE, BUNDLE_TYPE)
                self.layout.read(manifest.config, name)
                bundle = self.layout.read(manifest.layers[0], name)
                return check(keys.get(signer(bundle, name)) or next(iter(keys.values())), bundle, name)
            except (Tampered, WrongSignature) as found:
                problem = problem or found
        raise problem or Unsigned(f"{digest} has no {kind.value}.")
