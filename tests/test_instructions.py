"""Instruction rows: families of files recognised, the 17 sources kept out, nothing dropped without a reason."""

import gzip
import json
import os
import re
from pathlib import Path

import polars as pl
import pytest

from syco_data import schemas, tables
from syco_data.embedded import instructions as embedded_instructions
from syco_data.errors import SycoError
from syco_data.settings import Columns
from syco_data.sources import SOURCES
from syco_data.tuning import instructions
from tests.tunings import SETTINGS

SHARED = Path(os.environ.get("SYCO_SHARED", Path(__file__).resolve().parents[1] / "../shared"))


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
        ({"instruction": "Say hello.", "input": "", "output": " hello "}, "Say hello.", "hello", "rows.jsonl.gz"),
        ({"instruction": "Say.", "context": None, "response": "x", "category": "talk"}, "Say.", "x", "talk"),
        ({"prompt": "One?", "completion": "Yes", "template": "qa_1"}, "One?", "Yes", "qa_1"),
        ({"prompt": "One?", "completion": "Yes"}, "One?", "Yes", "rows.jsonl.gz"),
        ({"inputs": "In", "targets": "Out", "task": "bool_q:1.0.0"}, "In", "Out", "bool_q:1.0.0"),
    ],
)
def test_families_are_known_by_their_columns(tmp_path, row, prompt, completion, source):
    write_jsonl(tmp_path / "rows.jsonl.gz", row)
    found = only_row(tmp_path)
    assert (found["prompt"], found["completion"], found["source"]) == (prompt, completion, source)
    assert found["form"] == "request"


def test_nested_instances_become_rows_of_their_own(tmp_path):
    pairs = [{"input": "a", "output": "b"}, {"input": "c", "output": "d"}]
    write_jsonl(tmp_path / "seed.jsonl", {"id": "1", "name": "letters", "instruction": "Next.", "instances": pairs})
    rows = instructions.load(from_folder(tmp_path), 0).rows
    assert sorted(zip(rows["prompt"], rows["completion"], strict=True)) == [("Next.\n\na", "b"), ("Next.\n\nc", "d")]


def test_columns_of_the_params_win(tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", {"frage": "Wer?", "antwort": "Ich", "prompt": "p", "completion": "c"})
    columns = Columns(prompt=("frage",), completion="antwort", task=None)
    assert only_row(tmp_path, columns=columns)["completion"] == "Ich"
    with pytest.raises(SycoError, match=r"rows\.jsonl has no column 'rede'"):
        only_row(tmp_path, columns=Columns(prompt=("rede",), completion="antwort", task=None))


def test_unknown_columns_are_refused_with_the_way_to_name_them(tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", {"question": "q", "reply": "r"})
    with pytest.raises(SycoError, match=r"columns of rows\.jsonl: question, reply.*instructions\.columns"):
        only_row(tmp_path)


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
    ("row", "said"),
    [
        ({"prompt": MESSAGES, "completion": MESSAGES}, "expected text, found lists or records"),
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
def test_rows_that_are_no_texts_are_one_line(tmp_path, row, said):
    write_jsonl(tmp_path / "rows.jsonl", row)
    with pytest.raises(SycoError, match=rf"rows\.jsonl.*{said}") as refused:
        only_row(tmp_path)
    assert "\n" not in str(refused.value)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(SycoError, match="holds no"):
        only_row(tmp_path)


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


def test_embedded_rows_are_transcripts_and_unique():
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
    asked = pool.rows.filter((pl.col("prompt") == same) | pl.col("prompt").str.contains(rf"\b{re.escape(sum_)}\b"))
    assert len(asked) >= 2
    assert left.rows.equals(pool.rows.join(asked, on="instruction_id", how="anti", maintain_order="left"))
    assert left.dropped.rows() == [("probe", None, len(asked))]
    untouched = instructions.without_probes(pool, probes.with_columns(prompt=pl.lit("?"), item=pl.lit("1000 + 1")))
    assert untouched.rows.equals(pool.rows)
    assert untouched.dropped.is_empty()


def test_embedded_probes_and_embedded_training_rows_have_nothing_in_common():
    trained = instructions.load(SETTINGS.instructions, SETTINGS.seed).rows
    asked = embedded_instructions.rows(SETTINGS.probes.instructions, SETTINGS.seed, "held_out")
    assert len(asked) == SETTINGS.probes.instructions
    assert not set(trained["prompt"]) & set(asked["prompt"])


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
