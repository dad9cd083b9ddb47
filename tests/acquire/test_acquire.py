import json
import os
import re
from dataclasses import asdict
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from syco_data import schemas, settings, tables
from syco_data.acquire import acquire, examination, provenance
from syco_data.errors import SycoError
from syco_data.formats import listing
from syco_data.formats.parquet import Limits
from syco_data.sources import SOURCES
from tests.support import repositories

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("SYCO_SHARED", ROOT / "../shared"))
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
TREC, SST2, SNLI, QQP = (SOURCES[key] for key in ("trec", "sst2", "snli", "qqp"))
TREC_FOLDER = "sources/CogComp__trec"
COMMIT, OTHER_COMMIT = "1f" * 20, "2e" * 20


def given(origin="directory", directory=None, **sources):
    """Settings of a build from one origin; further keywords set the revision of a source."""
    values = json.loads(json.dumps(PARAMS))
    values["acquire"] |= {"origin": origin, "directory": None if directory is None else str(directory)}
    for key, revision in sources.items():
        values["sources"][key]["revision"] = revision
    return settings.parse(values)


def written(source, params, folder):
    acquire.write(acquire.acquire(source, params), folder)
    return tables.read(folder / "rows.parquet", schemas.raw(source)), provenance.read(folder / "provenance.json")


def refused(source, root):
    """The one line that a source is refused with; it must name the source and the command that shows more."""
    with pytest.raises(SycoError) as caught:
        acquire.acquire(source, given(directory=root))
    line = str(caught.value)
    assert "\n" not in line and line.startswith(f"source '{source.key}': ")
    assert f"python -m syco_data sources check {source.key}" in line and "Nothing was written" in line
    return line


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_every_synthetic_source_has_its_splits_columns_and_a_record(source, tmp_path):
    rows, record = written(source, given("synthetic"), tmp_path / source.key)
    sizes = PARAMS["acquire"]["synthetic_rows"]
    assert dict(rows["split"].value_counts().iter_rows()) == {
        source.train: sizes["train"],
        source.held_out: sizes["held_out"],
    }
    for _, part in rows.group_by("split"):
        assert part["row"].to_list() == list(range(len(part)))
    assert set(rows["label"].unique()) - {-1} == set(range(len(source.labels)))
    assert [(count.split, count.rows) for count in record.splits] == [
        (source.train, sizes["train"]), (source.held_out, sizes["held_out"]),
    ]  # fmt: skip
    assert (record.origin, record.licence, record.revision) == ("synthetic", "apache-2.0", None)
    assert record.content_digest == tables.digest(tmp_path / source.key / "rows.parquet")


def test_the_same_settings_give_the_same_bytes_and_no_clock_or_path(tmp_path):
    for run in ("one", "two"):
        written(SNLI, given("synthetic"), tmp_path / run)
    for name in ("rows.parquet", "provenance.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["provenance.json", "rows.parquet"]
    text = (tmp_path / "one" / "provenance.json").read_text(encoding="utf-8")
    assert str(tmp_path) not in text and not re.search(r"\d\d:\d\d|20\d\d-\d\d", text)


LAYOUTS = (
    "{config}/{split}.parquet", "data/{split}-00000-of-00001.parquet", "{config}/{split}/0000.parquet",
    "plain_text/{split}-{index:05}-of-{count:05}.parquet", "{config}/{split}/{index:04}.parquet", "{split}.parquet",
)  # fmt: skip


@pytest.mark.parametrize("pattern", LAYOUTS)
def test_the_layout_of_a_repository_changes_no_row(pattern, tmp_path):
    rows, record = written(SNLI, given(directory=repositories.root_with(tmp_path, SNLI, pattern)), tmp_path / "raw")
    expected = [repositories.upstream_rows(SNLI, split, count) for split, count in repositories.splits(SNLI).items()]
    for (split, count), part in zip(repositories.splits(SNLI).items(), expected, strict=True):
        result = rows.filter(pl.col("split") == split)
        assert result["row"].to_list() == list(range(count))
        assert result.select("premise", "hypothesis", "label").equals(part.select("premise", "hypothesis", "label"))
    assert record.label_names == ("entailment", "neutral", "contradiction")
    assert sum(count.unlabelled for count in record.splits) == (rows["label"] == -1).sum()


def test_label_column_and_text_order_come_from_the_record(tmp_path):
    rows, _ = written(TREC, given(directory=repositories.root_with(tmp_path, TREC)), tmp_path / "raw")
    assert rows.columns == ["split", "row", "text", "label"]
    qnli = SOURCES["qnli"]
    rows, _ = written(qnli, given(directory=repositories.root_with(tmp_path, qnli)), tmp_path / "raw")
    assert rows.columns == ["split", "row", "sentence", "question", "label"]


@pytest.mark.parametrize("several", [False, True])
def test_a_card_names_labels_where_the_files_do_not(several, tmp_path):
    root = repositories.root_with(tmp_path, QQP, named=False)
    text = repositories.card(QQP, repositories.names_of(QQP), several)
    (root / "nyu-mll__glue/README.md").write_text(text, encoding="utf-8")
    _, record = written(QQP, given(directory=root), tmp_path / "raw")
    assert record.label_names == ("not_duplicate", "duplicate")


def test_every_accepted_spelling_is_taken(tmp_path):
    offensive = SOURCES["tweet_offensive"]
    root = repositories.root_with(tmp_path, offensive)
    for split, count in repositories.splits(offensive).items():
        table = repositories.split_table(offensive, split, count, ["not-offensive", "offensive"])
        repositories.save(root / f"cardiffnlp__tweet_eval/offensive/{split}.parquet", table)
    _, record = written(offensive, given(directory=root), tmp_path / "raw")
    assert record.label_names == ("not-offensive", "offensive")


def test_names_in_another_order_stop_the_build(tmp_path):
    root = repositories.root_with(tmp_path, TREC)
    table = repositories.split_table(TREC, "train", 40, ["DESC", "ENTY", "ABBR", "HUM", "LOC", "NUM"])
    repositories.save(tmp_path / TREC_FOLDER / "default/train.parquet", table)
    line = refused(TREC, root)
    assert "label names differ in default/train.parquet" in line
    assert "found: DESC, ENTY, ABBR, HUM, LOC, NUM; expected: ABBR, ENTY, DESC, HUM, LOC, NUM" in line


@pytest.mark.parametrize("names", [["ABBR"], ["ABBR", "ENTY", "DESC", "HUM", "LOC", "NUM", "MORE"], []])
def test_more_or_fewer_labels_stop_the_build(names, tmp_path):
    root = repositories.root_with(tmp_path, TREC)
    table = repositories.split_table(TREC, "test", 10, names)
    repositories.save(tmp_path / TREC_FOLDER / "default/test.parquet", table)
    assert "label names differ in default/test.parquet" in refused(TREC, root)


def test_a_card_that_contradicts_the_files_stops_the_build(tmp_path):
    root = repositories.root_with(tmp_path, SST2)
    text = repositories.card(SST2, ["positive", "negative"])
    (root / "stanfordnlp__sst2/README.md").write_text(text, encoding="utf-8")
    assert "label names differ in README.md (found: positive, negative" in refused(SST2, root)


def test_labels_that_nobody_names_stop_the_build(tmp_path):
    root = repositories.root_with(tmp_path, SST2, named=False)
    assert "upstream names no labels for column 'label' (found: neither `huggingface` metadata" in refused(SST2, root)


@pytest.mark.parametrize("text", ["", "# no front matter\n", "---\n[broken: {\n---\n", "---\ndataset_info: 3\n---\n"])
def test_a_card_that_says_nothing_of_labels_is_not_an_answer(text, tmp_path):
    root = repositories.root_with(tmp_path, SST2, named=False)
    (root / "stanfordnlp__sst2/README.md").write_text(text, encoding="utf-8")
    assert "upstream names no labels" in refused(SST2, root)


def changed(table, column, values):
    """The table with one column replaced, and its metadata kept."""
    position = table.schema.get_field_index(column)
    return table.set_column(position, column, values).replace_schema_metadata(table.schema.metadata)


TEXTS, NUMBERS = pa.array(["a question"] * 40), pa.array([0] * 40)
BROKEN_COLUMNS = {
    "a missing text column": (lambda t: t.drop(["text"]), "column 'text' is missing .found: columns idx, coarse_label"),
    "a missing label column": (lambda t: t.drop(["coarse_label"]), "column 'coarse_label' is missing"),
    "text that is not text": (lambda t: changed(t, "text", NUMBERS), "'text' has the wrong type .found: int64"),
    "labels as text": (lambda t: changed(t, "coarse_label", TEXTS), "'coarse_label' has the wrong type .found: string"),
    "labels as fractions": (
        lambda t: changed(t, "coarse_label", pa.array([0.0] * 40)),
        "'coarse_label' has the wrong type .found: double; expected: whole numbers",
    ),
    "an unknown label id": (
        lambda t: changed(t, "coarse_label", pa.array([0] * 38 + [6, -2])),
        "unknown label id .found: -2, 6 in 2 rows, the first in row 38; expected: 0 to 5, or -1 for unlabelled",
    ),
    "a null text": (
        lambda t: changed(t, "text", pa.array(["a"] * 7 + [None] * 33)),
        "column 'text' holds nulls .found: 33 nulls, the first in row 7",
    ),
    "a null label": (
        lambda t: changed(t, "coarse_label", pa.array([1, None] * 20)),
        "column 'label' holds nulls .found: 20 nulls, the first in row 1",
    ),
    "no row": (lambda t: t.slice(0, 0), "split 'train' is empty .found: 0 rows"),
    "no label at all": (
        lambda t: changed(t, "coarse_label", pa.array([-1] * 40)),
        "split 'train' has no labels .found: -1 in every row",
    ),
    "text that is not UTF-8": (
        lambda t: changed(t, "text", pa.array([b"\xff\xfe"] * 40, pa.binary()).view(pa.string())),
        "cannot be read .found: .*UTF8",
    ),
}


@pytest.mark.parametrize(("breaking", "message"), BROKEN_COLUMNS.values(), ids=BROKEN_COLUMNS)
def test_rows_that_are_not_the_records_stop_the_build(breaking, message, tmp_path):
    root = repositories.root_with(tmp_path, TREC)
    path = tmp_path / TREC_FOLDER / "default/train.parquet"
    repositories.save(path, breaking(pq.read_table(path)))
    assert re.search(message, refused(TREC, root))


BROKEN_FILES = {
    "empty": (lambda whole: b"", "does not end as a whole Parquet file"),
    "truncated": (lambda whole: whole[: len(whole) // 2], "does not end as a whole Parquet file"),
    "without its head": (lambda whole: b"\0" * 200 + whole[200:], "cannot be read"),
    "no Parquet": (lambda whole: b"text,label\nhello,1\n" * 20, "does not end as a whole Parquet file"),
    "a Git LFS pointer": (
        lambda whole: b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
        "found: is a pointer of Git LFS, not the file itself. git lfs pull; expected: a whole",
    ),
}


@pytest.mark.parametrize(("breaking", "message"), BROKEN_FILES.values(), ids=BROKEN_FILES)
def test_broken_files_stop_the_build_and_leave_no_output(breaking, message, tmp_path):
    root = repositories.root_with(tmp_path, TREC)
    path = tmp_path / TREC_FOLDER / "default/test.parquet"
    path.write_bytes(breaking(path.read_bytes()))
    line = refused(TREC, root)
    assert "default/test.parquet cannot be read" in line and re.search(message, line)


def test_texts_that_are_kept_as_categories_are_texts(tmp_path):
    """What pandas writes of a categorical column."""
    root = repositories.root_with(tmp_path, TREC)
    path = tmp_path / TREC_FOLDER / "default/train.parquet"
    before, table = acquire.acquire(TREC, given(directory=root)).rows, pq.read_table(path)
    repositories.save(path, changed(table, "text", table["text"].dictionary_encode()))
    assert pa.types.is_dictionary(pq.read_schema(path).field("text").type)
    assert acquire.acquire(TREC, given(directory=root)).rows.equals(before)


def test_many_columns_and_deep_folders_are_one_short_line(tmp_path):
    deep = tmp_path / "/".join(f"folder-{number:04}" for number in range(30))
    deep.mkdir(parents=True)
    root = repositories.root_with(deep, TREC)
    path = deep / TREC_FOLDER / "default/train.parquet"
    path.write_bytes(path.read_bytes()[:-5])
    assert len(refused(TREC, root)) < 300
    repositories.save(path, pa.table({f"{number}{'c' * 500}": [1] for number in range(50)}))
    assert len(refused(TREC, root)) < 300


def test_many_shards_and_folders_are_one_short_line(tmp_path):
    root = repositories.root_with(tmp_path, TREC)
    folder = tmp_path / TREC_FOLDER / "default"
    for number in range(40):
        (folder / f"train-{number:05}-of-00050.parquet").touch()
        (root / f"sources-of-another-kind__{number}{'x' * 200}").mkdir()
    line = refused(TREC, root)
    assert "two versions of split 'train' (found: " in line and " more; expected" in line and len(line) < 300
    (folder / "train.parquet").unlink()
    line = refused(TREC, root)
    assert "shard 40 is missing (found: " in line and " more; expected" in line and len(line) < 300
    with pytest.raises(SycoError, match=r"found: CogComp__trec, \.\.\..* and 39 more") as missing:
        acquire.acquire(SST2, given(directory=root))
    assert len(str(missing.value)) < 500  # the place of the folder stands in it twice


def test_every_flipped_byte_of_a_footer_is_one_line_or_the_same_rows(tmp_path):
    """polars panics at metadata that is not UTF-8, and pyarrow's own view of such a footer ends the process."""
    root = repositories.root_with(tmp_path, TREC)
    path = tmp_path / TREC_FOLDER / "default/test.parquet"
    content, rows = path.read_bytes(), acquire.acquire(TREC, given(directory=root)).rows
    start, lines = len(content) - 8 - int.from_bytes(content[-8:-4], "little"), 0
    for place in range(start, len(content), 7):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            assert acquire.acquire(TREC, given(directory=root)).rows.equals(rows)
        except SycoError as error:
            lines += 1
            assert "\n" not in str(error) and str(error).startswith("source 'trec': ")
    assert lines > 10


@pytest.mark.parametrize("metadata", [{b"huggingface": b"\xff\xfe"}, {b"\xff": b"x"}])
def test_metadata_that_is_not_utf8_stops_no_build_that_a_card_can_name_labels_for(metadata, tmp_path):
    root = repositories.root_with(tmp_path, TREC)
    path = tmp_path / TREC_FOLDER / "default/test.parquet"
    whole = acquire.acquire(TREC, given(directory=root)).rows
    repositories.save(path, pq.read_table(path).replace_schema_metadata(metadata))
    assert acquire.acquire(TREC, given(directory=root)).rows.equals(whole)


def test_a_small_file_that_stands_for_millions_of_rows_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(examination, "LIMITS", Limits(rows=100, size=1_000_000))
    root = repositories.root_with(tmp_path, TREC)
    path = tmp_path / TREC_FOLDER / "default/test.parquet"
    whole = pq.read_table(path)
    repositories.save(path, pa.concat_tables([whole] * 11))
    assert "default/test.parquet cannot be read (found: it has 110 rows, at most 100 are read" in refused(TREC, root)
    one = whole.slice(0, 1).set_column(whole.column_names.index("text"), "text", pa.array(["x" * 100_000]))
    repositories.save(path, pa.concat_tables([one] * 90).combine_chunks())
    assert "its values unfold to more than 1,000,000 bytes" in refused(TREC, root)


def test_the_shards_of_a_split_share_its_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(examination, "LIMITS", Limits(rows=45, size=1_000_000))
    folder = tmp_path / TREC_FOLDER / "default"
    root = repositories.root_with(tmp_path, TREC)
    assert len(acquire.acquire(TREC, given(directory=root)).rows) == 50
    whole = pq.read_table(folder / "train.parquet")
    (folder / "train.parquet").unlink()
    for number in range(2):
        repositories.save(folder / f"train-0000{number}-of-00002.parquet", whole)
    assert "train-00001-of-00002.parquet cannot be read (found: it has 40 rows, at most 5 are read" in refused(
        TREC, root
    )


def test_linked_folders_of_a_repository_are_entered(tmp_path):
    root = repositories.root_with(tmp_path, TREC)
    whole = acquire.acquire(TREC, given(directory=root)).rows
    folder, disk = tmp_path / TREC_FOLDER / "default", tmp_path / "disk"
    folder.rename(disk)
    folder.symlink_to(disk)
    (disk / "back").symlink_to(tmp_path / TREC_FOLDER)
    assert acquire.acquire(TREC, given(directory=root)).rows.equals(whole)
    (disk / "test.parquet").rename(tmp_path / "test.parquet")
    (disk / "test.parquet").symlink_to(tmp_path / "nowhere")
    assert "default/test.parquet cannot be read (found: there is no such file" in refused(TREC, root)
    (disk / "test.parquet").unlink()
    os.mkfifo(disk / "test.parquet")
    assert "default/test.parquet cannot be read (found: is not a regular file" in refused(TREC, root)


def test_a_folder_that_holds_more_than_a_repository_does_is_one_line(tmp_path, monkeypatch):
    root = repositories.root_with(tmp_path, TREC)
    monkeypatch.setattr(listing.files, "__defaults__", (1,))
    with pytest.raises(SycoError, match="^source 'trec': .* holds more than 1 files"):
        acquire.acquire(TREC, given(directory=root))


def test_folders_that_are_not_there_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.delenv("SYCO_SOURCES", raising=False)
    with pytest.raises(SycoError, match="acquire.directory is null and SYCO_SOURCES is not set"):
        acquire.acquire(SST2, given())
    with pytest.raises(SycoError, match="source 'sst2': there is no folder .*nowhere"):
        acquire.acquire(SST2, given(directory=tmp_path / "nowhere"))
    root = repositories.root_with(tmp_path, TREC)
    with pytest.raises(SycoError, match="has no folder stanfordnlp__sst2 .found: CogComp__trec.*hf download stanf"):
        acquire.acquire(SST2, given(directory=root))
    monkeypatch.setenv("SYCO_SOURCES", str(root))
    assert len(acquire.acquire(TREC, given()).rows) == sum(repositories.ROWS.values())


def test_an_unknown_source_is_refused_with_the_nearest_and_the_list():
    with pytest.raises(SycoError, match="there is no 'sst3'; did you mean 'sst2'.* Valid: sst2, rotten_tomatoes"):
        acquire.chosen(["sst3"], given("synthetic"))
    assert [source.key for source in acquire.chosen([], given("synthetic"))] == list(SOURCES)


def download_record(root, source, name, commit):
    """What `hf download --local-dir` writes about a file: commit, hash, and when."""
    folder = root / source.hub_id.replace("/", "__")
    from syco_data.files import sha256

    record = folder / ".cache/huggingface/download" / f"{name}.metadata"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(f"{commit}\n{sha256(folder / name)}\n1700000000.0\n", encoding="utf-8")


def test_the_commit_of_a_downloaded_folder_is_recorded_while_it_is_true(tmp_path):
    root = repositories.root_with(tmp_path, SST2, "data/{split}-00000-of-00001.parquet")
    names = [f"data/{split}-00000-of-00001.parquet" for split in repositories.splits(SST2)]
    for name in names:
        download_record(root, SST2, name, COMMIT)
    assert acquire.acquire(SST2, given(directory=root)).revision == COMMIT
    assert acquire.acquire(SST2, given(directory=root, sst2=COMMIT)).revision == COMMIT
    with pytest.raises(SycoError, match=f"holds commit {COMMIT}, params.yaml pins {OTHER_COMMIT}.*hf download"):
        acquire.acquire(SST2, given(directory=root, sst2=OTHER_COMMIT))
    download_record(root, SST2, names[0], OTHER_COMMIT)
    assert acquire.acquire(SST2, given(directory=root)).revision is None
    download_record(root, SST2, names[0], COMMIT)
    path = root / "stanfordnlp__sst2" / names[0]
    repositories.save(path, repositories.split_table(SST2, "train", 30, ["negative", "positive"]))
    assert acquire.acquire(SST2, given(directory=root)).revision is None


def test_a_killed_write_never_leaves_a_record_beside_half_a_table(tmp_path, monkeypatch):
    acquired = acquire.acquire(SST2, given("synthetic"))
    acquire.write(acquired, tmp_path)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(tables.TableWriter, "close", killed)
    with pytest.raises(KeyboardInterrupt):
        acquire.write(acquired, tmp_path)
    assert not (tmp_path / "provenance.json").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]
    assert len(tables.read(tmp_path / "rows.parquet", schemas.raw(SST2))) == 750


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "raw").write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(SycoError, match="source 'sst2': .*raw.* cannot be written: Not a directory"):
        acquire.write(acquire.acquire(SST2, given("synthetic")), tmp_path / "raw" / "sst2")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"splits": []}', '{"splits": [{"split": 1}]}'])
def test_a_broken_record_is_one_line(text, tmp_path):
    (tmp_path / "provenance.json").write_text(text, encoding="utf-8")
    with pytest.raises(SycoError, match=r"is not a provenance record.*dvc repro"):
        provenance.read(tmp_path / "provenance.json")
    with pytest.raises(SycoError, match=r"there is no .*dvc repro"):
        provenance.read(tmp_path / "none.json")


def test_a_record_comes_back_as_it_was_written(tmp_path):
    _, record = written(SNLI, given("synthetic"), tmp_path)
    provenance.write(record, tmp_path / "again.json")
    assert asdict(provenance.read(tmp_path / "again.json")) == asdict(record)


# Rows of the real sources that lie beside a checkout: training split, held-out split, unlabelled.
REAL_ROWS = {
    "sst2": (67_349, 872), "rotten_tomatoes": (8_530, 1_066), "tweet_sentiment": (45_606, 2_000),
    "tweet_offensive": (11_916, 1_324), "tweet_irony": (2_862, 955), "qqp": (49_312, 7_600), "mrpc": (3_668, 408),
    "paws": (200, 8_000), "rte": (2_490, 277), "wnli": (635, 71), "qnli": (9_999, 5_463), "mnli": (25_475, 9_815),
    "snli": (12_601, 9_755), "cb": (250, 56), "trec": (5_452, 500), "ag_news": (43_433, 7_600),
    "cola": (8_551, 1_043),
}  # fmt: skip


@pytest.mark.shared
@pytest.mark.skipif(not (SHARED / "sources").is_dir(), reason="the real rows do not lie beside this checkout")
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_real_rows_pass_and_their_counts_are_the_known_ones(source, tmp_path):
    rows, record = written(source, given(directory=SHARED / "sources"), tmp_path)
    assert tuple(count.rows for count in record.splits) == REAL_ROWS[source.key]
    assert {count.unlabelled for count in record.splits} == {0}
    assert len(rows) == sum(REAL_ROWS[source.key])
    assert record.published_rows >= REAL_ROWS[source.key][0]
