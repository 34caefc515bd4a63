"""The documents of an artifact, as pure values."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from release.artifact import (
    LOCK,
    PAGE,
    SCHEMA,
    Config,
    File,
    ImageConfig,
    Kind,
    Manifest,
    checked,
    config,
    decode,
    digest_of,
    encode,
    is_released,
    lock_of,
    manifest,
    referrer,
)
from release.errors import BuildFailed, NotADigest, Tampered

DIGEST = "sha256:" + "a" * 64


def window(text: str) -> list[File]:
    return [File(LOCK, b"x==1"), File(SCHEMA, text.encode())]


@pytest.mark.parametrize(
    "path",
    [
        "api/app/main.py",
        "api/app/orders/routes.py",
        "db/env.py",
        "db/versions/0001.py",
        "requirements/api.lock",
        "db/contests.py",
        "web/index.html",
        "web/.npmrc",
        "web/src/app.tsx",
        "web/src/test.tsx",
    ],
)
def test_ships(path: str) -> None:
    assert is_released(path)


@pytest.mark.parametrize(
    "path",
    [
        "api/tests/test_x.py",
        "api/app/tests/x.py",
        "api/application/x.py",
        "db/tests/x.py",
        "database/x",
        "requirements/tools.lock",
        "README.md",
        "x/db/env.py",
        "api/pyproject.toml",
        "web/dist/index.html",
        "web/tools/package.json",
        "web/src/test/store.ts",
        "web/src/basket/basket.test.ts",
        "web/src/app.test.tsx",
        "web/README.md",
    ],
)
def test_does_not_ship(path: str) -> None:
    assert not is_released(path)


def test_only_a_whole_digest_is_one() -> None:
    assert checked(DIGEST) == DIGEST
    for name in (f"{DIGEST}\n", DIGEST[:-1], DIGEST.upper(), f"slipway@{DIGEST}", "sha512:" + "a" * 128):
        with pytest.raises(NotADigest, match="not a digest"):
            checked(name)


def test_the_configuration_says_revision_and_schema_window() -> None:
    made = config(window('{"head": "0002", "runs_on": ["0001", "0002"], "note": "expand"}'), "abc")
    assert made == Config(revision="abc", runs_on=("0001", "0002"))
    assert encode(made) == b'{"revision":"abc","runs_on":["0001","0002"]}'


def test_the_configuration_says_the_floor_and_the_contract_steps_on_both_kinds_of_artifact() -> None:
    made = config(window('{"head": "0004", "runs_on": ["0004", "0005"], "floor": "0002", "contracts": ["0003"]}'), "abc")
    release = made.release(DIGEST)
    assert (release.head, release.runs_on, release.floor, release.contracts) == ("0004", ("0004", "0005"), "0002", ("0003",))
    image = ImageConfig.model_validate({"config": {"Labels": made.labels()}}).as_config("image").release(DIGEST)
    assert image == replace(release, spa=True)
    old = Config(revision="abc", runs_on=("0001", "0002")).release(DIGEST)
    assert (old.head, old.floor, old.contracts) == ("0002", None, ())


def test_the_configuration_says_whether_there_is_an_spa() -> None:
    made = config([*window('{"head": "1", "runs_on": ["1"]}'), File(PAGE, b"<p>")], "abc")
    assert encode(made) == b'{"revision":"abc","runs_on":["1"],"spa":true}'


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"head": "0002", "runs_on": ["0001"]}', "head is '0002'"),
        ('{"head": "0001", "runs_on": ["0001", "0002"]}', "no floor"),
        ('{"head": "0002", "runs_on": ["0002", "0001"], "floor": "0001"}', "not in order"),
        ('{"head": "0002", "runs_on": ["0002"], "floor": "0003"}', "its floor is '0003'"),
        ('{"head": "0002", "runs_on": ["0002", "0003"], "floor": "0002", "contracts": ["0003"]}', "contracts has '0003'"),
        ('{"head": "0001", "runs_on": []}', "runs_on"),
        ('{"head": "0001"}', "runs_on"),
        ('{"head": 1, "runs_on": [1]}', "head"),
        ('{"head": "0001", "runs_on": "0001"}', "runs_on"),
        ("", SCHEMA),
        ("[]", SCHEMA),
    ],
)
def test_a_schema_window_that_makes_no_sense(text: str, field: str) -> None:
    with pytest.raises(BuildFailed, match=field):
        config(window(text), "abc")


def test_a_tree_without_lock_or_schema_window() -> None:
    for lacking, left in ((LOCK, SCHEMA), (SCHEMA, LOCK)):
        with pytest.raises(BuildFailed, match=f"{lacking} is missing"):
            config([File(left, b"{}")], "abc")
    assert lock_of([]) == b""


def test_the_manifest_is_an_oci_image_manifest() -> None:
    tree = json.loads(encode(manifest(b"{}", b"layer")))
    assert tree == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.slipway.release.v1+json",
        "config": {"mediaType": "application/vnd.slipway.release.config.v1+json", "digest": digest_of(b"{}"), "size": 2},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest_of(b"layer"), "size": 5}],
    }


def test_a_referrer_names_what_it_is_about_and_what_it_holds() -> None:
    subject = encode(manifest(b"{}", b"layer"))
    tree = json.loads(encode(referrer(subject, Kind.PROVENANCE, b"bundle")))
    assert tree["subject"] == {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest_of(subject),
        "size": len(subject),
    }
    assert tree["artifactType"] == tree["layers"][0]["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert tree["config"] == {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(b"{}"), "size": 2}
    assert tree["annotations"]["dev.sigstore.bundle.predicateType"] == "https://slsa.dev/provenance/v1"


def test_a_document_survives_a_round_trip_bit_for_bit() -> None:
    written = encode(referrer(b"subject", Kind.SBOM, b"bundle"))
    assert encode(decode(written, Manifest, "it")) == written


@pytest.mark.parametrize(
    ("field", "value"),
    [("schemaVersion", 1), ("mediaType", "application/other"), ("config", None), ("layers", [{"digest": DIGEST}]), ("extra", 1)],
)
def test_a_manifest_of_another_form_says_where(field: str, value: object) -> None:
    tree = json.loads(encode(manifest(b"{}", b"layer")))
    with pytest.raises(Tampered, match=rf"It is not what it should be: {field}"):
        decode(json.dumps({**tree, field: value}).encode(), Manifest, "It")


@pytest.mark.parametrize("digest", ["sha256:../../../etc/passwd", "sha256:" + "A" * 64, "sha512:" + "a" * 128, f"{DIGEST}\n", ""])
def test_a_descriptor_can_not_lead_out_of_the_store(digest: str) -> None:
    tree = json.loads(encode(manifest(b"{}", b"layer")))
    tree["layers"][0]["digest"] = digest
    with pytest.raises(Tampered, match=r"layers\.0\.digest"):
        decode(json.dumps(tree).encode(), Manifest, "It")
