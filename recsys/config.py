"""What a build does: typed, validated, from a TOML file or the command line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from recsys.errors import ParameterError

Model = TypeVar("Model", bound=BaseModel)
DELIMITERS = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


def _one_character(delimiter: str) -> str:
    character = DELIMITERS.get(delimiter, delimiter)
    if len(character) != 1 or not character.isascii() or character in '"\r\n\0':
        raise ValueError(f"must be one ASCII character or one of {', '.join(DELIMITERS)}")
    return character


class BuildConfig(BaseModel):
    """Parameters of a build. `als` and `word2vec` override the defaults that the data suggest, key by key."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    seed: int = Field(0, ge=0, lt=2**31, description="of everything random")
    replicates: int | None = Field(
        None,
        ge=1,
        le=64,
        description="fits of each model; 2 or more give a noise floor; default 4, and 2 for large data",
    )
    min_listeners: int = Field(5, ge=1, description="items with fewer leave the catalogue of both models")
    session_gap_minutes: float = Field(30.0, gt=0, description="a longer pause starts a new queue")
    max_bad_share: float = Field(0.1, ge=0, le=1, description="refuse input with a larger share of unusable rows")
    delimiter: Annotated[str, AfterValidator(_one_character)] | None = Field(
        None, description="between fields: tab, comma, semicolon, pipe, space or a character; default by format"
    )
    level: Literal["artist", "track"] = Field("artist", description="what an item is where the log knows tracks")
    merge_spellings: bool = Field(True, description="MBID, else folded name, makes an item; else names as spelled")
    depth: int = Field(100, ge=1, le=1000, description="length of a stored neighbour list")
    replicate_depth: int = Field(50, ge=1, le=1000, description="length of a replicate's list; the longest n shown")
    exact_below: int = Field(20_000, ge=2, description="catalogues smaller than this are searched exactly")
    word2vec_minutes: float | None = Field(
        None,
        gt=0,
        description="budget of all Word2vec fits, by which epochs and window are chosen on this machine; default none, "
        "and 30 for large data; epochs and window, where given, are as given",
    )
    measure_whatif: bool = Field(True, description="measure how far the quick answers of the BM25 page reach")
    maps: list[Literal["umap", "tsne"]] = Field(
        ["umap", "tsne"], description="methods by which both models are mapped; none makes a quicker build"
    )
    als: dict[str, Any] = Field(default_factory=dict, description="ALS parameters: k1, b, factors, iterations, …")
    word2vec: dict[str, Any] = Field(
        default_factory=dict, description="Word2vec parameters: window, epochs, sample, ns_exponent, negative, …"
    )


def load_config(file: Path | None, overrides: dict[str, Any]) -> BuildConfig:
    """The TOML file's settings with `overrides` on top; None in overrides means "not given".

    Raises
    ------
    ParameterError : the file cannot be read, or a setting is unknown or outside its limits.
    """
    settings: dict[str, Any] = {}
    if file is not None:
        try:
            settings = tomllib.loads(file.read_text("utf-8"))
        except OSError as error:
            raise ParameterError(f"{file} cannot be read: {error.strerror}; check --config") from error
        except ValueError as error:
            raise ParameterError(f"{file} cannot be read as TOML: {error}") from error
    for key, value in overrides.items():
        if isinstance(value, dict):
            base = settings.get(key, {})
            given = {name: each for name, each in value.items() if each is not None}
            settings[key] = {**base, **given} if isinstance(base, dict) else base
        elif value is not None:
            settings[key] = value
    return validated(BuildConfig, settings, str(file or "command line"))


def validated(model: type[Model], settings: dict[str, Any], where: str) -> Model:
    """`model` from `settings`.

    Raises
    ------
    ParameterError : names the first setting that is unknown or outside its limits, its value, and the limit.
    """
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            known = ", ".join(model.model_fields)
            raise ParameterError(f"{where}: there is no setting {place}; there are {known}") from error
        raise ParameterError(f"{where}: {place} = {first['input']!r}: {first['msg'].lower()}") from error
