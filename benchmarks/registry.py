"""The benchmarks there are, and the sizes of each; a module of that name has `measure(asked)`."""

from __future__ import annotations

from benchmarks.data import Size

REGISTRY: dict[str, tuple[Size, ...]] = {
    # Against what others use.
    "tutorial": ("tiny", "small", "full"),
    "neighbours": ("tiny", "small", "full"),
    "tsne": ("tiny", "small", "full"),
    "word2vec": ("tiny", "small", "full"),
    "hetrec": ("small", "full"),
    "read_lastfm_360k": ("tiny", "small", "full"),
    "stage_costs": ("small", "full"),
    # On paper.
    "growth": ("tiny", "small", "full"),
    # What a person waits for. The first of these makes what the later ones use.
    "pages_at_full_size": ("full",),
    "listener_at_full_size": ("full",),
    "maps_at_full_size": ("full",),
    "maps_page": ("small", "full"),
    "start_up": ("small",),
    "what_if": ("small", "full"),
}
