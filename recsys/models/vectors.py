"""Item vectors: unit rows in catalogue order, and the consensus of several replicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys.errors import ParameterError

FloatArray = npt.NDArray[np.floating[Any]]


def unit_rows(vectors: FloatArray) -> npt.NDArray[np.float32]:
    """Rows scaled to length 1, float32, same shape; rows of zeros stay zeros."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    result = np.zeros(vectors.shape, np.float32)
    np.divide(vectors, norms, out=result, where=norms > 0, casting="unsafe")
    return result


@dataclass(frozen=True)
class ItemVectors:
    """One model's vectors over the catalogue.

    vectors : float32 (n_items, n_replicates · d); unit rows, or zeros where the model lacks the item.
    n_replicates : how many fits stand side by side.
    """

    vectors: npt.NDArray[np.float32]
    n_replicates: int

    @classmethod
    def consensus(cls, replicates: Sequence[FloatArray]) -> ItemVectors:
        """Unit vectors of all replicates side by side, so that the cosine is the mean of the replicates' cosines.

        Parameters
        ----------
        replicates : arrays (n_items, d), one a fit, all of one shape.

        Raises
        ------
        ParameterError : none given, or shapes differ.
        """
        shapes = {replicate.shape for replicate in replicates}
        if len(shapes) != 1:
            raise ParameterError(f"replicates have the shapes {sorted(shapes)}; all must have one")
        return cls(unit_rows(np.hstack([unit_rows(replicate) for replicate in replicates])), len(replicates))

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Which items the model has, bool (n_items,)."""
        result: npt.NDArray[np.bool_] = np.any(self.vectors, axis=1)
        return result

    def only(self, replicates: Sequence[int]) -> ItemVectors:
        """The consensus of some of the replicates."""
        width = self.vectors.shape[1] // self.n_replicates
        columns = [self.vectors[:, r * width : (r + 1) * width] for r in replicates]
        return ItemVectors.consensus(columns)

    def halves(self) -> tuple[ItemVectors, ItemVectors]:
        """Two consensuses of disjoint halves of the replicates; what they disagree on is noise.

        Raises
        ------
        ParameterError : there is one replicate only.
        """
        if self.n_replicates < 2:
            raise ParameterError("a noise floor needs at least 2 replicates; build with --replicates 2 or more")
        middle = self.n_replicates // 2
        return self.only(range(middle)), self.only(range(middle, self.n_replicates))
