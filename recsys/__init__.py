"""Compare ALS and Word2vec music recommenders, never without the noise beside the difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recsys.errors import RecsysError

if TYPE_CHECKING:
    from recsys.api import (
        agreement,
        build,
        compare,
        export_neighbours,
        export_vectors,
        import_vectors,
        neighbours,
        noise_floor,
        open_set,
        recommend,
        remove_model,
        verify,
    )

__version__ = "0.1.0"
__all__ = [
    "RecsysError",
    "agreement",
    "build",
    "compare",
    "export_neighbours",
    "export_vectors",
    "import_vectors",
    "neighbours",
    "noise_floor",
    "open_set",
    "recommend",
    "remove_model",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Load the interface when it is first asked for, so that `import recsys` costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'recsys' has no attribute {name!r}")
    from recsys import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
