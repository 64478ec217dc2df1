"""Packed input reads like the plain file; cut or damaged archives are named."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from recsys.errors import InputError
from recsys.interactions.inputs import paths_of
from recsys.interactions.readers import ReadOptions, read


def as_tar(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for member, inside in (("data/README.txt", b"about\n"), (f"data/{name}", content)):
            info = tarfile.TarInfo(member)
            info.size = len(inside)
            archive.addfile(info, io.BytesIO(inside))
    return buffer.getvalue()


def as_zip(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data/README.txt", "about\n")
        archive.writestr(f"data/{name}", content)
    return buffer.getvalue()


def as_zstd(name: str, content: bytes) -> bytes:
    buffer = pa.BufferOutputStream()
    with pa.output_stream(buffer, compression="zstd") as stream:
        stream.write(content)
    return bytes(buffer.getvalue().to_pybytes())


PACKINGS: dict[str, Callable[[str, bytes], bytes]] = {
    "log.csv.gz": lambda _, content: gzip.compress(content),
    "log.csv.zst": as_zstd,
    "log.tar.gz": as_tar,
    "log.zip": as_zip,
}


@pytest.mark.parametrize("packed", PACKINGS)
def test_packed_events_read_like_plain_ones(tmp_path: Path, small_log: Path, packed: str) -> None:
    plain = read("events", small_log)
    path = tmp_path / packed
    path.write_bytes(PACKINGS[packed]("log.csv", small_log.read_bytes()))
    log = read("events", path)
    assert log.report.rows == plain.report.rows
    assert (log.user_items != plain.user_items).nnz == 0
    np.testing.assert_array_equal(log.queues.items, plain.queues.items)


@pytest.mark.parametrize("packed", ["log.csv.gz", "log.csv.zst"])
def test_packed_queues_read_like_plain_ones(tmp_path: Path, packed: str) -> None:
    (tmp_path / packed).write_bytes(PACKINGS[packed]("", b"a b c\nb a\n"))
    assert read("queues", tmp_path / packed).queues.lengths.tolist() == [3, 2]


def test_lastfm_2k_reads_from_the_archive_it_comes_in(tmp_path: Path) -> None:
    path = tmp_path / "hetrec2011-lastfm-2k.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("artists.dat", "id\tname\turl\tpictureURL\n7\tA\tu\tp\n8\tB\tu\tp\n")
        archive.writestr("user_artists.dat", "userID\tartistID\tweight\r\n1\t7\t5\r\n1\t8\t2\r\n")
        archive.writestr("readme.txt", "hello")
    log = read("lastfm-2k", path)
    assert log.catalogue["name"].tolist() == ["A", "B"]
    assert any("no tags.dat here" in note for note in log.report.notes)


@pytest.mark.parametrize("packed", PACKINGS)
def test_an_archive_cut_anywhere_is_refused_or_read_whole(tmp_path: Path, small_log: Path, packed: str) -> None:
    rows = small_log.read_bytes().splitlines(keepends=True)[:400]
    content = PACKINGS[packed]("log.csv", b"".join(rows))
    path = tmp_path / packed
    rng = random.Random(5)
    refused = 0
    for _ in range(40):
        path.write_bytes(content[: rng.randrange(1, len(content))])
        try:
            log = read("events", path)
        except InputError:
            refused += 1
        else:
            assert log.report.rows == 399, "a cut archive gave fewer rows without a word"
    assert refused >= 35


@pytest.mark.parametrize("packed", ["log.csv.gz", "log.tar.gz", "log.zip"])  # zstd as pyarrow writes it has no checksum
def test_an_archive_with_changed_bytes_is_refused_or_read_whole(tmp_path: Path, small_log: Path, packed: str) -> None:
    content = PACKINGS[packed]("log.csv", b"".join(small_log.read_bytes().splitlines(keepends=True)[:400]))
    path = tmp_path / packed
    rng = random.Random(6)
    for _ in range(60):
        changed = bytearray(content)
        changed[rng.randrange(len(changed))] ^= rng.randrange(1, 256)
        path.write_bytes(bytes(changed))
        try:
            report = read("events", path, ReadOptions(max_bad_share=1)).report
        except InputError:
            continue
        assert report.rows == 399


def test_a_pattern_stands_for_its_files_in_order(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "c.txt"):
        (tmp_path / name).write_text("user,item\nu,x\nv,y\n")
    assert [path.name for path in paths_of(tmp_path / "*.csv")] == ["a.csv", "b.csv"]
    with pytest.raises(InputError, match="stands for no file"):
        paths_of(tmp_path / "*.tsv")


def test_progress_counts_bytes_on_disk(tmp_path: Path, small_log: Path) -> None:
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress(small_log.read_bytes()))
    seen: list[int] = []
    read("events", path, ReadOptions(on_bytes=seen.append))
    assert path.stat().st_size <= sum(seen) <= 1.1 * path.stat().st_size + 100_000


@pytest.mark.parametrize("reader", ["queues", "events", "lastfm-360k"])
@pytest.mark.parametrize("content", [b"\xef\xbb\xbf", b"\xef\xbb\xbf\n \n", b"\n\n"])
def test_a_file_of_marks_and_blanks_is_called_empty(tmp_path: Path, reader: str, content: bytes) -> None:
    path = tmp_path / "log.tsv"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is empty"):
        read(reader, path)
