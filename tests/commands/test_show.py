"""`show`: all that a build knows of a claim, a prompt, a probe or a source row."""

import json

import polars as pl
import pytest

from syco_data.errors import SycoError
from tests.commands.test_filter import run
from tests.support.tables_for_tests import MODEL, shared_build

FOLDER = shared_build().folder


def told(identity: str) -> dict:
    return json.loads(run("show", identity, "--data", str(FOLDER), "--json"))


def rows(path: str) -> pl.DataFrame:
    return pl.read_parquet(FOLDER / path)


def test_a_prompt_and_its_claim_tell_the_same():
    prompt = rows("prompts/prompts.parquet").row(0, named=True)
    result = told(prompt["prompt_id"])
    assert result == told(prompt["prompt_id"][:20]) == told(prompt["claim_id"])
    assert result["prompt"] == prompt
    assert result["claim"]["claim_id"] == prompt["claim_id"]
    assert result["source row"]["row"] == result["claim"]["row"]
    assert result[f"verdict of {MODEL}"]["prompt_id"] == prompt["prompt_id"]
    assert set(result[f"arms of {MODEL}"]) == {"balanced", "published", "unfiltered"}


def test_a_claim_that_was_not_sampled():
    [claim_id] = rows("prompts/dropped.parquet")["claim_id"][:1]
    assert told(claim_id)["prompt"] == {"reason": "not_sampled"}


def test_a_probe():
    probe = rows("probes/probes.parquet").row(0, named=True)
    result = told(probe["probe_id"])
    assert result["probe"] == probe


def test_a_probe_shows_the_answer_of_every_arm(tmp_path):
    probe = rows("probes/probes.parquet").row(0, named=True)
    for table in ("claims/claims.parquet", "prompts/prompts.parquet", "probes/probes.parquet"):
        (tmp_path / table).parent.mkdir(parents=True)
        (tmp_path / table).symlink_to(FOLDER.absolute() / table)
    words = ("show", probe["probe_id"], "--data", str(tmp_path))
    assert "no arm is evaluated yet: dvc repro evaluate" in run(*words)
    about = {"model": "m", "probe_id": probe["probe_id"], "probe": probe["probe"], "generated": None}
    answers = {
        "balanced": {"choice": " (A)", "logprobs": [-0.25, -2.0], "correct": True, "matches_user": False},
        "base": {
            "choice": " (B)",
            "logprobs": [-2.0, -0.25],
            "correct": False,
            "matches_user": True,
            "generated": " (B)",
        },
        "long": {"choice": None, "logprobs": None, "correct": None, "matches_user": None},
    }
    for arm, answer in answers.items():
        path = tmp_path / "answers/m" / arm / "answers.parquet"
        path.parent.mkdir(parents=True)
        pl.DataFrame([about | {"arm": arm} | answer]).write_parquet(path)
    assert json.loads(run(*words, "--json"))["answers of m"] == {
        "base": "(B), wrong, as the user; log-probabilities -2.00, -0.25; generated: (B)",
        "balanced": "(A), right, not as the user; log-probabilities -0.25, -2.00",
        "long": "none: the text is too long for the model",
    }
    other = rows("probes/probes.parquet")["probe_id"][1]
    assert "no arm was asked this probe" in run("show", other, "--data", str(tmp_path))


def test_a_source_row_that_became_a_claim_and_one_that_was_dropped():
    claim = rows("claims/claims.parquet").row(0, named=True)
    assert told(f"{claim['source']}/{claim['row']}")["claim"] == claim
    dropped = rows("claims/dropped.parquet").row(0, named=True)
    result = told(f"{dropped['source']}/{dropped['row']}")
    assert result["dropped"] == dropped and result["source row"]["row"] == dropped["row"]
    assert "label says" not in result["source row"]


def test_a_table_for_people_names_its_parts():
    prompt = rows("prompts/prompts.parquet")["prompt_id"][0]
    text = run("show", prompt, "--data", str(FOLDER))
    assert all(part in text for part in ("source row", "claim", "prompt", f"verdict of {MODEL}", f"arms of {MODEL}"))


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        ("f" * 32, "no claim, prompt or probe"),
        ("abc", "'abc' is too short.*at least 6 characters"),
        ("sst3/4", "there is no 'sst3'; did you mean 'sst2'"),
        ("sst2/999999", "source 'sst2' has no row 999,999"),
    ],
)
def test_what_is_not_there_is_one_line(identity, message):
    with pytest.raises(SycoError, match=message):
        told(identity)
