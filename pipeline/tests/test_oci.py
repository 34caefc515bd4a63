"""Nothing is verified that was changed by a byte, and each refusal has the right name. Missing is never the same as good."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from release import errors
from release.adapters.keys import signing_key
from release.adapters.layout import Layout
from release.adapters.oci import OciArtifacts
from release.adapters.signing import sign_message, sign_statement
from release.artifact import OF_FILES, Index, Kind, Manifest, Statement, decode, encode, referrer, statement
from release.home import Home

pytestmark = pytest.mark.thorough

Change = Callable[[Path], None]
DSSE = [Kind.SBOM, Kind.PROVENANCE]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


def fold(path: Path) -> None:
    path.unlink()
    path.mkdir()


HARM: tuple[Change, ...] = (flip, truncate, grow, empty, remove, fold)


def first(home: Home) -> str:
    return OciArtifacts(home).list()[0]


def hung(home: Home, kind: Kind) -> Manifest:
    """The referrer of one kind."""
    return next(item for item in Layout(home.artifacts).referrers(first(home))[0] if item.annotations == kind.annotations)


def own_blobs(home: Home) -> dict[str, Path]:
    """Every blob that the first release consists of, by what it is."""
    layout, digest = Layout(home.artifacts), first(home)
    release = decode(layout.path(digest).read_bytes(), Manifest, "manifest")
    found = {"manifest": digest, "config": release.config.digest, "layer": release.layers[0].digest}
    for item in layout.index().manifests:
        manifest = decode(layout.path(item.digest).read_bytes(), Manifest, "manifest")
        if manifest.subject and manifest.subject.digest == digest:
            kind = next(kind for kind in OF_FILES if kind.annotations == manifest.annotations)
            found |= {
                f"{kind.value} manifest": item.digest,
                f"{kind.value} bundle": manifest.layers[0].digest,
                "empty": manifest.config.digest,
            }
    return {name: layout.path(digest) for name, digest in found.items()}


BLOBS = ["manifest", "config", "layer", "empty", *(f"{kind.value} {part}" for kind in OF_FILES for part in ("manifest", "bundle"))]


def hang_instead(home: Home, kind: Kind, bundle: bytes) -> None:
    """What someone who may write to the store, perhaps with our key, would do."""
    layout = Layout(home.artifacts)
    layout.write(bundle)
    subject = OciArtifacts(home).manifest_path(first(home)).read_bytes()
    layout.add([referrer(subject, kind, bundle)], instead_of=[hung(home, kind)])


def said(home: Home, kind: Kind) -> dict[str, Any]:
    """The predicate that stands there now."""
    bundle = json.loads(OciArtifacts(home).bundle(first(home), kind).read_bytes())
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    return dict(decode(payload, Statement, "statement").predicate)


def attest_instead(home: Home, kind: Kind, predicate: Mapping[str, Any]) -> None:
    hang_instead(home, kind, sign_statement(signing_key(home.keys), encode(statement(kind, first(home), predicate))))


def test_both_releases_verify(store: Home) -> None:
    plain, buggy = (OciArtifacts(store).verify(digest) for digest in OciArtifacts(store).list())
    assert buggy.revision.startswith(f"{plain.revision}+patch-")
    assert plain.runs_on == buggy.runs_on == ("0001", "0002")


def test_this_file_knows_every_blob(store: Home) -> None:
    assert sorted(own_blobs(store)) == sorted(BLOBS)


@pytest.mark.parametrize("blob", BLOBS)
def test_each_blob_harmed_in_each_way(store: Home, blob: str) -> None:
    digest, other = OciArtifacts(store).list()
    path = own_blobs(store)[blob]
    good = path.read_bytes()
    for harm in HARM:
        harm(path)
        with pytest.raises(errors.Tampered, match="sha256:"):
            OciArtifacts(store).verify(digest)
        if blob != "empty":  # which all share
            OciArtifacts(store).verify(other)
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        path.write_bytes(good)
    OciArtifacts(store).verify(digest)


@pytest.mark.parametrize(
    "name", ["1.2.3", "latest", "sha256:abc", "A" * 64, "sha256:" + "A" * 64, "sha256:" + "a" * 65, "", "../../etc/passwd"]
)
def test_a_tag_is_no_digest(store: Home, checkout: Home, name: str) -> None:
    for artifacts in (OciArtifacts(store), OciArtifacts(checkout)):
        for ask in (artifacts.verify, artifacts.provenance, lambda digest, of=artifacts: of.unpack(digest, store.root / "x")):
            with pytest.raises(errors.NotADigest):
                ask(name)


def test_an_unknown_digest(store: Home, checkout: Home) -> None:
    for home, digest in ((store, "sha256:" + "0" * 64), (checkout, first(store))):
        with pytest.raises(errors.UnknownDigest):
            OciArtifacts(home).verify(digest)


def test_a_blob_that_is_no_release_is_unknown(store: Home) -> None:
    for path in (own_blobs(store)["config"], own_blobs(store)["SBOM manifest"]):
        with pytest.raises(errors.UnknownDigest):
            OciArtifacts(store).verify(f"sha256:{path.name}")


@pytest.mark.parametrize("harm", [truncate, empty, remove, fold])
def test_a_harmed_index(store: Home, harm: Change) -> None:
    digest = first(store)
    harm(store.artifacts / "index.json")
    with pytest.raises(errors.Tampered, match=r"index\.json"):
        OciArtifacts(store).verify(digest)


def test_a_flipped_bit_in_the_index_gives_an_error_or_the_same_release(store: Home) -> None:
    index, digest = store.artifacts / "index.json", first(store)
    good, data = OciArtifacts(store).verify(digest), index.read_bytes()
    refused = set()
    for place in range(0, len(data), 13):
        index.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 7]) + data[place + 1 :])
        try:
            assert OciArtifacts(store).verify(digest) == good
        except (errors.Tampered, errors.UnknownDigest, errors.Unsigned) as problem:
            refused.add(type(problem))
    assert refused == {errors.Tampered, errors.UnknownDigest, errors.Unsigned}


@pytest.mark.parametrize("text", ["[]", "{}", "null", '{"schemaVersion":2,"manifests":[1]}', "[" * 100_000, '{"schemaVersion":1}', "\xff"])
def test_a_garbage_index(store: Home, text: str) -> None:
    digest = first(store)
    (store.artifacts / "index.json").write_text(text, encoding="latin-1")
    with pytest.raises(errors.Tampered):
        OciArtifacts(store).verify(digest)


@pytest.mark.parametrize("kind", OF_FILES)
def test_an_attestation_that_is_not_there(store: Home, kind: Kind) -> None:
    digest = first(store)
    Layout(store.artifacts).add([], instead_of=[hung(store, kind)])
    with pytest.raises(errors.Unsigned, match=f"no {kind.value}"):
        OciArtifacts(store).verify(digest)


@pytest.mark.parametrize("kind", OF_FILES)
def test_an_attestation_by_another_key(store: Home, kind: Kind, tmp_path: Path) -> None:
    stranger = signing_key(tmp_path / "stranger")
    if kind is Kind.SIGNATURE:
        bundle = sign_message(stranger, own_blobs(store)["manifest"].read_bytes())
    else:
        bundle = sign_statement(stranger, encode(statement(kind, first(store), said(store, kind))))
    hang_instead(store, kind, bundle)
    with pytest.raises(errors.WrongSignature):
        OciArtifacts(store).verify(first(store))


def test_no_key_to_trust(store: Home) -> None:
    (store.keys / "release.pub").unlink()
    with pytest.raises(errors.WrongSignature, match=r"release\.pub"):
        OciArtifacts(store).verify(first(store))


def test_an_additional_signature_by_a_stranger_neither_helps_nor_harms(store: Home, tmp_path: Path) -> None:
    layout, manifest = Layout(store.artifacts), own_blobs(store)["manifest"].read_bytes()
    bundle = sign_message(signing_key(tmp_path / "stranger"), manifest)
    layout.write(bundle)
    ours = hung(store, Kind.SIGNATURE)
    layout.add([referrer(manifest, Kind.SIGNATURE, bundle), ours], instead_of=[ours])
    OciArtifacts(store).verify(first(store))


def test_the_signature_of_another_release(store: Home) -> None:
    other = OciArtifacts(store).list()[1]
    hang_instead(store, Kind.SIGNATURE, OciArtifacts(store).bundle(other, Kind.SIGNATURE).read_bytes())
    with pytest.raises(errors.WrongSignature, match="something else"):
        OciArtifacts(store).verify(first(store))


@pytest.mark.parametrize("kind", DSSE)
def test_the_attestation_of_another_release(store: Home, kind: Kind) -> None:
    other = OciArtifacts(store).list()[1]
    hang_instead(store, kind, OciArtifacts(store).bundle(other, kind).read_bytes())
    with pytest.raises(errors.Tampered, match=f"{kind.value} of {first(store)} is about {other}"):
        OciArtifacts(store).verify(first(store))


def test_one_kind_in_the_place_of_another(store: Home) -> None:
    bundles = {kind: OciArtifacts(store).bundle(first(store), kind).read_bytes() for kind in OF_FILES}
    for kind, wrong in ((Kind.SBOM, Kind.PROVENANCE), (Kind.PROVENANCE, Kind.SIGNATURE), (Kind.SIGNATURE, Kind.SBOM)):
        hang_instead(store, kind, bundles[wrong])
        with pytest.raises(errors.Tampered, match=r"predicate type|not a DSSE envelope|not a signature"):
            OciArtifacts(store).verify(first(store))
        hang_instead(store, kind, bundles[kind])
    OciArtifacts(store).verify(first(store))


def test_an_attestation_about_two_things(store: Home) -> None:
    both = statement(Kind.SBOM, first(store), said(store, Kind.SBOM))
    both = both.model_copy(update={"subject": both.subject * 2})
    hang_instead(store, Kind.SBOM, sign_statement(signing_key(store.keys), encode(both)))
    with pytest.raises(errors.Tampered, match="is about"):
        OciArtifacts(store).verify(first(store))


def drop(sbom: dict[str, Any]) -> None:
    sbom["components"].pop()


def bump(sbom: dict[str, Any]) -> None:
    sbom["components"][0]["version"] = "9"


def add(sbom: dict[str, Any]) -> None:
    sbom["components"].append({**sbom["components"][0], "name": "extra"})


def rehash(sbom: dict[str, Any]) -> None:
    sbom["components"][0]["hashes"][0]["content"] = "c" * 64


def relabel(sbom: dict[str, Any]) -> None:
    sbom["components"][0]["purl"] = "pkg:pypi/other@1"


def misname(sbom: dict[str, Any]) -> None:
    sbom["bomFormat"] = "SPDX"


def clear(sbom: dict[str, Any]) -> None:
    sbom.clear()


@pytest.mark.parametrize("change", [drop, bump, add, rehash, relabel, misname, clear])
def test_an_sbom_that_does_not_cover_the_lock(store: Home, change: Callable[[dict[str, Any]], None]) -> None:
    sbom = said(store, Kind.SBOM)
    change(sbom)
    attest_instead(store, Kind.SBOM, sbom)
    with pytest.raises(errors.Tampered, match=f"SBOM of {first(store)}"):
        OciArtifacts(store).verify(first(store))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("buildDefinition.externalParameters.revision", "0" * 40),
        ("buildDefinition.buildType", "urn:other"),
        ("runDetails.builder.id", "urn:other"),
        ("buildDefinition.resolvedDependencies", []),
        ("buildDefinition", {}),
        ("runDetails.metadata", None),
    ],
)
def test_a_provenance_that_says_something_else(store: Home, path: str, value: object) -> None:
    origin = said(store, Kind.PROVENANCE)
    place = origin
    *folders, last = path.split(".")
    for folder in folders:
        place = place[folder]
    place[last] = value
    attest_instead(store, Kind.PROVENANCE, origin)
    with pytest.raises(errors.Tampered, match=f"provenance of {first(store)}"):
        OciArtifacts(store).verify(first(store))


@pytest.mark.parametrize("kind", OF_FILES)
def test_a_garbage_bundle(store: Home, kind: Kind) -> None:
    for garbage in (b"", b"{}", b"null", b"\xff", b'{"mediaType":"application/vnd.dev.sigstore.bundle.v0.2+json"}', b"[" * 9999):
        hang_instead(store, kind, garbage)
        with pytest.raises(errors.Tampered, match=f"The {kind.value} of"):
            OciArtifacts(store).verify(first(store))


@pytest.mark.parametrize("field", ["artifact_type", "config", "layers", "more layers", "no layers"])
def test_a_release_of_another_form_is_refused(store: Home, field: str) -> None:
    good = decode(own_blobs(store)["manifest"].read_bytes(), Manifest, "manifest")
    wrong: dict[str, dict[str, Any]] = {
        "artifact_type": {"artifact_type": "application/other"},
        "config": {"config": good.config.model_copy(update={"media_type": "application/other"})},
        "layers": {"layers": (good.layers[0].model_copy(update={"media_type": "application/other"}),)},
        "more layers": {"layers": good.layers * 2},
        "no layers": {"layers": ()},
    }
    strange = good.model_copy(update=wrong[field])
    layout = Layout(store.artifacts)
    layout.add([strange])
    listed = layout.index().manifests[-1].model_copy(update={"artifact_type": good.artifact_type})
    index = layout.index().model_copy(update={"manifests": (listed,)})
    (store.artifacts / "index.json").write_bytes(encode(index))
    with pytest.raises(errors.Tampered, match="media types"):
        OciArtifacts(store).verify(listed.digest)


@pytest.mark.parametrize("field", ["artifact_type", "config", "layers"])
def test_a_referrer_of_another_form_is_refused(store: Home, field: str) -> None:
    layout, good = Layout(store.artifacts), hung(store, Kind.SBOM)
    wrong: dict[str, Any] = {
        "artifact_type": "application/other",
        "config": good.config.model_copy(update={"media_type": "application/other"}),
        "layers": (good.layers[0].model_copy(update={"media_type": "application/other"}),),
    }
    layout.add([good.model_copy(update={field: wrong[field]})], instead_of=[good])
    index = (store.artifacts / "index.json").read_text()
    (store.artifacts / "index.json").write_text(
        index.replace('"artifactType":"application/other"', f'"artifactType":"{good.artifact_type}"')
    )
    with pytest.raises(errors.Tampered, match="media types"):
        OciArtifacts(store).verify(first(store))


def test_a_wrong_size_is_seen_though_the_hash_is_right(store: Home) -> None:
    index, digest = store.artifacts / "index.json", first(store)
    size = own_blobs(store)["manifest"].stat().st_size
    for wrong in (size + 1, size - 1, 1 << 60):
        index.write_text(index.read_text().replace(f'"size":{size}}}', f'"size":{wrong}}}', 1))
        with pytest.raises(errors.Tampered, match=r"is not .* bytes long|larger than"):
            OciArtifacts(store).verify(digest)
        size = wrong


def test_what_other_tools_say_in_the_index_is_kept(store: Home) -> None:
    path = store.artifacts / "index.json"
    tree = json.loads(path.read_text())
    tree["annotations"] = {"a": "b"}
    tree["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "v1"}
    path.write_text(json.dumps(tree))
    OciArtifacts(store).verify(first(store))
    assert json.loads(encode(decode(path.read_bytes(), Index, "index"))) == {**tree, "manifests": tree["manifests"]}


def test_adding_keeps_what_is_listed(store: Home) -> None:
    layout = Layout(store.artifacts)
    before = layout.index().manifests
    layout.add([hung(store, Kind.SBOM)])
    assert layout.index().manifests == before
    assert not list(store.artifacts.rglob(".new-*"))


def test_one_writer_at_a_time_and_a_bounded_wait_for_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("release.adapters.layout.LOCK_WAIT_S", 0.05)
    one, two = Layout(tmp_path), Layout(tmp_path)
    with one.locked(), pytest.raises(errors.BuildFailed, match="Another build"), two.locked():
        pytest.fail("two writers at once")
    with two.locked():
        pass
