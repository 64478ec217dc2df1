"""A listener over 292,365 items: from a profile of 50 items to both lists, and from an upload of 50 MB to its items.

FOLDER/sets/full is as pages_at_full_size leaves it; vectors and factors are random, 4 fits of 64 each, because only
their size matters here. There is nothing to compare with, so these are times of one machine, beside what the
product promises: 700 ms to both lists, 10 s for an upload.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from playwright.sync_api import sync_playwright

from benchmarks.data import Asked
from recsys.artifacts.store import ArtifactSet
from recsys.artifacts.writer import ArtifactWriter
from recsys.listener.matching import Matcher
from recsys.listener.profile import Profile
from recsys.listener.radio import radio
from recsys.listener.recommend import Recommender, Way, compare
from recsys.listener.rerank import Wish
from recsys.listener.uploads import read_upload
from recsys.models.vectors import unit_rows
from tests.e2e.find_chromium import ARGUMENTS, find_chromium
from tests.e2e.server import running_app

# The lists stand in the shadow trees of their components.
_LISTS = """() => {
    const found = [];
    const look = root => root.querySelectorAll("*").forEach(each => {
        if (each.matches("section.first, section.second")) found.push(each.innerText);
        if (each.shadowRoot) look(each.shadowRoot);
    });
    look(document);
    return found;
}"""
REPLICATES, WIDTH, OWN, N, TIMES = 4, 64, 50, 20, 15
UPLOAD_BYTES = 50 << 20
BOTH: tuple[Way, Way] = ("als_fold_in", "word2vec_mean")


def measure(asked: Asked) -> dict[str, Any]:
    artifacts = _written(asked.folder / "sets")
    rng = np.random.default_rng(1)
    n_items = artifacts.manifest.counts.items
    profiles = [
        Profile.of_plays(
            {int(row): float(rng.integers(1, 99)) for row in rng.choice(n_items, OWN, replace=False)}, n_items
        )
        for _ in range(TIMES)
    ]
    recommender = Recommender(artifacts)

    def both(profile: Profile, **more: Any) -> None:
        compare(artifacts, *(recommender.recommend(profile, way, n=N, **more) for way in BOTH))

    first = _seconds(lambda: both(profiles[0]))
    opened: list[Matcher] = []
    prepared = _seconds(lambda: opened.append(Matcher.of(artifacts)))
    uploads = {
        name: {"megabytes": len(content) >> 20, **_uploaded(opened[0], name, content)}
        for name, content in (
            ("endsong.json", _spotify(artifacts)),
            ("log.jsonl", _listens(artifacts)),
            ("log.csv", _csv(artifacts)),
        )
    }
    return {
        "items": n_items, "replicates": REPLICATES, "width": WIDTH, "profile": OWN, "n": N,
        "s_first_lists_of_a_set": round(first, 2),
        "ms_both_lists_compared": _ms(lambda profile: both(profile), profiles),
        "ms_both_lists_with_a_wish": _ms(
            lambda profile: both(profile, wish=Wish(popularity=-0.4, diversity=0.4)), profiles
        ),
        **{
            f"ms_{way}": _ms(lambda profile, way=way: recommender.recommend(profile, way, n=N), profiles)
            for way in (*BOTH, "als_mean")
        },
        "ms_click_to_both_lists_in_chromium": _drawn(asked.folder / "sets", artifacts),
        "ms_radio_of_30": _ms(lambda profile: radio(recommender, profile, "word2vec", n=30, seed=1), profiles),
        "s_matcher_once_a_set": round(prepared, 2),
        "uploads": uploads,
    }  # fmt: skip


def _written(sets: Path) -> ArtifactSet:
    """sets/full with random vectors of both models and factors of all fits."""
    base = ArtifactSet.open(sets / "full")
    n_items, rng = base.manifest.counts.items, np.random.default_rng(0)
    with ArtifactWriter(sets / "listener") as writer:
        writer.adopt(base)
        for model in base.model_names:
            writer.array(f"{model}/vectors", unit_rows(rng.standard_normal((n_items, REPLICATES * WIDTH), np.float32)))
        factors = rng.standard_normal((REPLICATES, n_items, WIDTH), np.float32) / WIDTH
        writer.array("als/item_factors", factors)
        als = base.manifest.models["als"]
        als = als.model_copy(update={"n_replicates": REPLICATES, "params": {**als.params, "factors": WIDTH}})
        models = {**base.manifest.models, "als": als}
        writer.publish(base.manifest.model_copy(update={"models": models, "files": writer.files}))
    return ArtifactSet.open(sets / "listener")


def _drawn(sets: Path, artifacts: ArtifactSet) -> dict[str, float]:
    """From a click on "Remove" until other lists are drawn; OWN picked items at first, one less each time."""
    rows = np.random.default_rng(3).choice(artifacts.manifest.counts.items, OWN, replace=False)
    own = "".join(f"&own=1*{quote(item_id)}" for item_id in artifacts.catalogue["item_id"].iloc[rows])
    taken = []
    with running_app(sets) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.goto(f"{address}/listener?set=listener&from=items+I+choose{own}")
        page.locator("section.second td.name button").first.wait_for(timeout=120_000)
        for _ in range(TIMES):
            page.wait_for_timeout(500)
            page.locator('[data-testid=stApp][data-test-script-state="notRunning"]').wait_for()
            before = page.evaluate(f"({_LISTS})()")
            start = time.perf_counter()
            page.get_by_role("button", name="Remove").first.click()
            # Both lists come with one message; a model may well answer the same without one item of many.
            page.wait_for_function(
                f"before => ({_LISTS})().some((text, at) => text !== before[at])", arg=before, polling="raf"
            )
            taken.append(1000 * (time.perf_counter() - start))
        browser.close()
    return {"median": round(statistics.median(taken), 1), "most": round(max(taken), 1)}


def _uploaded(matcher: Matcher, name: str, content: bytes) -> dict[str, Any]:
    told: list[int] = []
    start = time.perf_counter()
    history = read_upload(name, content, level="artist", on_bytes=told.append)
    read = time.perf_counter() - start
    matches = matcher.match(history.wanted)
    return {
        "s_read": round(read, 2), "s_matched": round(time.perf_counter() - start - read, 2),
        "items": len(matches), "sure": sum(match.is_sure for match in matches), "progress_told": len(told),
    }  # fmt: skip


def _played(artifacts: ArtifactSet) -> Any:
    """Names without end: of the catalogue, mostly popular ones; a tenth are others, 3,000 of them."""
    names, rng = artifacts.catalogue["name"].tolist(), np.random.default_rng(2)
    while True:
        rows = np.minimum(rng.pareto(0.6, 10_000) * 5, len(names) - 1).astype(int)
        for at, row in enumerate(rows.tolist()):
            yield names[row] if at % 10 else f"Unheard of {row % 3_000}"


def _filled(artifacts: ArtifactSet, line: Callable[[str, int], str], between: str) -> str:
    parts, size = [], 0
    for at, name in enumerate(_played(artifacts)):
        parts.append(line(name, at))
        size += len(parts[-1]) + len(between)
        if size > UPLOAD_BYTES:
            return between.join(parts)
    raise AssertionError


def _spotify(artifacts: ArtifactSet) -> bytes:
    def play(name: str, at: int) -> str:
        return json.dumps(
            {
                "ts": "2024-01-01T00:00:00Z", "username": "me", "platform": "Android OS 9 API 28", "ms_played": 200_000,
                "conn_country": "DE", "ip_addr_decrypted": "192.0.2.1", "user_agent_decrypted": "unknown",
                "master_metadata_track_name": f"Track {at % 999}", "master_metadata_album_artist_name": name,
                "master_metadata_album_album_name": "Album", "spotify_track_uri": f"spotify:track:{at % 9999:022d}",
                "episode_name": None, "episode_show_name": None, "spotify_episode_uri": None, "reason_start": "click",
                "reason_end": "trackdone", "shuffle": False, "skipped": None, "offline": False, "offline_timestamp": 0,
                "incognito_mode": False,
            }
        )  # fmt: skip

    return f"[{_filled(artifacts, play, ', ')}]".encode()


def _listens(artifacts: ArtifactSet) -> bytes:
    def listen(name: str, at: int) -> str:
        metadata = {"artist_name": name, "track_name": f"Track {at % 999}", "release_name": "Album"}
        info = {"duration_ms": 200_000, "media_player": "a player", "submission_client": "a client"}
        return json.dumps({"listened_at": 10**9 + at, "track_metadata": {**metadata, "additional_info": info}})

    return f"{_filled(artifacts, listen, chr(10))}\n".encode()


def _csv(artifacts: ArtifactSet) -> bytes:
    rows = _filled(artifacts, lambda name, at: '"{}",Album,Track {}'.format(name.replace('"', '""'), at % 999), "\n")
    return f"artist,album,track\n{rows}\n".encode()


def _seconds(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def _ms(step: Callable[[Any], object], over: list[Any]) -> dict[str, float]:
    values = [1000 * _seconds(lambda each=each: step(each)) for each in over]
    return {"median": round(statistics.median(values), 1), "most": round(max(values), 1)}
