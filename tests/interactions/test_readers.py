from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys.errors import InputError, ParameterError
from recsys.interactions.log import Interactions
from recsys.interactions.readers import ReadOptions, read


def lines(log: Interactions) -> list[str]:
    """The queues as text, item ids joined by >."""
    ids = log.catalogue["item_id"].to_numpy(object)
    return [">".join(ids[queue]) for queue in log.queues]


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.fixture
def hetrec(tmp_path: Path) -> Path:
    """A folder in the form of HetRec, with its traps: CRLF beside LF, Latin-1 tags, quotes in names."""
    write(tmp_path / "artists.dat", 'id\tname\turl\tpictureURL\n7\tThe "Best"\tu\tp\n8\tSigur Rós\tu\tp\n9\tNA\tu\tp\n')
    write(tmp_path / "user_artists.dat", "userID\tartistID\tweight\r\n1\t7\t5\r\n1\t8\t2\r\n2\t9\t1\r\n2\t8\t4\r\n")
    write(
        tmp_path / "tags.dat", "tagID\ttagValue\r\n1\trock\r\n2\tchanson fran\xe7aise\r\n3\tpop\r\n".encode("latin-1")
    )
    given = ["1\t8\t3\t1\t1\t2009", "2\t8\t2\t1\t1\t2009", "3\t8\t2\t1\t1\t2009", "4\t8\t1\t1\t1\t2009"]
    header = "userID\tartistID\ttagID\tday\tmonth\tyear\r\n"
    write(tmp_path / "user_taggedartists.dat", header + "".join(f"{row}\r\n" for row in given))
    return tmp_path


def test_lastfm_2k_reads_counts_names_and_tags(hetrec: Path) -> None:
    log = read("lastfm-2k", hetrec)
    items = log.catalogue.set_index("item_id")
    assert items["name"].to_dict() == {"7": 'The "Best"', "8": "Sigur Rós", "9": "NA"}
    assert items.loc["8", "tags"] == ["chanson française", "rock", "pop"]  # used twice, then by tag id
    assert items.loc["7", "tags"] == []
    assert items["plays"].to_dict() == {"7": 5, "8": 6, "9": 1}
    assert lines(log) == ["7>8", "8>9"]
    assert "user_artists.dat has 4 rows; the published file has 92,834" in log.report.notes


@pytest.mark.parametrize("name", ["artists.dat", "user_artists.dat", "tags.dat", "user_taggedartists.dat"])
@pytest.mark.parametrize("cut", [0, 1, -1, -2, -4])
def test_lastfm_2k_cut_anywhere_inside_a_line_is_refused(hetrec: Path, name: str, cut: int) -> None:
    content = (hetrec / name).read_bytes()
    write(hetrec / name, content[:cut])
    with pytest.raises(InputError, match=name):
        read("lastfm-2k", hetrec)


def test_lastfm_2k_without_an_artist_that_was_played_is_refused(hetrec: Path) -> None:
    content = (hetrec / "artists.dat").read_bytes()
    write(hetrec / "artists.dat", content[: content.index(b"9\tNA")])
    with pytest.raises(InputError, match=r"user_artists.dat, line 4, column artistID: artist '9'.*incomplete"):
        read("lastfm-2k", hetrec)


def test_lastfm_2k_without_tag_files_says_so(hetrec: Path) -> None:
    (hetrec / "tags.dat").unlink()
    assert any("items have no tags" in note for note in read("lastfm-2k", hetrec).report.notes)


def test_events_are_cut_into_sessions(tmp_path: Path) -> None:
    file = write(
        tmp_path / "log.csv",
        "timestamp,user,item,name\n"
        "2024-01-01T10:00:00Z,u1,a,Alpha\n2024-01-01T10:20:00Z,u1,b,Beta\n2024-01-01T11:00:00Z,u1,a,Alpha\n"
        "2024-01-01T09:00:00Z,u2,b,Beta\n",
    )
    log = read("events", file)
    assert lines(log) == ["a>b", "a", "b"]
    assert log.user_items.toarray().tolist() == [[1, 2], [1, 0]]  # b has two listeners, so it comes first
    assert log.catalogue["name"].tolist() == ["Beta", "Alpha"]
    assert lines(read("events", file, ReadOptions(session_gap_minutes=50))) == ["a>b>a", "b"]


@pytest.mark.parametrize(
    "times",
    [
        ("1704103200", "1704104400"),
        ("1704103200000", "1704104400000"),
        ("2024-01-01 11:00:00+01:00", "2024-01-01T10:20"),
    ],
)
def test_times_may_be_seconds_milliseconds_or_iso(tmp_path: Path, times: tuple[str, str]) -> None:
    file = write(tmp_path / "log.tsv", f"user\titem\ttimestamp\nu\tb\t{times[1]}\nu\ta\t{times[0]}\n")
    assert lines(read("events", file)) == ["a>b"]


def test_events_without_times_weigh_by_plays(tmp_path: Path) -> None:
    log = read("events", write(tmp_path / "log.csv", "user,item,plays\nu,a,2\nu,b,7\nu,a,1\n"))
    assert log.catalogue.set_index("item_id")["plays"].to_dict() == {"a": 3, "b": 7}
    assert lines(log) == ["b>a"]
    assert not log.queues.ordered


def test_csv_fields_may_be_quoted_and_tsv_fields_hold_quotes(tmp_path: Path) -> None:
    csv = write(tmp_path / "log.csv", 'user,item,name\nu,a,"Tyler, The ""Creator"""\nu,b,B\n')
    tsv = write(tmp_path / "log.tsv", 'user\titem\tname\nu\ta\tTyler, The "Creator"\nu\tb\tB\n')
    for file in (csv, tsv):
        assert 'Tyler, The "Creator"' in read("events", file).catalogue["name"].tolist()


def test_names_that_look_like_nothing_are_names(tmp_path: Path) -> None:
    file = write(tmp_path / "log.csv", "user,item\nu,NA\nu,null\nu,None\nu,nan\nv,NaN\n")
    assert set(read("events", file).catalogue["item_id"]) == {"NA", "null", "None", "nan", "NaN"}


def test_bad_rows_are_counted_by_kind_with_line_numbers(tmp_path: Path) -> None:
    good = "".join(f"u{k},i{k % 7},1\n" for k in range(100))
    bad = "u,,1\n,i,1\nu,i,many\nu,i,-3\nu,i\nu,i,1,extra\n"
    log = read("events", write(tmp_path / "log.csv", "user,item,plays\n" + good + "\n" + bad))
    assert dict(log.report.bad) == {
        "empty item": 1,
        "empty user": 1,
        "play count that is not a number": 1,
        "play count of zero or less": 1,
        "2 fields instead of 3": 1,
        "4 fields instead of 3": 1,
    }
    assert log.report.rows == 106
    assert log.report.examples["empty user"][0].startswith("log.csv, line 104")  # header, 100 rows, a blank line, …


def test_unreadable_bytes_are_counted_where_they_stand(tmp_path: Path) -> None:
    rows = [b"user,item,name"] + [b"u%d,i%d,n" % (k, k % 5) for k in range(60)]
    rows[7] = b"u,i,caf\xe9"
    rows[11] = b"u,i,\0"
    rows[13] = b'u,i,"open'
    rows[17] = b"u,i,a\rb"
    log = read("events", write(tmp_path / "log.csv", b"\n".join(rows) + b"\n"))
    assert log.report.rows == 60
    assert dict(log.report.bad) == {
        "not UTF-8": 1, "NUL byte": 1, "quote that is not closed on its line": 1, "carriage return inside a line": 1,
    }  # fmt: skip
    assert "line 8:" in log.report.examples["not UTF-8"][0]


def test_a_byte_order_mark_inside_a_file_is_text_whatever_else_is_wrong(tmp_path: Path) -> None:
    marked = b"user,item\n\xef\xbb\xbfu,a\nu,b\n"
    for after in (b"", b"u,caf\xe9\n"):
        assert read("events", write(tmp_path / "log.csv", marked + after), ReadOptions(max_bad_share=0.5)).n_users == 2
    # Found by fuzzing: the only line that is text is a mark.
    file = write(tmp_path / "log.csv", b"user,item\nu,caf\xe9\n\xef\xbb\xbf\n")
    with pytest.raises(InputError, match=r"no usable row.*1 × not UTF-8.*1 × 1 fields instead of 2"):
        read("events", file, ReadOptions(max_bad_share=1))


def test_mostly_bad_rows_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "log.csv", "user,item,plays\nu,a,1\nu,b,x\nu,c,2\n")
    with pytest.raises(InputError, match="1 of 3 rows cannot be used.*allowed 10%.*not a number"):
        read("events", file)
    assert read("events", file, ReadOptions(max_bad_share=0.5)).n_items == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n\n  \n", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "NUL bytes; it looks binary"),
        ("user,item\n".encode("utf-16"), "is UTF-16"),
        (b"user;item\nu;a\n", "no column user or item.*--delimiter semicolon"),
        (b"user\titem\nu\ta\n", "--delimiter tab"),
        (b"who,what\nu,a\n", r"no column user or item; its columns are \['who', 'what'\]"),
        (b"user,item,item\nu,a,b\n", r"names a column twice: \['item'\]"),
        (b"user,item,plays\nu,a,1\nu,b", "line 3: the last line is incomplete.*was cut"),
        (b"user,item\n", "no usable row"),
    ],
)
def test_what_is_no_event_table_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read("events", write(tmp_path / "log.csv", content))


@pytest.mark.parametrize("header", [f"user,item,{'A' * 5_000},{'A' * 5_000}", "item," + "A" * 5_000, "user,item"])
def test_a_header_of_long_names_is_refused_in_few_words(tmp_path: Path, header: str) -> None:
    """The first found by fuzzing: two joined lines, in which a word of 5,000 letters stood twice."""
    write(tmp_path / "log.items.csv", f"{'A' * 5_000},{'A' * 5_000}\n")
    with pytest.raises(InputError) as said:
        read("events", write(tmp_path / "log.csv", f"{header}\nu,a\n"))
    assert len(str(said.value)) < 300 + len(str(tmp_path))


def test_another_delimiter_can_be_named(tmp_path: Path) -> None:
    file = write(tmp_path / "log.csv", "user;item\nu;a\nu;b\n")
    assert read("events", file, ReadOptions(delimiter=";")).n_items == 2


def test_parquet_reads_like_csv(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "user": [1, 1, 2], "item": ["b", "a", "a"], "other": [0.5, 0.5, 0.5],
            "timestamp": pd.to_datetime(["2024-01-01T10:05", "2024-01-01T10:00", "2024-01-02T10:00"], utc=True),
        }
    )  # fmt: skip
    table.to_parquet(tmp_path / "log.parquet")
    assert lines(read("events", tmp_path / "log.parquet")) == ["a>b", "a"]


def test_truncated_parquet_is_refused(tmp_path: Path, small_log: Path) -> None:
    pd.DataFrame({"user": ["u"] * 50, "item": list("ab") * 25}).to_parquet(tmp_path / "log.parquet")
    content = (tmp_path / "log.parquet").read_bytes()
    write(tmp_path / "log.parquet", content[: len(content) // 2])
    with pytest.raises(InputError, match="not a whole Parquet file"):
        read("events", tmp_path / "log.parquet")


def test_items_beside_the_log_are_described(tmp_path: Path) -> None:
    file = write(tmp_path / "log.csv", "user,item\nu,a\nu,b\n")
    write(tmp_path / "log.items.csv", 'item,name,tags,decade\nb,"Beta, B.",rock|pop,1990\n')
    write(tmp_path / "log.source.json", '{"title": "mine", "simulated": true}')
    log = read("events", file)
    beta = log.catalogue.set_index("item_id").loc["b"]
    assert (beta["name"], beta["tags"], beta["decade"]) == ("Beta, B.", ["rock", "pop"], 1990)
    assert log.catalogue.set_index("item_id").loc["a", "name"] == "a"
    assert (log.report.title, log.report.simulated) == ("mine", True)


def test_a_log_goes_by_its_data_sets_name_or_else_by_its_files(tmp_path: Path) -> None:
    path = tmp_path / "my {plays}.2024.csv"
    path.write_text("user,item\nann,a\n")
    assert read("events", path).report.title == "my {plays}"
    path.write_text("ann\t2009-05-04T23:08:57Z\t\tBeck\t\tLoser\n")
    assert read("lastfm-1k", path, ReadOptions(level="track")).report.title == "Last.fm-1K, tracks"


@pytest.mark.parametrize(
    ("text", "queues"),
    [
        ("a b c\nb a\n", ["a>b>c", "b>a"]),
        ("a,b c,a\n\nb c,a\n", ["a>b c>a", "b c>a"]),
        ("a, x\tb\r\nb\ta, x\r\n", ["a, x>b", "b>a, x"]),
        ("\ufeffa b\nb a", ["a>b", "b>a"]),
    ],
)
def test_queues_are_kept_in_order(tmp_path: Path, text: str, queues: list[str]) -> None:
    log = read("queues", write(tmp_path / "queues.txt", text))
    assert lines(log) == queues
    assert log.queues.ordered
    assert log.n_users == len(queues)


def test_queues_with_another_delimiter_are_not_taken_for_long_names(tmp_path: Path) -> None:
    file = write(tmp_path / "queues.txt", "a;b;c\nb;a\n")
    with pytest.raises(InputError, match="looks separated by semicolon: pass --delimiter semicolon"):
        read("queues", file)


def test_unknown_reader_and_missing_input_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        ParameterError, match="no reader 'spotify'; choose one of lastfm-2k, lastfm-360k, lastfm-1k, listenbrainz"
    ):
        read("spotify", tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        read("events", tmp_path / "gone.csv")


def test_lastfm_2k_has_its_published_size(real_data: Path) -> None:
    log = read("lastfm-2k", real_data / "hetrec2011-lastfm-2k")
    assert (log.n_users, log.n_items, log.user_items.nnz) == (1_892, 17_632, 92_834)
    assert not log.report.bad
    assert np.count_nonzero(log.catalogue["listeners"] == 1) / log.n_items == pytest.approx(0.61, abs=0.005)
    assert sum('"' in name for name in log.catalogue["name"]) == 16
    assert log.with_min_listeners(5).n_items == 2_828


def test_one_odd_time_costs_one_row_not_the_block(tmp_path: Path) -> None:
    rows = "".join(f"u{k},i{k % 9},2024-01-01T00:{k:02d}:00Z\n" for k in range(50))
    log = read("events", write(tmp_path / "log.csv", f"user,item,timestamp\n{rows}u,i,inf\nu,i,1704067200\n"))
    assert dict(log.report.bad) == {"time that cannot be read": 1}
    assert "line 52" in log.report.examples["time that cannot be read"][0]


def test_dates_without_dashes_are_dates(tmp_path: Path) -> None:
    rows = "u,a,20240101\nu,b,20240220\nv,b,20241399\n"
    file = write(tmp_path / "log.csv", f"user,item,timestamp\n{rows}")
    log = read("events", file, ReadOptions(max_bad_share=0.5))
    assert dict(log.report.bad) == {"time that cannot be read": 1}
    assert lines(log) == ["a", "b"]


def test_tied_times_do_not_look_across_listeners(tmp_path: Path) -> None:
    rows = [f"{user},{item},2024-01-0{day}" for user, day in (("a", 3), ("b", 2), ("c", 1)) for item in ("x", "y", "z")]
    log = read("events", write(tmp_path / "log.csv", "user,item,timestamp\n" + "\n".join(rows) + "\n"))
    assert lines(log) == ["x>y>z"] * 3


def test_sets_of_equal_counts_go_by_item_row(tmp_path: Path) -> None:
    log = read("events", write(tmp_path / "log.csv", "user,item\na,z\na,y\na,x\nb,x\nb,y\nc,x\n"))
    assert lines(log) == ["x>y>z", "x>y", "x"]


def test_a_later_name_is_taken_when_the_first_row_has_none(tmp_path: Path) -> None:
    log = read("events", write(tmp_path / "log.csv", "user,item,name\na,x,\nb,x,Foo\nb,x,Bar\na,y, \n"))
    assert log.catalogue.set_index("item_id")["name"].to_dict() == {"x": "Foo", "y": "y"}


def test_a_folder_is_read_whole_with_what_describes_each_file(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "user,item\nu,x\nv,x\n")
    write(tmp_path / "B.CSV", "user,item\nu,y\nv,y\n")
    write(tmp_path / "a.items.csv", "item,name,tags\nx,X,rock\n")
    write(tmp_path / "B.items.csv", "item,name,tags\ny,,jazz\n")
    write(tmp_path / "a.source.json", '{"title": "made up", "simulated": true}')
    write(tmp_path / "B.source.json", '{"title": "real"}')
    write(tmp_path / "notes.txt", "hello")
    log = read("events", tmp_path)
    items = log.catalogue.set_index("item_id")
    assert items["tags"].to_dict() == {"x": ["rock"], "y": ["jazz"]}
    assert items["name"].to_dict() == {"x": "X", "y": "y"}
    assert log.report.simulated, "one simulated file makes the whole log simulated"
    assert any("notes.txt" in note for note in log.report.notes)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.items.csv", "item,name,name\nx,q,r\n"), ("log.items.csv", "name\nx\n"), ("log.source.json", "[]"),
        ("log.source.json", "[" * 100_000), ("log.source.json", "{"),
    ],
)  # fmt: skip
def test_a_damaged_description_is_named(tmp_path: Path, name: str, content: str) -> None:
    write(tmp_path / name, content)
    with pytest.raises(InputError, match=name):
        read("events", write(tmp_path / "log.csv", "user,item\nu,a\nu,b\n"))


def test_a_description_without_rows_or_with_our_own_columns_changes_nothing(tmp_path: Path) -> None:
    file = write(tmp_path / "log.csv", "user,item\nu,a\nv,a\nu,b\n")
    write(tmp_path / "log.items.csv", "item,name\n")
    assert read("events", file).catalogue["name"].tolist() == ["a", "b"]
    write(tmp_path / "log.items.csv", "item,listeners,plays\na,99,99\n")
    assert read("events", file).catalogue["listeners"].tolist() == [2, 1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Daft Punk;ABBA\nABBA;Daft Punk\n", "looks separated by semicolon"),
        ("Earth, Wind & Fire|ABBA\nABBA|Queen\n", "looks separated by pipe"),
        ('["a", "b"]\n["b"]\n', "looks like JSON"),
        ("user,item\nu,a\n", "use the reader events"),
        ("a b\rb c\r", "line ends of old Macs"),
    ],
)
def test_what_is_no_queue_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read("queues", write(tmp_path / "queues.txt", text))


def test_a_comma_now_and_then_is_part_of_a_name(tmp_path: Path) -> None:
    assert lines(read("queues", write(tmp_path / "q.txt", "a b c\nd, e f\na b\nf a\n")))[1] == "d,>e>f"


def test_queues_without_a_last_line_end_are_noted(tmp_path: Path) -> None:
    assert any("no line end" in n for n in read("queues", write(tmp_path / "q.txt", "a b\nb c\nc Radioh")).report.notes)


def test_lastfm_2k_blames_the_file_that_is_wrong(hetrec: Path) -> None:
    content = (hetrec / "artists.dat").read_bytes().replace("Sigur Rós".encode(), b"Sigur R\xf3s")
    rows = b"".join(b"%d\tx\tu\tp\n" % n for n in range(100, 130))
    write(hetrec / "artists.dat", content + rows)
    with pytest.raises(InputError, match=r"artist '8' is not among.*not UTF-8.*artists.dat, line 3"):
        read("lastfm-2k", hetrec)


def test_lastfm_2k_counts_bad_rows_of_plays_alone_as_bad_plays(hetrec: Path) -> None:
    with (hetrec / "artists.dat").open("ab") as stream:
        stream.write(b"".join(b"%d\tx\tu\tp\n" % n for n in range(100, 130)) + b"200\tb\xff\tu\tp\n")
    report = read("lastfm-2k", hetrec).report
    assert (report.rows, report.bad.total()) == (4, 0)
    assert any("artists.dat" in note and "not UTF-8" in note for note in report.notes)


def test_lastfm_2k_with_tags_that_have_no_names_is_refused(hetrec: Path) -> None:
    write(hetrec / "tags.dat", "tagID\ttagValue\r\n9\tother\r\n")
    with pytest.raises(InputError, match="4 of 4 tag assignments name a tag that is not in tags.dat"):
        read("lastfm-2k", hetrec)


def test_lastfm_2k_adds_up_repeated_rows_and_says_so(hetrec: Path) -> None:
    with (hetrec / "user_artists.dat").open("ab") as stream:
        stream.write(b"1\t7\t5\r\n")
    log = read("lastfm-2k", hetrec)
    assert log.catalogue.set_index("item_id").loc["7", "plays"] == 10
    assert any("1 row of a listener and artist named before" in note for note in log.report.notes)


@pytest.mark.parametrize("kind", ["nanoseconds", "latin-1"])
def test_parquet_columns_that_are_not_plain(tmp_path: Path, kind: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "log.parquet"
    if kind == "nanoseconds":
        times = pa.array([1704067200123456789, 1704067260000000001], pa.timestamp("ns", "UTC"))
        pq.write_table(pa.table({"user": ["u", "u"], "item": ["a", "b"], "timestamp": times}), path)
        assert lines(read("events", path)) == ["a>b"]
    else:
        names = pa.array([b"caf\xe9", b"x"], pa.binary()).view(pa.string())
        pq.write_table(pa.table({"user": ["u", "u"], "item": names}), path)
        with pytest.raises(InputError, match="column item"):
            read("events", path)


SHA = "00000c289a1829a808ac09c00daf10bc3c4e223b"


def test_lastfm_360k_takes_the_mbid_for_the_artist_and_folds_names_without(tmp_path: Path) -> None:
    rows = [
        f"{SHA}\tm1\tBjörk\t5", f"{SHA}\t\tSigur Rós\t2", f"{SHA}\t\tSIGUR  RÓS\t4",
        'other\tm1\tBjork\t7', 'other\t\tThe "Band"\t1', "other\tm2\tNA\t1",
    ]  # fmt: skip
    file = write(tmp_path / "usersha1-artmbid-artname-plays.tsv", "\n".join(rows) + "\n")
    log = read("lastfm-360k", file)
    items = log.catalogue.set_index("item_id")
    assert items["plays"].to_dict() == {"m1": 12, "sigur rós": 6, 'the "band"': 1, "m2": 1}
    assert items["name"].to_dict() == {"m1": "Björk", "sigur rós": "Sigur Rós", 'the "band"': 'The "Band"', "m2": "NA"}
    assert any("3 spellings of names without MBID are 2 items" in note for note in log.report.notes)
    assert not log.queues.ordered
    apart = read("lastfm-360k", file, ReadOptions(merge_spellings=False))
    assert set(apart.catalogue["item_id"]) == {"Björk", "Bjork", "Sigur Rós", "SIGUR  RÓS", 'The "Band"', "NA"}


def test_lastfm_360k_reads_from_the_archive_it_comes_in(tmp_path: Path) -> None:
    from recsys.interactions.simulate import Simulation
    from recsys.interactions.writers import write as simulate
    from tests.interactions.test_inputs import as_tar

    path = tmp_path / "usersha1-artmbid-artname-plays.tsv"
    rows = simulate(Simulation(120, seed=1), path, "lastfm-360k")
    plain = read("lastfm-360k", path)
    (tmp_path / "lastfm-dataset-360K.tar.gz").write_bytes(as_tar(path.name, path.read_bytes()))
    packed = read("lastfm-360k", tmp_path / "lastfm-dataset-360K.tar.gz")
    assert plain.report.rows == packed.report.rows == rows == plain.user_items.nnz
    assert (plain.user_items != packed.user_items).nnz == 0


def test_lastfm_1k_reads_artists_or_tracks(tmp_path: Path) -> None:
    rows = [
        "u\t2009-05-04T13:10:00Z\ta1\tArtist\tt2\tSecond", "u\t2009-05-04T13:05:00Z\ta1\tArtist\t\tFirst",
        "u\t2009-05-04T12:00:00Z\t\tOther\t\tAlone", "v\t2009-05-04T12:00:00Z\ta1\tArtist\tt2\tSecond",
    ]  # fmt: skip
    file = write(tmp_path / "log.tsv", "\n".join(rows) + "\n")
    assert lines(read("lastfm-1k", file)) == ["other", "a1>a1", "a1"]
    tracks = read("lastfm-1k", file, ReadOptions(level="track"))
    assert lines(tracks) == ["other – alone", "artist – first>t2", "t2"]
    assert tracks.catalogue.set_index("item_id").loc["t2", "name"] == "Artist – Second"


def test_lastfm_1k_excerpt_has_its_rows(real_data: Path) -> None:
    log = read("lastfm-1k", real_data / "lastfm-1k-excerpt")
    assert (log.report.rows, log.report.bad.total(), log.n_users) == (5_000, 0, 2)
    assert log.catalogue["plays"].sum() == 5_000
    assert log.queues.ordered
    assert "坂本龍一" in log.catalogue["name"].tolist()


def test_blank_lines_and_plays_in_the_future_stand_in_the_report(tmp_path: Path) -> None:
    file = write(
        tmp_path / "log.csv", "user,item,timestamp\nu,a,1500000000\n\n\nu,b,4000000000\n   \nv,a,1500000001\n\n"
    )
    log = read("events", file, ReadOptions(max_bad_share=0.5))
    assert (log.report.rows, log.report.blank_lines) == (4, 3)
    assert log.report.bad == {"1 fields instead of 3": 1}
    assert "1 play from the future" in log.report.notes[0]
    assert log.report.as_json()["notes"][-1] == "3 blank lines"
