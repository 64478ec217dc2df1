"""What stands beside a table of plays: descriptions of its items, and where it is from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from recsys.errors import InputError
from recsys.interactions.inputs import open_inputs
from recsys.interactions.report import ReadReport
from recsys.interactions.tabular import read_blocks, shown

BESIDE = ITEMS_SUFFIX, SOURCE_SUFFIX = ".items.csv", ".source.json"
# Counted or computed by us; a description of items cannot set them.
OWN_COLUMNS = {"item_id", "listeners", "plays", "popularity"}
MAX_CARD_BYTES = 1 << 20


def _beside(file: Path, suffix: str) -> Path:
    """FILE.items.csv for FILE.csv and FILE.csv.gz alike."""
    unpacked = file.with_suffix("") if file.suffix.lower() in (".gz", ".zst") else file
    return unpacked.with_suffix(suffix)


def source_cards(files: list[Path], report: ReadReport) -> None:
    """Put into the report what FILE.source.json beside the files says; one simulated file makes the log simulated.

    Raises
    ------
    InputError : one cannot be read, or is more than MAX_CARD_BYTES.
    """
    titles = []
    for file in files:
        card = _beside(file, SOURCE_SUFFIX)
        if not card.exists():
            continue
        try:
            if card.stat().st_size > MAX_CARD_BYTES:
                raise InputError(f"has more than {MAX_CARD_BYTES:,} bytes", file=card)
            source = json.loads(card.read_text("utf-8"))
        except (ValueError, RecursionError, OSError) as error:
            raise InputError(f"cannot be read as JSON: {error}", file=card) from error
        if not isinstance(source, dict):
            raise InputError("is not a JSON object", file=card)
        titles.append(str(source.get("title", file.stem)).encode("utf-8", "replace").decode())
        report.simulated |= source.get("simulated") is True
    if len(set(titles)) == 1:
        report.title = titles[0]


def described(catalogue: pd.DataFrame, files: list[Path], report: ReadReport) -> pd.DataFrame:
    """The catalogue with what FILE.items.csv beside the files says; the first description of an item counts.

    Raises
    ------
    InputError : one has no column item, or a column twice.
    """
    parts = []
    for file in files:
        beside = _beside(file, ITEMS_SUFFIX)
        if not beside.exists():
            continue
        seen = ReadReport(source=str(beside), reader="items")
        for source in open_inputs([beside]):
            source.check_is_text()
            columns = source.header_fields(",")
            if "item" not in columns or len(set(columns)) < len(columns):
                raise InputError(
                    f"needs a column item and no name twice; its columns are {shown(columns)}", file=beside, line=1
                )
            rows = read_blocks(source, columns, delimiter=",", report=seen, quoting=True)
            parts += [pd.DataFrame({name: texts.to_list() for name, texts in block.columns.items()}) for block in rows]
        report.take_in(seen)
    if not parts:
        return catalogue
    by_item = pd.concat(parts, ignore_index=True).drop_duplicates("item").set_index("item")
    described = by_item.reindex(catalogue["item_id"].to_numpy(object)).reset_index(drop=True)
    for column in [name for name in described if name not in OWN_COLUMNS]:
        values = described[column]
        if column == "name":
            named = values.notna() & (values != "")
            catalogue["name"] = np.where(named, values, catalogue["name"])
        elif column == "tags":
            catalogue["tags"] = [
                [tag for tag in text.split("|") if tag] if isinstance(text, str) else [] for text in values
            ]
        else:
            as_numbers = pd.to_numeric(values, errors="coerce")
            catalogue[column] = as_numbers if as_numbers.notna().equals(values.notna()) else values
    return catalogue
