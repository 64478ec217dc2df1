"""How schema-1/ was made: python -m tests.stored.make_schema_1 FOLDER. It is not made again: see README.md."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from recsys.config import BuildConfig
from recsys.evaluation.kept import evaluate_set
from recsys.evaluation.settings import EvaluationSettings
from recsys.interactions.simulate import Simulation
from recsys.interactions.writers import write
from recsys.pipeline import build
from recsys.tuning.grid import tune
from recsys.tuning.measure import TuningSettings

out = Path(sys.argv[1])
config = BuildConfig(
    replicates=2,
    depth=12,
    replicate_depth=8,
    maps=["tsne"],
    als={"iterations": 4, "factors": 6},
    word2vec={"epochs": 3, "vector_size": 6},
)
with tempfile.TemporaryDirectory() as folder:
    log = Path(folder) / "log.csv"
    write(Simulation(36, n_items=102, seed=3), log)
    build("events", log, out, config)
tune(out, [(1.2, 0.75), (10.0, 0.5)], TuningSettings(replicates=2))
settings = EvaluationSettings(listeners=12, replicates=1)
made = evaluate_set(out, settings, {"als": {"iterations": 2}, "word2vec": {"epochs": 2}})
print(made.fingerprint)
