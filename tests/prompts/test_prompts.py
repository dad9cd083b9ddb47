"""Laws of the candidate prompts; a dozen of them lie in tests/golden/prompts.txt to be read by eye."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syco_data import schemas, tables
from syco_data.claims import claims
from syco_data.errors import SycoError
from syco_data.prompts import prompts, templates, transcripts
from syco_data.sources import SOURCES
from tests.support import rows
from tests.support.rows import CLAIMS, PROMPTS, many, raw_tables

GOLDEN = Path(__file__).parents[1] / "golden" / "prompts.txt"
TRAINABLE = tuple(name for name in templates.names() if not templates.load(name).held_out)


LONGEST = CLAIMS.model_copy(update={"max_characters": 45_000})  # two fields of 20,000


def candidates(raw, seed=0, rules=CLAIMS, **changes):
    pool = claims.build(raw, rules, seed).kept
    size = changes.pop("rows", len(pool))
    built = prompts.build(pool, PROMPTS.model_copy(update={"rows": size, **changes}), seed)
    return pl.concat(built.chunks()) if len(built.candidates) else None, built, pool


def test_a_dozen_prompts_read_as_they_did():
    raw = {key: many(key, 3) for key in list(SOURCES)[:12]}
    table, _, _ = candidates(raw, templates=TRAINABLE, rows=12, sampling="balanced")
    rendered = "\n\n======\n\n".join(
        f"{row['prompt']} {row['answer']}\n\n--- stripped\n{row['stripped_prompt']}"
        for row in table.iter_rows(named=True)
    )
    if os.environ.get("SYCO_WRITE_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(rendered + "\n", encoding="utf-8")
    assert rendered + "\n" == GOLDEN.read_text(encoding="utf-8")


@given(raw_tables())
def test_the_parts_come_back_out_of_the_text(raw):
    """Render then parse: whatever an input holds, options, turns, opinion and answer are where they belong."""
    table, _, pool = candidates(raw, rules=LONGEST, templates=TRAINABLE)
    if table is None:
        return
    sentence = dict(pool.select("claim_id", "claim").iter_rows())
    for row in table.iter_rows(named=True):
        claim = sentence[row["claim_id"]]
        template = templates.load(row["template"])
        parts = template.full[row["opinion"], row["option_order"]]
        assert row["prompt"] == parts.fill(claim=claim, **{name: row[name] for name in schemas.PERSONA})
        assert row["stripped_prompt"] == template.stripped[row["option_order"]].fill(claim=claim)
        for text in (row["prompt"], row["stripped_prompt"]):
            ((first, second),) = transcripts.OPTION_LINES.findall(text)
            assert (first, second) == (
                ("Agree", "Disagree") if row["option_order"] == "agree_first" else ("Disagree", "Agree")
            )
            assert [turn.role for turn in transcripts.turns(text)] == ["user", "assistant"]
            assert claim in text
        right = "Agree" if row["truth"] else "Disagree"
        assert {"(A)": first, "(B)": second}[row["answer"]] == right
        assert row["user_is_right"] == ((row["opinion"] == "agree") == row["truth"])
        assert f"I {row['opinion']} with the claim that {claim}" in row["prompt"]
        assert row["name"] not in row["stripped_prompt"]


def test_a_text_of_20_000_characters_is_asked_whole():
    raw = {"sst2": rows.table("sst2", [(["x" * 20_000], 0)])}
    [prompt] = candidates(raw, rules=LONGEST, templates=TRAINABLE)[0]["prompt"]
    assert "x" * 20_000 in prompt


@given(raw_tables(), st.randoms(use_true_random=False))
def test_row_order_changes_no_prompt(raw, random):
    shuffled = {key: df[random.sample(range(len(df)), len(df))] for key, df in raw.items()}
    one, other = (candidates(one, templates=TRAINABLE)[0] for one in (raw, dict(reversed(shuffled.items()))))
    assert (one is None and other is None) or one.equals(other)


@given(raw_tables())
def test_other_sources_change_no_prompt_that_stays(raw):
    """Personas, opinions, orders, templates, ids and texts of a claim are its own, whoever stands beside it."""
    together = candidates(raw, templates=TRAINABLE)[0]
    everything = {row["claim_id"]: row for row in together.iter_rows(named=True)} if together is not None else {}
    for key, df in raw.items():
        alone = candidates({key: df}, templates=TRAINABLE)[0]
        for row in alone.iter_rows(named=True) if alone is not None else ():
            assert everything.get(row["claim_id"], row) == row


@given(raw_tables())
def test_swapping_options_twice_gives_the_prompt_back(raw):
    table, _, _ = candidates(raw)
    if table is None:
        return
    once = table.select(transcripts.swap_options(pl.col("stripped_prompt")))
    assert (once.to_series() != table["stripped_prompt"]).all()
    assert (
        once.select(transcripts.swap_options(pl.first()))
        .to_series()
        .equals(table["stripped_prompt"], check_names=False)
    )


def test_a_larger_number_only_adds_rows():
    raw = {key: many(key, count) for key, count in (("sst2", 400), ("cola", 60), ("trec", 150))}
    for sampling in ("proportional", "balanced", {"sst2": 0.5, "cola": 0.1, "trec": 0.4}):
        earlier: set = set()
        for size in (1, 7, 50, 123, 300):
            ids = set(candidates(raw, rows=size, sampling=sampling)[0]["prompt_id"])
            assert len(ids) == size and earlier <= ids
            earlier = ids


def test_shares_and_balance_are_kept():
    raw = {key: many(key, count) for key, count in (("sst2", 400), ("cola", 30), ("trec", 150))}
    counts = dict(candidates(raw, rows=150, sampling="balanced")[0]["source"].value_counts().iter_rows())
    assert counts == {"cola": 30, "sst2": 60, "trec": 60}
    counts = dict(
        candidates(raw, rows=100, sampling={"sst2": 0.7, "trec": 0.3})[0]["source"].value_counts().iter_rows()
    )
    assert counts == {"sst2": 70, "trec": 30}
    capped = candidates(raw, rows=130, cap=50)[0]["source"].value_counts()
    assert capped["count"].max() == 50


def test_every_claim_is_used_once_or_dropped_as_not_sampled():
    table, built, pool = candidates({"trec": many("trec", 300)}, rows=100)
    assert sorted([*table["claim_id"], *built.dropped["claim_id"]]) == sorted(pool["claim_id"])
    assert set(built.dropped["reason"]) == {"not_sampled"}


def test_more_prompts_than_claims_is_an_error_with_both_numbers():
    with pytest.raises(SycoError, match=r"asks for 51 prompts, the pool has 50\b.*Lower prompts.rows"):
        candidates({"trec": many("trec", 50)}, rows=51)


def test_a_share_that_cannot_be_filled_is_an_error():
    with pytest.raises(SycoError, match=r"give source 'cola' 80 of 100 prompts, 20 can be had"):
        candidates({"cola": many("cola", 20), "trec": many("trec", 300)}, rows=100, sampling={"cola": 0.8, "trec": 0.2})


@pytest.mark.parametrize(
    ("shares", "cap", "rows", "message"),
    [
        # Neither the source that fills the gap nor one without a share is the one that ran out.
        ({"sst2": 0.0, "cola": 1.0}, None, 100, "'cola' 100 of 100 prompts, 20 can be had. Lower prompts.rows or"),
        ({"sst2": 0.5, "cola": 0.5}, None, 100, "'cola' 50 of 100 prompts, 20 can be had. Lower prompts.rows or"),
        ({"sst2": 0.5, "cola": 0.5}, 15, 31, "'sst2' 16 of 31 prompts, 15 .* raise prompts.cap or change the shares"),
        # One row too few: it would have come from a source without a share.
        ({"sst2": 0.0, "cola": 1.0}, None, 21, "'cola' 21 of 21 prompts, 20 can be had"),
        ({"sst2": 0.0, "trec": 0.0, "cola": 1.0}, None, 22, "'cola' 22 of 22 prompts, 20 can be had"),
        ({"sst2": 0.5, "cola": 0.5}, None, 42, "'cola' 21 of 42 prompts, 20 can be had"),
    ],
)
def test_a_source_that_runs_out_before_its_share_is_named(shares, cap, rows, message):
    raw = {"cola": many("cola", 20), "sst2": many("sst2", 300), "trec": many("trec", 300)}
    with pytest.raises(SycoError, match=message):
        candidates(raw, rows=rows, cap=cap, sampling=shares)


def test_the_cap_is_named_where_it_limits():
    raw = {"cola": many("cola", 20), "sst2": many("sst2", 300)}
    with pytest.raises(SycoError, match=r"the pool has 320\. Lower prompts\.rows or add sources"):
        candidates(raw, rows=321, cap=1000)
    with pytest.raises(
        SycoError, match=r"the pool has 30 .cap 15 per source.\. Lower prompts\.rows, raise prompts\.cap or"
    ):
        candidates(raw, rows=321, cap=15)


def test_a_held_out_or_unknown_template_is_refused():
    raw = {"trec": many("trec", 10)}
    with pytest.raises(SycoError, match="'afterthought' is held out"):
        candidates(raw, templates=("afterthought",))
    with pytest.raises(SycoError, match="no 'profesor'; did you mean 'professor'"):
        candidates(raw, templates=("profesor",))


def test_a_template_of_the_users_own_needs_no_code(tmp_path):
    text = (templates.BUILT_IN / "plain.jinja").read_text(encoding="utf-8").replace("Is it right", "Is it so")
    (tmp_path / "mine.jinja").write_text(text, encoding="utf-8")
    table, _, _ = candidates({"trec": many("trec", 10)}, templates=("mine",), template_folder=str(tmp_path))
    assert table["prompt"].str.contains("Is it so to say that").all()


def test_opinion_truth_polarity_kind_and_order_are_independent():
    """Every pair of 20,000 draws: the larger cell of four stays within 5 standard deviations of a quarter."""
    table, _, _ = candidates({"trec": many("trec", 20_000)}, templates=TRAINABLE)
    factors = ["opinion", "truth", "polarity", "label_kind", "option_order"]
    for index, left in enumerate(factors):
        for right in factors[index + 1 :]:
            counts = table.group_by(left, right).len()["len"].cast(pl.Int64)
            assert len(counts) == 4
            assert (counts - 5_000).abs().max() < 5 * (20_000 * 0.25 * 0.75) ** 0.5


SCRIPT = """
import polars as pl
from pathlib import Path
from syco_data.claims import claims; from syco_data.prompts import prompts; from syco_data import schemas, tables
from tests.support.rows import CLAIMS, PROMPTS, many
raw = {key: many(key, 900) for key in ("sst2", "snli", "cola")}
built = claims.build(raw, CLAIMS, 0)
tables.write(built.kept, schemas.CLAIMS, Path("claims.parquet"))
made = prompts.build(built.kept, PROMPTS.model_copy(update={"rows": 2500}), 0)
with tables.writer(schemas.PROMPTS, Path("prompts.parquet")) as out:
    for chunk in made.chunks():
        out.append(chunk)
"""


@pytest.mark.parametrize("settings", [{"POLARS_MAX_THREADS": "1"}, {"PYTHONHASHSEED": "7"}])
def test_threads_and_hash_seed_change_no_byte(tmp_path, settings):
    files = {}
    for name, extra in (("plain", {"POLARS_MAX_THREADS": "2", "PYTHONHASHSEED": "0"}), ("changed", settings)):
        folder = tmp_path / name
        folder.mkdir()
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **extra}
        subprocess.run([sys.executable, "-c", SCRIPT], cwd=folder, env=environment, check=True)
        files[name] = [(folder / table).read_bytes() for table in ("claims.parquet", "prompts.parquet")]
    assert files["plain"] == files["changed"]


def test_the_writer_refuses_chunks_out_of_order(tmp_path):
    table, _, _ = candidates({"trec": many("trec", 50)})
    with pytest.raises(SycoError, match="out of order"), tables.writer(schemas.PROMPTS, tmp_path / "p.parquet") as out:
        out.append(table[25:])
        out.append(table[:25])
    assert list(tmp_path.iterdir()) == []
