"""What the words of the pages mean, in one place: for explanations beside a word, and for the list of all of them."""

from __future__ import annotations

import re
from html import escape

from recsys.ui.evaluation_charts.measures import MEASURES

# In the order in which somebody new meets them.
MEANINGS = {
    "artifact set": "all that was worked out from one listening log, kept together: both models, their lists, maps and "
    "measurements; its build is one such working out, known by the twelve signs beside it",
    "item": "what is recommended: an artist or a track",
    "ALS": "a model that learns who likes what: two items are alike when the same people play them (alternating least "
    "squares)",
    "Word2vec": "a model that learns what is played together: two items are alike when they come up in the same queues",
    "queue": "one listening session or playlist, in its order; to Word2vec it is a sentence and each item a word",
    "neighbour": "one of the items that a model takes to be most alike to an item",
    "n": "how many neighbours of each model are compared",
    "vector": "the numbers by which a model knows an item",
    "similarity": "how alike a model takes two items to be: the cosine of their vectors, from −1 to 1; not comparable "
    "between models",
    "overlap": "the share of two lists that is the same, in whatever order",
    "RBO": "rank-biased overlap, p = 0.9: agreement of two lists that counts the top ranks most; 1 for the same list",
    "seed": "the number from which all chance in a fit is drawn",
    "replicate": "the same model fitted once more, to the same data, with another seed; also called a refit",
    "consensus": "all replicates of a model taken as one, which is steadier than each of them",
    "noise floor": "how much a model agrees with itself: the overlap of one half of its replicates with the other "
    "half; two models that share as much cannot be told apart",
    "stability": "in how many of a model's replicates a neighbour is in the top n again",
    "percentile": "of popularity: the share of all items that have no more listeners than this one",
    "BM25": "the rule by which plays are weighted before ALS learns from them, so that a hundred plays by one person "
    "need not count a hundred times one play; its settings are K1 and B",
    "K1": "how slowly more plays by one person stop counting more; at 0 one play says as much as a hundred",
    "B": "how much an item's total plays slow that down: 0 not at all, 1 in full",
    "baseline": "what something is compared with: on the what-if page the setting that this set was built with, in an "
    "evaluation a simple method such as naming what is popular",
    "held-out": "kept from a model while it learns, so that it can be asked for it afterwards",
    "nDCG": MEASURES["ndcg"][1],
    "Recall": MEASURES["recall"][1],
    "95% interval": "a range that holds the true figure in 95 of 100 measurements like this one",
    "coverage": "share of the catalogue that stands in anybody's list",
    "map": "all items as points on a plane, alike ones near each other as far as a plane allows",
    "UMAP": "a way to draw a map that keeps neighbours together; distances between groups, and their sizes, say little",
    "t-SNE": "another way to draw a map, which keeps the nearest neighbours closest of all; distances between groups, "
    "and their sizes, say little",
    "PCA": "principal components: the plane in which the vectors vary most, the plainest map there is",
    "trustworthiness": "whether what is near on a map is near in truth: 1 if always",
    "continuity": "whether what is near in truth is near on the map: 1 if always",
    "fold-in": "to work out what a model would have learnt of a new listener, without training it again",
    "scenario": "a set kept beside this one, fitted with another K1 and B",
}
# Letters that stand for other things, too, and words that most people know from elsewhere.
NOT_MARKED = {"n", "B", "map", "seed", "item", "baseline"}
ALSO = {"refit": "replicate", "rank-biased overlap": "RBO"}
_WORDS = "|".join(
    re.escape(word) for word in sorted([*MEANINGS, *ALSO], key=len, reverse=True) if word not in NOT_MARKED
)
_MARKED = re.compile(rf"(?<![\w-])({_WORDS})(s?)(?![\w-])", re.IGNORECASE)
_BY_LOWER = {word.lower(): word for word in MEANINGS} | ALSO


def meaning_of(*words: str) -> str:
    """Words and what they mean, as Markdown, for `help=`."""
    return "  \n".join(f"**{word}**: {MEANINGS[word]}." for word in words)


def marked(text: str) -> str:
    """A text as HTML, in which each of the words is explained where it stands first; `text` is plain, of our own."""
    seen: set[str] = set()

    def explained(found: re.Match[str]) -> str:
        word = _BY_LOWER[found[1].lower()]
        if word in seen:
            return found[0]
        seen.add(word)
        return f'<abbr title="{escape(MEANINGS[word])}">{found[0]}</abbr>'

    return _MARKED.sub(explained, escape(text))


def glossary() -> str:
    """All words and what they mean, as HTML."""
    return (
        "<dl class='words'>"
        + "".join(f"<dt>{escape(word)}</dt><dd>{escape(meaning)}</dd>" for word, meaning in MEANINGS.items())
        + "</dl>"
    )
