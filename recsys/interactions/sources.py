"""Known public data sets: where each is published, what it may be used for, and what its files must be."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Source:
    """One published data set.

    name : what it is called on the command line.
    reader : the reader of its format.
    page : where its publishers describe it.
    licence : what it may be used for, in our words, and what to cite.
    address, file_name : what to fetch, and its name in the cache folder.
    n_bytes : about how large it is, for a server that does not say; None if not known.
    member_md5 : member of the archive → MD5, as published.
    counts : rows, listeners and items, as published, for a set without a published digest.
    by_hand : how a person comes by it where no program can; then there is no address.
    """

    name: str
    title: str
    reader: str
    page: str
    licence: str
    address: str = ""
    file_name: str = ""
    n_bytes: int | None = None
    member_md5: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    by_hand: str = ""


_LASTFM_LICENCE = (
    "For non-commercial use, by permission of Last.fm; ask Last.fm before any other use. "
    "Cite: Celma (2010), Music Recommendation and Discovery in the Long Tail, Springer."
)
_SOURCES = (
    Source(
        "lastfm-360k", "Last.fm-360K", "lastfm-360k",
        "http://ocelma.net/MusicRecommendationDataset/lastfm-360K.html", _LASTFM_LICENCE,
        "http://mtg.upf.edu/static/datasets/last.fm/lastfm-dataset-360K.tar.gz", "lastfm-dataset-360K.tar.gz",
        543 << 20,
        member_md5={"usersha1-artmbid-artname-plays.tsv": "be672526eb7c69495c27ad27803148f1"},
    ),
    Source(
        "lastfm-1k", "Last.fm-1K", "lastfm-1k",
        "http://ocelma.net/MusicRecommendationDataset/lastfm-1K.html", _LASTFM_LICENCE,
        "http://mtg.upf.edu/static/datasets/last.fm/lastfm-dataset-1K.tar.gz", "lastfm-dataset-1K.tar.gz",
        642 << 20,
        member_md5={"userid-timestamp-artid-artname-traid-traname.tsv": "64747b21563e3d2aa95751e0ddc46b68"},
    ),
    Source(
        "lastfm-2k", "HetRec 2011 Last.fm-2K", "lastfm-2k",
        "https://grouplens.org/datasets/hetrec-2011/",
        "For non-commercial research. Cite: Cantador, Brusilovsky & Kuflik (2011), 2nd Workshop on Information "
        "Heterogeneity and Fusion in Recommender Systems, RecSys; and Last.fm.",
        "https://files.grouplens.org/datasets/hetrec2011/hetrec2011-lastfm-2k.zip", "hetrec2011-lastfm-2k.zip",
        2_600_000,
        counts={"rows": 92_834, "listeners": 1_892, "items": 17_632},
    ),
    Source(
        "spotify-mpd", "Spotify Million Playlist Dataset", "spotify-mpd",
        "https://www.aicrowd.com/challenges/spotify-million-playlist-dataset-challenge",
        "For non-commercial research, under the terms of the challenge. Cite: Chen, Lamere, Schedl & Zamani (2018), "
        "RecSys Challenge 2018: Automatic Music Playlist Continuation.",
        by_hand="sign in at https://www.aicrowd.com/challenges/spotify-million-playlist-dataset-challenge, download "
        "spotify_million_playlist_dataset.zip there, then: python -m recsys build spotify-mpd "
        "--input spotify_million_playlist_dataset.zip --out artifacts/spotify-mpd",
    ),
    Source(
        "listenbrainz", "ListenBrainz listens", "listenbrainz",
        "https://listenbrainz.org/data/",
        "In the public domain (CC0). Name ListenBrainz, of the MetaBrainz Foundation, and the date of the dump.",
        by_hand="its dumps grow every two weeks, so choose one at https://listenbrainz.org/data/, or export your own "
        "listens on your settings page there, then: python -m recsys build listenbrainz --input FILE "
        "--out artifacts/listenbrainz",
    ),
    Source(
        "spotify-history", "Your own Spotify streaming history", "spotify-history",
        "https://www.spotify.com/account/privacy/",
        "Your own personal data; an artifact set built from it shows what you listen to.",
        by_hand="ask for your extended streaming history at https://www.spotify.com/account/privacy/ and wait for the "
        "mail with the .zip, then: python -m recsys build spotify-history --input my_spotify_data.zip "
        "--out artifacts/spotify-history",
    ),
)  # fmt: skip
SOURCES: dict[str, Source] = {source.name: source for source in _SOURCES}
