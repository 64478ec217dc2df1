"""A log cut into parts that a cluster reads side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recsys.interactions.inputs import PACKED_SUFFIXES, Input, Wanted, any_name, open_inputs, paths_of
from recsys.interactions.readers import ReadOptions, events, lastfm_logs, listenbrainz, queues
from recsys.interactions.report import ReadReport

PART_BYTES = 32 << 20
# By a file's name, in a folder or an archive; `events` looks for itself.
HOLDS_A_LOG: dict[str, Wanted] = {
    "lastfm-360k": lastfm_logs.is_log,
    "lastfm-1k": lastfm_logs.is_log,
    "listenbrainz": listenbrainz.holds_listens,
    "queues": any_name,
}


@dataclass(frozen=True)
class Part:
    """What one task reads of a log.

    number : its place among the parts, from 0.
    start, end : bytes of a plain file, or row groups of a Parquet file; the lines that begin there are the part's.
        end None is the whole file, packed or not.
    delimiter, columns : of a plain file of queues or events, as its first lines show them.
    """

    number: int
    file: Path
    start: int = 0
    end: int | None = None
    delimiter: str | None = None
    columns: tuple[str, ...] = ()


def files_of(reader: str, source: Path, report: ReadReport) -> list[Path]:
    """The files that hold a log, or may within an archive.

    Raises
    ------
    InputError : there is none at `source`.
    """
    if reader == "events":
        return events.table_files(source, report)
    return [file for file in paths_of(source) if _is_packed(file) or HOLDS_A_LOG[reader](file.name)]


def _is_packed(file: Path) -> bool:
    return file.name.lower().endswith(PACKED_SUFFIXES)


def parts_of(reader: str, files: Sequence[Path], options: ReadOptions) -> list[Part]:
    """The parts of all files in order; what is packed cannot be cut.

    Raises
    ------
    InputError : a file cannot be read as what it was said to be.
    """
    whole = (part for file in files for part in _parts_of_file(reader, file, options))
    return [replace(part, number=number) for number, part in enumerate(whole)]


def _parts_of_file(reader: str, file: Path, options: ReadOptions) -> Iterator[Part]:
    """Not numbered yet."""
    if reader == "events" and file.suffix.lower() == ".parquet":
        groups = events.parquet(file).num_row_groups
        yield from (Part(0, file, group, group + 1) for group in range(max(groups, 1)))
        return
    if _is_packed(file):
        yield Part(0, file)
        return
    for source in open_inputs([file]):
        source.check_is_text()
        whole = _with_fields(reader, source, options)
        size = file.stat().st_size
        yield from (
            replace(whole, start=start, end=min(start + PART_BYTES, size)) for start in range(0, size, PART_BYTES)
        )


def _with_fields(reader: str, source: Input, options: ReadOptions) -> Part:
    """A plain file, with what its first lines tell about all."""
    if reader == "queues":
        delimiter = options.delimiter or queues.delimiter_of(source.start(), source.name)
        return Part(0, source.path, delimiter=delimiter)
    if reader == "events":
        _, names, _ = next(events.tables([source.path], options, ReadReport(source=source.name, reader=reader)))
        return Part(0, source.path, delimiter=options.delimiter or events.delimiter_of(source), columns=tuple(names))
    return Part(0, source.path)
