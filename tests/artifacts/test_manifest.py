from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from recsys.artifacts import manifest as manifests
from recsys.artifacts.manifest import Manifest
from recsys.artifacts.store import ArtifactSet
from recsys.errors import ArtifactError, DamagedArtifacts, UnsupportedSchema


def with_changes(manifest: Manifest, **changes: Any) -> bytes:
    return manifests.to_bytes(manifest.model_copy(update=changes))


def test_a_manifest_reads_back_as_it_was_written(small_artifacts: ArtifactSet) -> None:
    written = manifests.to_bytes(small_artifacts.manifest)
    assert manifests.from_bytes(written, "here") == small_artifacts.manifest


def test_fingerprint_leaves_times_out_and_nothing_else(small_artifacts: ArtifactSet) -> None:
    manifest = small_artifacts.manifest
    later = manifest.model_copy(update={"created": "2099-01-01T00:00:00+00:00", "timings": {"read": 1.0}})
    assert later.fingerprint == manifest.fingerprint
    assert manifest.model_copy(update={"seed": 1}).fingerprint != manifest.fingerprint
    assert manifest.model_copy(update={"warnings": ["x"]}).fingerprint != manifest.fingerprint


def test_any_changed_byte_of_a_manifest_is_found(small_artifacts: ArtifactSet) -> None:
    content = manifests.to_bytes(small_artifacts.manifest)
    rng = random.Random(0)
    for at in [0, 1, len(content) - 1, *rng.sample(range(len(content)), 300)]:
        changed = bytearray(content)
        changed[at] ^= rng.randrange(1, 256)
        with pytest.raises(ArtifactError):
            manifests.from_bytes(bytes(changed), "here")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"schema_version": 1}', b"[" * 100_000, b'{"schema_version": "1"}'],
)
def test_what_is_no_manifest_is_damage_not_a_crash(content: bytes) -> None:
    with pytest.raises(DamagedArtifacts, match="build the set again"):
        manifests.from_bytes(content, "here")


@pytest.mark.parametrize(("version", "advice"), [(2, "update recsys"), (0, "build the set again")])
def test_another_schema_version_says_what_to_do(small_artifacts: ArtifactSet, version: int, advice: str) -> None:
    document = json.loads(manifests.to_bytes(small_artifacts.manifest)) | {"schema_version": version}
    with pytest.raises(UnsupportedSchema, match=advice):
        manifests.from_bytes(json.dumps(document).encode(), "here")


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x.npy", "a/../../x", "a\\b", "", ".hidden", "a//b", "C:x", "a/./b"]
)
def test_paths_cannot_leave_the_set(small_artifacts: ArtifactSet, path: str) -> None:
    entry = next(iter(small_artifacts.manifest.files.values()))
    with pytest.raises(DamagedArtifacts, match="files"):
        manifests.from_bytes(with_changes(small_artifacts.manifest, files={path: entry}), "here")


def test_the_demo_is_still_opened() -> None:
    demo = ArtifactSet.open(Path(__file__).resolve().parents[2] / "artifacts" / "demo")
    assert demo.manifest.schema_version == manifests.SCHEMA_VERSION
