"""Every byte of an artifact set changed, one at a time; each change must be found on opening.

python -m tests.faults.every_byte [SET]
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from recsys.artifacts.store import ArtifactSet, verify
from recsys.errors import ArtifactError

STORED = Path(__file__).resolve().parents[1] / "stored" / "schema-1"


def unnoticed(path: Path, places: Iterable[tuple[Path, int]], rng: random.Random, *, large: bool = False) -> list[str]:
    """The changes of one byte that opening the set at `path` does not find, nor verify where files are large.

    places : a file and where in it. The set is as it was when this returns.
    """
    missed = []
    for file, at in places:
        with file.open("r+b", buffering=0) as stream:
            stream.seek(at)
            byte = stream.read(1)[0]
            changed = byte ^ rng.randrange(1, 256)
            os.pwrite(stream.fileno(), bytes([changed]), at)
            try:
                ArtifactSet.open(path)
            except ArtifactError:
                pass
            else:
                if not large or not verify(path):
                    missed.append(f"{file.name}, byte {at}: {byte:#x} became {changed:#x}")
            os.pwrite(stream.fileno(), bytes([byte]), at)
    return missed


def main() -> None:
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else STORED
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copytree(source, Path(folder) / "set"))
        files = [file for file in sorted(path.rglob("*")) if file.is_file()]
        places = [(file, at) for file in files for at in range(file.stat().st_size)]
        missed = unnoticed(path, places, random.Random(0))
        assert verify(path) == []
    for each in missed:
        print(each)
    print(f"{len(places):,} changes of one byte, {len(missed)} unnoticed, {time.monotonic() - start:.0f} s")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
