"""What the measures of accuracy are called and mean."""

DECISIVE = "ndcg"  # what verdicts go by
_NEW = ", without the lists whose right item repeats the one before it"
_NDCG = (
    "how high the held-out items stand: 1 if they fill the top of the list, 0 if none is in it; lower places count less"
)
_HR = "share of the lists that hold a right item"
_MRR = "one divided by the place of the first right item, 0 where none is in the list; the mean over lists"
# By measure of accuracy: its name, and what it means.
MEASURES = {
    "ndcg": ("nDCG", _NDCG),
    "recall": ("Recall", "share of a listener's held-out items that are in the list"),
    "hr": ("HR", f"hit rate, the {_HR}"),
    "map": ("MAP", "at each right item the share of right ones down to there, averaged over the held-out items"),
    "mrr": ("MRR", _MRR),
    "ndcg_new": ("nDCG, new", _NDCG + _NEW),
    "hr_new": ("HR, new", f"hit rate, the {_HR}{_NEW}"),
    "mrr_new": ("MRR, new", _MRR + _NEW),
}


def measure_title(measure: str, n: int) -> str:
    """What a measure is called, with the length of the lists."""
    name, *rest = MEASURES[measure][0].split(",")
    return f"{name}@{n}{''.join(f',{each}' for each in rest)}"
