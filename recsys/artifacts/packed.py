"""A listening log as a part of a build: arrays and numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp
from pydantic import TypeAdapter

from recsys.artifacts.unfinished import Part
from recsys.interactions.log import Interactions, Queues
from recsys.interactions.report import ReadReport

_REPORT = TypeAdapter(ReadReport)


def packed(log: Interactions) -> Part:
    """The log as arrays, the catalogue's Parquet file one of them, and numbers; `unpacked` gives it back."""
    catalogue = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(log.catalogue, preserve_index=False).replace_schema_metadata(None), catalogue)
    matrix = log.user_items
    arrays = {
        "catalogue": np.frombuffer(catalogue.getvalue(), np.uint8),
        **{name: getattr(matrix, name) for name in ("data", "indices", "indptr")},
    }
    numbers: dict[str, Any] = {
        "report": _REPORT.dump_python(log.report, mode="json"),
        "dropped": log.dropped,
        "shape": [int(size) for size in matrix.shape],
        "ordered": None if log.played is None else log.played.ordered,
    }
    if log.played is not None:
        arrays |= {"queue_items": log.played.items, "queue_offsets": log.played.offsets}
    return Part(arrays, numbers)


def unpacked(part: Part) -> Interactions:
    """The log that `packed` made this part of."""
    arrays, numbers = part.arrays, part.numbers
    catalogue = pq.read_table(pa.BufferReader(arrays["catalogue"].tobytes())).to_pandas()
    played = None
    if numbers["ordered"] is not None:
        played = Queues(arrays["queue_items"], arrays["queue_offsets"], ordered=numbers["ordered"])
    user_items = sp.csr_matrix(tuple(arrays[name] for name in ("data", "indices", "indptr")), shape=numbers["shape"])
    return Interactions(catalogue, user_items, played, _REPORT.validate_python(numbers["report"]), numbers["dropped"])
