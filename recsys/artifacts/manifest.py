"""The passport of an artifact set: what was built from what, how, and the digest of every file."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from recsys.errors import DamagedArtifacts, UnsupportedSchema

SCHEMA_VERSION = 1
MOST_MODELS = 6  # as many as there are colours that everybody can tell apart
# Left out of the fingerprint: two builds that differ only in these are the same build.
TIMES = ("created", "timings")
MAP_COSTS = ("seconds", "peak_megabytes")

LONGEST_PATH = 255  # what file systems take as one name
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*\Z")


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    plain = "\\" not in path and str(PurePosixPath(*parts)) == path and all(_PART.match(part) for part in parts)
    if not plain or len(path) > LONGEST_PATH:
        raise ValueError(f"{path[:LONGEST_PATH]!r} is not a plain relative path of at most {LONGEST_PATH} characters")
    return path


RelativePath = Annotated[str, AfterValidator(_inside)]
# In headings, labels and charts: nothing that Markdown or HTML make something of.
ModelTitle = Annotated[str, Field(pattern=r"^\w[\w ()+-]{0,63}$")]
# Of a folder beside, whatever people call theirs.
SetName = Annotated[str, Field(pattern=r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]{0,254}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# Names of models become folder names, so they are kept as plain as those.
MODEL_NAME = "[a-z][a-z0-9_-]{0,31}"
ModelName = Annotated[str, Field(pattern=f"^{MODEL_NAME}$")]
MapName = Annotated[str, Field(pattern=f"^{MODEL_NAME}/(umap|tsne)$")]
Share = Annotated[float | None, Field(ge=0, le=1)]


class Strict(BaseModel):
    """What is kept as JSON: no fields that are not named here, no numbers that JSON cannot hold."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FileEntry(Strict):
    """One file: its size in bytes and digest; for arrays also dtype and shape."""

    size: int = Field(ge=0)
    sha256: Digest
    dtype: str | None = None
    shape: list[Annotated[int, Field(ge=0)]] | None = None


class Source(Strict):
    """Where the listening data came from."""

    reader: str
    title: str
    sha256: Digest
    files: list[str]
    simulated: bool
    report: dict[str, Any]


class Counts(Strict):
    """Size of what was trained on, after filtering."""

    items: int = Field(ge=2)
    listeners: int = Field(ge=1)
    interactions: int = Field(ge=1, description="(listener, item) pairs")
    plays: float = Field(gt=0)
    queues: int = Field(ge=0)
    queues_ordered: bool


class Imported(Strict):
    """Where the vectors of a model come from that was trained elsewhere.

    files, sha256 : one a replicate. form : what kind of files. dimensions : of a replicate's vectors.
    """

    files: list[str] = Field(min_length=1)
    sha256: list[Digest] = Field(min_length=1)
    form: str
    dimensions: int = Field(ge=1)


class ModelEntry(Strict):
    """One model: what it was trained with and how far it can be trusted.

    repeatable : whether the same seed gives the same bits; `repeatable_note` says what that rests on.
    items_missing : items of the catalogue that this model has no vector for.
    recall : share of the exact top-10 that the stored graph holds, on a sample; 1 where the graph is exact.
    tag_share : see `analysis.evaluation.tag_share`; None where the data have no tags.
    replicate_overlap : mean overlap@10 between two single fits, over items with at least 10 listeners.
    noise_floor : the same between two consensuses of half the replicates each; None with one replicate.
    imported : None for what a build has trained.
    """

    title: ModelTitle
    params: dict[str, Any]
    n_replicates: int = Field(ge=1)
    repeatable: bool
    repeatable_note: str
    items_missing: int = Field(ge=0)
    recall: Share
    tag_share: Share
    replicate_overlap: Share
    noise_floor: Share
    notes: list[str] = []
    imported: Imported | None = None


class Evaluation(Strict):
    """How well a setting recommends items that its fits never saw, beside the setting it is compared with.

    n : of nDCG@n. held_out : share of each listener's items kept from training. listeners, replicates : that the means
    run over. ndcg, baseline_ndcg : means. difference : of the two, and its 95% interval over listeners and seeds.
    """

    n: int = Field(ge=1)
    held_out: float = Field(gt=0, lt=1)
    listeners: int = Field(ge=1)
    replicates: int = Field(ge=1)
    ndcg: Share
    baseline_ndcg: Share
    difference: float
    difference_low: float
    difference_high: float


class Scenario(Strict):
    """Where a build came from that is another build with other BM25 parameters.

    name : for people. base_set, base_build : name and fingerprint of the set it was made from. evaluation : against
    that set's own setting; None where it could not be measured.
    """

    name: str
    base_set: SetName
    base_build: Digest
    evaluation: Evaluation | None = None


class Trust(Strict):
    """How far the quick answers of the BM25 what-if reach, measured on a sample of items at one other K1 and B.

    k1, b : where it was measured. items : how many. n : of the overlaps.
    nothing : overlap of the unchanged baseline with a full fit there under other seeds; what a guess would reach.
    preview, refine : overlap of their answers with that fit; refine after `iterations`.
    noise_floor : overlap of that fit's two halves with each other.
    """

    k1: float
    b: float
    items: int = Field(ge=1)
    n: int = Field(ge=1)
    iterations: int = Field(ge=1)
    nothing: Share
    preview: Share
    refine: Share
    noise_floor: Share


class Tuning(Strict):
    """How the grid in tuning.parquet was measured.

    n : of nDCG@n, Recall@n and all overlaps. held_out : share of each listener's items kept from training.
    listeners : how many the means run over. replicates : fits at each point.
    """

    n: int = Field(ge=1)
    held_out: float = Field(gt=0, lt=1)
    listeners: int = Field(ge=1)
    replicates: int = Field(ge=1)
    seed: int = Field(ge=0)


class Word2vecTuning(Strict):
    """How the trials in word2vec_trials.parquet were measured.

    n : of nDCG@n and Recall@n. held_out : share of each listener's items kept from training. listeners : how many the
    means run over. replicates : fits of each trial. share : of the queues, that trials were fitted to before the best
    of them were fitted to everything. optuna : version of what proposed them.
    """

    n: int = Field(ge=1)
    held_out: float = Field(gt=0, lt=1)
    listeners: int = Field(ge=1)
    replicates: int = Field(ge=1)
    share: float = Field(gt=0, le=1)
    seed: int = Field(ge=0)
    optuna: str


class MapQuality(Strict):
    """How true a map is; None where too few items are on it.

    faithfulness : mean share of an item's true top-n among its n nearest on the map, see `analysis.faithfulness`.
    trustworthiness, continuity : over a sample of the items.
    """

    faithfulness: Share
    trustworthiness: Share
    continuity: Share


class MapEntry(MapQuality):
    """One map, MODEL/maps/METHOD.npy: how it was made and how true it is.

    params : as used. n : of the three measures. random, pca : the same measures of a map of random points and of the
    plane in which the vectors vary most; what a map is worth shows beside them.
    reference : the map that this one starts from and is aligned to, as MODEL/METHOD, or SET:MODEL/METHOD for one of
        the set that a scenario was made from; None for a map that follows no other.
    shift_from : the map that MODEL/maps/METHOD.shift.npy measures distances from; None where there is none.
    median_shift : median of those, see `analysis.projection.shifts`.
    seconds, peak_megabytes : what laying it out took, 0 s where it was taken over, and the most memory that the whole
        process held meanwhile; None where it was not noted.
    """

    model: ModelName
    method: Literal["umap", "tsne"]
    params: dict[str, Any]
    seed: int = Field(ge=0)
    n: int = Field(ge=1)
    random: MapQuality
    pca: MapQuality
    reference: str | None
    shift_from: str | None
    median_shift: float | None = Field(ge=0)
    seconds: float | None = Field(None, ge=0)
    peak_megabytes: float | None = Field(None, ge=0)


class Manifest(Strict):
    """Everything about one build."""

    schema_version: int
    created: str
    source: Source
    counts: Counts
    dropped: dict[str, int]
    config: dict[str, Any]
    seed: int = Field(ge=0)
    depth: int = Field(ge=1, description="length of a stored neighbour list")
    replicate_depth: int = Field(ge=1, description="length of a replicate's stored list; the longest n with stability")
    versions: dict[str, str]
    models: dict[ModelName, ModelEntry] = Field(min_length=1, max_length=MOST_MODELS)
    agreement_n: int = Field(ge=1, description="the n of agreement.parquet and of the overlaps in this manifest")
    agreement: Share = Field(description="mean overlap@n of the first two models, items with at least 10 listeners")
    checks: list[str]
    warnings: list[str]
    timings: dict[str, float]
    files: dict[RelativePath, FileEntry]
    scenario: Scenario | None = None
    whatif: Trust | None = None
    tuning: Tuning | None = None
    word2vec_tuning: Word2vecTuning | None = None
    maps: dict[MapName, MapEntry] | None = None

    @field_validator("models")
    @classmethod
    def _imported_last(cls, models: dict[str, ModelEntry]) -> dict[str, ModelEntry]:
        """Files have keys in the order of the alphabet; the first two are the models of the build."""
        return dict(sorted(models.items(), key=lambda model: model[1].imported is not None))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical form without times and memory; the identity of the build."""
        return fingerprint(self.as_document())

    def as_document(self) -> dict[str, Any]:
        """The JSON document, digests left out. What was never set is left out too, so that a manifest written before a
        field was thought of keeps its fingerprint."""
        return self.model_dump(mode="json", exclude_unset=True)


def fingerprint(document: dict[str, Any]) -> str:
    """SHA-256 (64 hex digits) of a manifest's canonical form, its times, memory and own digests left out."""
    kept = {key: value for key, value in document.items() if key not in (*TIMES, "fingerprint", "checksum")}
    if maps := kept.get("maps"):
        kept["maps"] = {name: {k: v for k, v in entry.items() if k not in MAP_COSTS} for name, entry in maps.items()}
    return hashlib.sha256(_canonical(kept)).hexdigest()


def to_bytes(manifest: Manifest) -> bytes:
    """The one way this manifest is written: sorted keys, with fingerprint and a checksum over all the rest."""
    document = manifest.as_document()
    document["fingerprint"] = fingerprint(document)
    document["checksum"] = hashlib.sha256(_canonical(document)).hexdigest()
    return _canonical(document)


def from_bytes(content: bytes, where: str) -> Manifest:
    """Read a manifest written by `to_bytes`; any changed byte is found.

    Raises
    ------
    UnsupportedSchema : written by a version with another schema.
    DamagedArtifacts : not JSON, fields missing or out of range, or not the bytes that were written.
    """
    again = f"; build the set again, or fetch it again from where it came ({where})"
    try:
        document = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedArtifacts(f"{where} is not readable JSON: {error}{again}") from error
    if not isinstance(document, dict):
        raise DamagedArtifacts(f"{where} is not a JSON object{again}")
    version = document.get("schema_version")
    if version != SCHEMA_VERSION and isinstance(version, int):
        newer = "update recsys" if version > SCHEMA_VERSION else "build the set again"
        raise UnsupportedSchema(f"{where} has schema version {version}, this program reads {SCHEMA_VERSION}; {newer}")
    claimed = {key: document.pop(key, None) for key in ("fingerprint", "checksum")}
    try:
        manifest = Manifest.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DamagedArtifacts(f"{where}: {place}: {first['msg']}{again}") from error
    try:
        unchanged = to_bytes(manifest) == content
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can spell and UTF-8 cannot
        unchanged = False
    if not unchanged:
        raise DamagedArtifacts(
            f"{where} was changed after it was written (fingerprint {str(claimed['fingerprint'])[:12]}){again}"
        )
    return manifest


def _canonical(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
