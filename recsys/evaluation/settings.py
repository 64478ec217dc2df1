"""What is evaluated, and how."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from recsys.artifacts.evaluations import Protocol
from recsys.config import validated
from recsys.interactions.log import Queues
from recsys.models.als import AlsParams
from recsys.models.bm25 import LARGEST_K1
from recsys.models.word2vec import Word2vecParams, data_defaults

# gensim's own, and those of the published figures: what nobody states for next events is the same here as there.
PUBLISHED = {"window": 5, "epochs": 5, "sample": 1e-3, "ns_exponent": 0.75, "negative": 5, "alpha": 0.025}


class EvaluationSettings(BaseModel):
    """How models are evaluated; all of it decides what comes out."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    protocol: Protocol = Field("holdout", description="what is held out, and what it is asked for from")
    n: int = Field(10, ge=1, le=1000, description="length of the lists")
    held_out: float = Field(0.2, gt=0, lt=1, description="share of each listener's items held out by holdout")
    listeners: int = Field(5000, ge=2, description="at most so many, or queues for next-event, are asked, by chance")
    replicates: int = Field(2, ge=1, le=64, description="fits of each model that figures are means over")
    seed: int = Field(0, ge=0, lt=2**31, description="of everything random")
    min_listeners: int | None = Field(
        None, ge=1, description="items with fewer in training leave the catalogue; default the set's, else 1"
    )
    beside: list[
        tuple[
            Annotated[float, Field(ge=0, le=LARGEST_K1, description="K1")],
            Annotated[float, Field(ge=0, le=1, description="B")],
        ]
    ] = Field([], max_length=50, description="other K1 and B, measured beside the ALS parameters' own")


def als_params(base: dict[str, Any], stated: dict[str, Any]) -> AlsParams:
    """Parameters of ALS: what is stated, else the set's.

    base : of a model in a manifest, {} without a set.

    Raises
    ------
    ParameterError : one is unknown or outside its limits.
    """
    return validated(AlsParams, {**_of(AlsParams, base), **stated}, "als")


def word2vec_params(base: dict[str, Any], stated: dict[str, Any], queues: Queues, protocol: Protocol) -> Word2vecParams:
    """Parameters of Word2vec: what is stated, else the set's, else the published for next events, else by the data.

    Raises
    ------
    ParameterError : one is unknown or outside its limits.
    """
    otherwise = PUBLISHED if protocol == "next-event" else data_defaults(queues)
    return validated(Word2vecParams, {**otherwise, **_of(Word2vecParams, base), **stated}, "word2vec")


def _of(model: type[BaseModel], params: dict[str, Any]) -> dict[str, Any]:
    """Only the parameters that this model has: a set may come from another program, as Spark."""
    return {name: value for name, value in params.items() if name in model.model_fields}
