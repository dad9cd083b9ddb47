"""Instruction rows: families of files recognised, the 17 sources kept out, nothing dropped without a reason."""

import bz2
import gzip
import json
import os
import re
import time
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from syco_data import schemas, tables
from syco_data.errors import SycoError
from syco_data.finetune import instructions
from syco_data.formats import textfiles
from syco_data.reference import instructions as synthetic_instructions
from syco_data.settings import Columns
from syco_data.sources import SOURCES
from tests.support.tunings import SETTINGS

SHARED = Path(os.environ.get("SYCO_SHARED", Path(__file__).resolve().parents[2] / "../shared"))


def from_folder(folder: Path, **changes):
    return SETTINGS.instructions.model_copy(update={"origin": "directory", "directory": str(folder), **changes})


def write_jsonl(path: Path, *rows: dict) -> Path:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def only_row(folder: Path, **changes) -> dict:
    [row] = instructions.load(from_folder(folder, **changes), 0).rows.to_dicts()
    return row


@pytest.mark.parametrize(
    ("row", "prompt", "completion", "source"),
    [
        ({"instruction": "Add.", "input": "1 and 2", "output": "3"}, "Add.\n\n1 and 2", "3", "rows.jsonl.gz"),
        ({"instruction": "Say hello.", "input": "", "output": " hello "}, "Say hello.", " hello ", "rows.jsonl.gz"),
        ({"instruction": "Say.", "context": None, "response": "x", "category": "talk"}, "Say.", "x", "talk"),
        ({"prompt": "One?", "completion": "Yes", "template": "qa_1"}, "One?", "Yes", "qa_1"),
        ({"prompt": "One?", "completion": "Yes"}, "One?", "Yes", "rows.jsonl.gz"),
        ({"inputs": "In", "targets": "Out", "task": "bool_q:1.0.0"}, "In", "Out", "bool_q:1.0.0"),
    ],
)
def test_families_are_known_by_their_columns(tmp_path, row, prompt, completion, source):
    write_jsonl(tmp_path / "rows.jsonl.gz", row)
    result = only_row(tmp_path)
    assert (result["prompt"], result["completion"], result["source"]) == (prompt, completion, source)
    assert result["form"] == "request"


def test_nested_instances_become_rows_of_their_own(tmp_path):
    pairs = [{"input": "a", "output": "b"}, {"input": "c", "output": "d"}]
    write_jsonl(tmp_path / "seed.jsonl", {"id": "1", "name": "letters", "instruction": "Next.", "instances": pairs})
    rows = instructions.load(from_folder(tmp_path), 0).rows
    assert sorted(zip(rows["prompt"], rows["completion"], strict=True)) == [("Next.\n\na", "b"), ("Next.\n\nc", "d")]


def test_columns_of_the_params_win(tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", {"frage": "Wer?", "antwort": "Ich", "prompt": "p", "completion": "c"})
    columns = Columns(prompt=("frage",), completion="antwort", task=None)
    assert only_row(tmp_path, columns=columns)["completion"] == "Ich"
    with pytest.raises(SycoError, match=r"rows\.jsonl has no column 'rede' .found: antwort, completion, frage, prompt"):
        only_row(tmp_path, columns=Columns(prompt=("rede",), completion="antwort", task=None))
    (tmp_path / "rows.jsonl").unlink()
    pl.DataFrame({"a": ["b"]}).write_parquet(tmp_path / "rows.parquet")
    with pytest.raises(SycoError, match=r"rows\.parquet has no column 'antwort' .found: a"):
        only_row(tmp_path, columns=Columns(prompt=("rede",), completion="antwort", task=None))


def test_unknown_columns_are_refused_with_the_way_to_name_them(tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", {"question": "q", "reply": "r"})
    with pytest.raises(SycoError, match=r"columns of rows\.jsonl: question, reply.*instructions\.columns"):
        only_row(tmp_path)


def test_many_long_columns_are_one_short_line(tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", {f"{number}{'c' * 500}": 1 for number in range(50)})
    with pytest.raises(SycoError, match="columns of rows.jsonl: 0cccc.* and 4[0-9] more") as refused:
        instructions.load(from_folder(tmp_path), 0)
    assert len(str(refused.value)) < 300


def test_one_object_over_several_lines_is_told_how_a_file_is_read(tmp_path):
    rows = [{"prompt": "p", "completion": "c"}]
    (tmp_path / "rows.json").write_text(json.dumps({"version": "0.1", "data": rows}, indent=2), encoding="utf-8")
    with pytest.raises(SycoError, match="line 1: not valid JSON.* A .json file holds one list of records, or one rec"):
        instructions.load(from_folder(tmp_path), 0)


def test_a_broken_file_is_one_line(tmp_path):
    (tmp_path / "rows.jsonl.gz").write_bytes(b"\x1f\x8bnot gzip at all")
    with pytest.raises(SycoError, match=r"rows\.jsonl\.gz cannot be read"):
        only_row(tmp_path)


def test_a_flipped_byte_is_one_line(tmp_path):
    path = write_jsonl(tmp_path / "rows.jsonl.gz", {"prompt": "p", "completion": "c"})
    content = bytearray(path.read_bytes())
    content[10] ^= 0x06  # the kind of the first block: none that there is
    path.write_bytes(content)
    with pytest.raises(SycoError, match=r"rows\.jsonl\.gz cannot be read: Error -3"):
        only_row(tmp_path)


MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": MESSAGES, "completion": MESSAGES}, "line 1, column 'prompt': expected text, found a list"),
        ({"prompt": "p", "completion": {"text": "c"}}, "column 'completion': expected text"),
        ({"prompt": ["p"], "completion": "c"}, "column 'prompt': expected text"),
        (
            {"name": "n", "instruction": "i", "input": "x", "instances": [{"input": "a", "output": "b"}]},
            "not laid out as self_instruct files are: .*'input'",
        ),
        ({"name": "n", "instruction": "i", "instances": "a text"}, "not laid out as self_instruct files are"),
        ({"name": "n", "instruction": "i", "instances": ["a text"]}, "not laid out as self_instruct files are"),
    ],
)
def test_rows_that_are_not_texts_are_one_line(tmp_path, row, message):
    write_jsonl(tmp_path / "rows.jsonl", row)
    with pytest.raises(SycoError, match=rf"rows\.jsonl.*{message}") as refused:
        only_row(tmp_path)
    assert "\n" not in str(refused.value)


CODE = "    return x\n\n"


@pytest.mark.parametrize(
    "text",
    [CODE, "\u2028a\u2029\x0b\x0c\x85", "tab\t", "\x00", "\ufeffa", "a\r\n", "4.0", "1e400", "🙂", "\\ud83d", "é"],
)
@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "JSONL.BZ2", "ndjson.zst", "json", "parquet"])
def test_a_text_is_trained_on_exactly_as_it_stands(tmp_path, text, ending):
    rows = [{"prompt": f"p{text}", "completion": text + "c", "template": "t"}]
    packed_file(tmp_path / f"rows.{ending}", rows, end="\r\n")
    row = only_row(tmp_path)
    assert (row["prompt"], row["completion"], row["source"]) == (f"p{text}", text + "c", "t")


def packed_file(path: Path, rows: list[dict], end: str = "\n", mark: str = "\ufeff") -> None:
    """Rows in the form that the file's ending says, JSON lines with a mark before and these ends."""
    endings = [ending.lower() for ending in path.suffixes]
    if endings[-1] == ".parquet":
        pl.DataFrame(rows).write_parquet(path)
        return
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    content = (mark + ("[" + ",\n".join(lines) + "]" if endings[-1] == ".json" else end.join([*lines, ""]))).encode()
    pack = {
        ".gz": gzip.compress,
        ".bz2": bz2.compress,
        ".zst": lambda plain: pa.Codec("zstd").compress(plain, asbytes=True),
    }
    path.write_bytes(pack.get(endings[-1], lambda plain: plain)(content))


def test_many_rows_take_seconds(tmp_path):
    packed_file(tmp_path / "rows.json", [{"prompt": f"p{n}", "completion": "c" * 200} for n in range(20_000)])
    started = time.monotonic()
    assert instructions.load(from_folder(tmp_path, rows=50_000), 0).rows.height == 20_000
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (r'{"prompt": "half \ud83d emoji", "completion": "c"}', r"'prompt': \\ud83d is half of a surrogate pair"),
        (r'{"prompt": "p", "completion": "\udc00"}', r"column 'completion': \\udc00 is half"),
        (r'{"prompt": "p", "completion": "c", "template": "\ud83d\u0041"}', "column 'template': .*is half"),
        ('{"prompt": "p", "completion": 4}', "column 'completion': expected text, found the number 4"),
        ('{"prompt": 3.50, "completion": "c"}', "column 'prompt': expected text, found the number 3.5"),
        ('{"prompt": "p", "completion": true}', "column 'completion': expected text, found true"),
        ('{"prompt": "p", "completion": NaN}', "column 'completion': expected text, found the number nan"),
        ('{"prompt": "p", "completion": {"a": 1}}', "column 'completion': expected text, found a record"),
        ('{"prompt": "p", "completion": "c", "template": 7}', "'template': .*the number 7.*task: null"),
        ('{"prompt": "p", "prompt": "q", "completion": "c"}', "not valid JSON: key 'prompt' is given twice"),
        ('["p", "c"]', "expected a JSON object, found a list"),
        ('{"prompt": "p", "completion": "c"} x', "not valid JSON: Extra data"),
        ('{"prompt": "p", "completion": ' + "[" * 100_000, "nested too deeply"),
        ('{"prompt": "p", "completion": ' + "7" * 5_000 + "}", "not valid JSON: Exceeds the limit"),
    ],
)  # fmt: skip
def test_what_is_not_text_is_one_line_with_its_place(tmp_path, line, message):
    good = '{"prompt": "p", "completion": "c", "template": "t"}\n'
    (tmp_path / "rows.jsonl").write_text(good + "\n" + line + "\n" + good, encoding="utf-8")
    with pytest.raises(SycoError, match=rf"^instructions: rows\.jsonl, line 3.*{message}") as refused:
        only_row(tmp_path)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pl.Series([1, 2]), "row 0, column 'completion': expected text, found the number 1"),
        (pl.Series(["c", None]), None),
        (pl.Series([None, [1]]), "row 1, column 'completion': expected text, found a list"),
        (pl.Series([b"c", b"c"]), "row 0, column 'completion': expected text, found a value of type bytes"),
        (pl.Series([None, None], dtype=pl.Null), "no row is left of 2: 2 without a prompt or a completion"),
    ],
)
def test_columns_of_a_parquet_file_are_text_or_one_line(tmp_path, column, message):
    pl.DataFrame({"prompt": ["p", "q"], "completion": column}).write_parquet(tmp_path / "rows.parquet")
    if message is None:
        assert only_row(tmp_path)["completion"] == "c"
    else:
        with pytest.raises(SycoError, match=message) as refused:
            only_row(tmp_path)
        assert "exclude_sources" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfep\x00", "is in UTF-16"),
        (b'{"prompt": "a", "completion": "b"}\n{"prompt": "\xe9"}', "not UTF-8 text: byte 0xe9 in line 2"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS.*git lfs pull"),
        (b"", "holds no row"),
        (b"\n \n", "holds no row"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_json_lines_is_one_line(tmp_path, content, message):
    (tmp_path / "rows.jsonl").write_bytes(content)
    with pytest.raises(SycoError, match=rf"^instructions: rows\.jsonl.*{message}"):
        only_row(tmp_path)


@pytest.mark.parametrize("ending", ["jsonl.gz", "jsonl.bz2", "jsonl.zst", "parquet"])
def test_a_file_cut_in_half_is_one_line(tmp_path, ending):
    path = tmp_path / f"rows.{ending}"
    packed_file(path, [{"prompt": f"p{n}", "completion": "c"} for n in range(500)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SycoError, match=rf"^instructions: rows\.{ending} (cannot be read|is not a whole)"):
        only_row(tmp_path)


def test_a_file_that_unpacks_without_end_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(textfiles, "LONGEST", 1 << 20)
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(b" " * 3_000_000))
    with pytest.raises(SycoError, match="holds a line of more than 1,048,576 bytes"):
        only_row(tmp_path)
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(b"\n" * 3_000_000))
    with pytest.raises(SycoError, match="unpacks to more than 1,000,000 bytes"):
        list(textfiles.lines(tmp_path / "rows.jsonl.gz", "rows", 1_000_000))


@pytest.mark.parametrize(
    "name",
    [
        "a.csv",
        "a.tsv",
        "a.txt",
        "a.arrow",
        "a.parquet.gz",
        "a.jsonl.xz",
        "a.jsonl.lz4",
        "a.zip",
        "more/A.CSV.gz",
        "a.pkl",
    ],
)
def test_data_that_is_not_read_is_named(tmp_path, name):
    write_jsonl(tmp_path / "rows.jsonl", {"prompt": "p", "completion": "c"})
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("x")
    with pytest.raises(
        SycoError, match=rf"{re.escape(name)} is not read: rows are taken from .*Convert it, or take it"
    ):
        only_row(tmp_path)


def test_documents_and_hidden_files_are_not_data(tmp_path, capsys):
    write_jsonl(tmp_path / "rows.jsonl", {"prompt": "p", "completion": "c"})
    hidden = ("._rows.jsonl", ".ipynb_checkpoints/rows.jsonl")
    for name in ("README.md", "LICENSE.txt", "dataset_infos.json", "data/Thumbs.db", *hidden):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\x00\x05\x16\x07")
    assert only_row(tmp_path)["prompt"] == "p"
    assert capsys.readouterr().err == ""
    (tmp_path / "Makefile").touch()
    assert only_row(tmp_path)["prompt"] == "p"
    assert "instructions: not read: Makefile; rows are taken from" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "held_out"),
    [
        ("test.jsonl", True), ("data/validation-00000-of-00001.jsonl", True), ("task1_dev.jsonl", True),
        ("test/a.jsonl", True), ("Val_2.jsonl", True), ("human.eval.jsonl", True), ("x/testing/train.jsonl", True),
        ("train.jsonl", False), ("train/test_cases.jsonl", False), ("p3_t0_train_sample.jsonl", False),
        ("validation.csv", True), ("data/test.arrow", True),
        ("contest.jsonl", False), ("attest_a.jsonl", False), ("devil.jsonl", False), ("valley.jsonl", False),
    ],
)  # fmt: skip
def test_validation_and_test_splits_are_not_trained_on(tmp_path, capsys, name, held_out):
    write_jsonl(tmp_path / "rows.jsonl", {"prompt": "p", "completion": "c"})
    (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
    write_jsonl(tmp_path / name, {"prompt": "q", "completion": "c"})
    assert instructions.load(from_folder(tmp_path), 0).rows.height == (1 if held_out else 2)
    text = f"instructions: not trained on, as they are named as validation or test: {name}\n" if held_out else ""
    assert capsys.readouterr().err == text
    (tmp_path / "rows.jsonl").unlink()
    if held_out:
        with pytest.raises(SycoError, match=f"nothing to train on but files of validation and test.*{name}"):
            only_row(tmp_path)


def test_linked_folders_are_read_once(tmp_path):
    folder, disk = tmp_path / "rows", tmp_path / "disk"
    (disk / "deep").mkdir(parents=True), folder.mkdir()
    write_jsonl(folder / "a.jsonl", {"prompt": "a", "completion": "c"})
    write_jsonl(disk / "deep/b.jsonl", {"prompt": "b", "completion": "c"})
    for name in ("more", "more_of_it"):
        (folder / name).symlink_to(disk)
    (disk / "back").symlink_to(folder)
    (folder / "self").symlink_to(folder)
    pool = instructions.load(from_folder(folder), 0)
    assert sorted(pool.rows["source"]) == ["a.jsonl", "more/deep/b.jsonl"]
    assert pool.dropped.is_empty()
    (folder / "gone.jsonl").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SycoError, match=r"gone\.jsonl cannot be read: No such file"):
        only_row(folder)
    (folder / "gone.jsonl").rename(folder / "gone.parquet")
    with pytest.raises(SycoError, match=r"gone\.parquet leads to no file"):
        only_row(folder)


def test_a_pipe_among_the_files_is_one_line(tmp_path):
    os.mkfifo(tmp_path / "rows.jsonl")
    with pytest.raises(SycoError, match=r"rows\.jsonl is not a regular file"):
        only_row(tmp_path)


def test_blank_texts_count_as_not_there(tmp_path):
    write_jsonl(
        tmp_path / "a.jsonl", {"instruction": "i ", "input": "\n", "output": " o"}, {"instruction": "j", "output": " "}
    )
    pool = instructions.load(from_folder(tmp_path), 0)
    assert pool.rows.select("prompt", "completion").rows() == [("i ", " o")]
    assert pool.dropped.rows() == [("empty", None, 1)]


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(SycoError, match="holds nothing to train on"):
        only_row(tmp_path)
    with pytest.raises(SycoError, match="there is no folder .*instructions.directory"):
        only_row(tmp_path / "none")


@pytest.mark.parametrize(
    ("task", "source"),
    [
        ("ag_news_classify_question_first", "ag_news"), ("glue_mrpc_equivalent", "mrpc"), ("glue/mnli:2.0.0", "mnli"),
        ("super_glue_rte_can_we_infer", "rte"), ("paws_labeled_final_Rewrite", "paws"), ("trec_trec1", "trec"),
        ("rotten_tomatoes_Reviewer_Enjoyment", "rotten_tomatoes"), ("snli:1.1.0", "snli"), ("CoLA", "cola"),
        ("tweet_eval_irony_1", "tweet_irony"), ("cb", "cb"), ("qqp", "qqp"), ("sst2:2.0.0", "sst2"),
        ("task363_sst2_polarity_classification", "sst2"), ("task1288_glue_mrpc_paraphrasing", "mrpc"),
        ("task1345_glue_qqp_question_paraprashing", "qqp"), ("task199_mnli_classification", "mnli"),
        ("task616_cola", "cola"), ("task640_esnli_classification", "snli"), ("cot_esnli", "snli"),
        ("task379_agnews_topic_classification", "ag_news"), ("task1388_cb_entailment", "cb"),
        ("task1344_glue_entailment_classification", "rte"), ("task286_olid_offense_judgment", "tweet_offensive"),
        ("task386_semeval_2018_task3_irony_detection", "tweet_irony"), ("niv2_task400_paws_wiki", "paws"),
        ("flan/glue_qnli_v2", "qnli"), ("task067_abductivenli_answer_generation", None), ("coca_cola_adverts", None),
        ("imdb_movie_review_x", None), ("write_rte", None), ("story_of_cats_paws", None),
        ("task079_conala_concat", None),
        ("wiki_qa_Is_This_True_", None), ("imdb_Reviewer_Enjoyment", None), ("cbt_ne", None), ("trecs", None),
        ("quoref_Answer_Test", None), ("colab_tips", None), ("quarel_logic_test", None),
    ],
)  # fmt: skip
def test_task_names_tell_the_source(task, source):
    assert instructions.source_of(task) == source


def test_every_source_has_task_names():
    assert instructions.TASK_NAMES.keys() == SOURCES.keys()


def test_every_row_that_is_left_out_has_a_reason(tmp_path):
    rows = [{"prompt": f"q{n}", "completion": "a", "template": "sciq"} for n in range(6)]
    rows += [
        {"prompt": "q0", "completion": "a", "template": "sciq"},
        {"prompt": "", "completion": "a", "template": "x"},
    ]
    rows += [{"prompt": "news", "completion": "World", "template": "ag_news_classify"}]
    write_jsonl(tmp_path / "rows.jsonl", *rows)
    pool = instructions.load(from_folder(tmp_path, rows=4), 0)
    reasons = {(row["reason"], row["task"]): row["rows"] for row in pool.dropped.to_dicts()}
    assert reasons == {
        ("duplicate", None): 1,
        ("empty", None): 1,
        ("from_source", "ag_news"): 1,
        ("not_sampled", None): 2,
    }
    assert pool.rows.height + pool.dropped["rows"].sum() == len(rows)


def test_sources_stay_in_when_asked(tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", {"prompt": "n", "completion": "World", "template": "ag_news_classify"})
    assert only_row(tmp_path, exclude_sources=False)["source"] == "ag_news_classify"
    with pytest.raises(SycoError, match="no row is left"):
        only_row(tmp_path)


def test_a_larger_cap_only_adds_rows_and_file_order_changes_nothing(tmp_path):
    rows = [{"prompt": f"q{n}", "completion": "a"} for n in range(50)]
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir(), other.mkdir()
    write_jsonl(one / "rows.jsonl", *rows)
    write_jsonl(other / "rows.jsonl", *reversed(rows))
    few, more = (instructions.load(from_folder(one, rows=count), 0).rows["instruction_id"] for count in (10, 30))
    assert set(few) < set(more)
    turned = instructions.load(from_folder(other, rows=10), 0).rows
    assert turned["instruction_id"].to_list() == few.to_list()


def test_synthetic_rows_are_transcripts_and_unique():
    pool = instructions.load(SETTINGS.instructions.model_copy(update={"rows": 300}), 0)
    tables.conform(pool.rows, schemas.INSTRUCTIONS)
    assert pool.rows.height == 300
    assert pool.rows["instruction_id"].is_unique().all()
    assert pool.rows["form"].unique().to_list() == ["transcript"]
    assert pool.rows["completion"].str.starts_with(" ").all()


def test_a_row_that_a_probe_asks_is_not_trained_on():
    pool = instructions.load(SETTINGS.instructions.model_copy(update={"rows": 300}), 0)
    same = pool.rows["prompt"][7]
    [sum_] = pool.rows["prompt"].str.extract(r"(\b\d+ \+ \d+\b)").drop_nulls()[:1]
    probes = pl.DataFrame({"prompt": [same, "Human: what else?"], "item": ["some question", sum_]})
    left = instructions.without_probes(pool, probes)
    rows = pool.rows.filter((pl.col("prompt") == same) | pl.col("prompt").str.contains(rf"\b{re.escape(sum_)}\b"))
    assert len(rows) >= 2
    assert left.rows.equals(pool.rows.join(rows, on="instruction_id", how="anti", maintain_order="left"))
    assert left.dropped.rows() == [("probe", None, len(rows))]
    untouched = instructions.without_probes(pool, probes.with_columns(prompt=pl.lit("?"), item=pl.lit("1000 + 1")))
    assert untouched.rows.equals(pool.rows)
    assert untouched.dropped.is_empty()


def test_synthetic_probes_and_synthetic_training_rows_have_nothing_in_common():
    trained = instructions.load(SETTINGS.instructions, SETTINGS.seed).rows
    rows = synthetic_instructions.rows(SETTINGS.probes.instructions, SETTINGS.seed, "held_out")
    assert len(rows) == SETTINGS.probes.instructions
    assert not set(trained["prompt"]) & set(rows["prompt"])


def test_the_hub_needs_a_commit():
    choice = SETTINGS.instructions.model_copy(update={"origin": "hub", "hub_id": "a/b", "revision": "main"})
    with pytest.raises(SycoError, match="'main' is a name that can move"):
        instructions.load(choice, 0)


@pytest.mark.shared
@pytest.mark.skipif(not (SHARED / "instructions").is_dir(), reason="no ../shared/instructions beside this checkout")
def test_real_files_are_read_and_freed_of_the_sources():
    pool = instructions.load(from_folder(SHARED / "instructions", rows=2_000), 0)
    assert pool.rows.height == 2_000
    left_out = pool.dropped.filter(pl.col("reason") == "from_source")
    assert set(left_out["task"]) == {"ag_news", "mrpc", "paws", "qqp", "rotten_tomatoes", "trec"}
    assert {instructions.source_of(name) for name in pool.rows["source"].unique()} == {None}
