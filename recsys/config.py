"""What a build does: typed, validated, from a TOML file or the command line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recsys.errors import ParameterError

Model = TypeVar("Model", bound=BaseModel)


class BuildConfig(BaseModel):
    """Parameters of a build. `als` and `word2vec` override the defaults that the data suggest, key by key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(0, ge=0, lt=2**31, description="of everything random")
    replicates: int = Field(4, ge=1, le=64, description="fits of each model; 2 or more give a noise floor")
    min_listeners: int = Field(5, ge=1, description="items with fewer leave the catalogue of both models")
    session_gap_minutes: float = Field(30.0, gt=0, description="a longer pause starts a new queue")
    max_bad_share: float = Field(0.1, ge=0, le=1, description="refuse input with a larger share of unusable rows")
    delimiter: str | None = Field(None, min_length=1, max_length=1, description="between fields; default by format")
    depth: int = Field(100, ge=1, le=1000, description="length of a stored neighbour list")
    replicate_depth: int = Field(50, ge=1, le=1000, description="length of a replicate's list; the longest n shown")
    exact_below: int = Field(20_000, ge=2, description="catalogues smaller than this are searched exactly")
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
        except (OSError, ValueError) as error:
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
        known = f"; known are {', '.join(model.model_fields)}" if first["type"] == "extra_forbidden" else ""
        raise ParameterError(f"{where}: {place} = {first['input']!r}: {first['msg'].lower()}{known}") from error
