"""Every check can fail: one violation planted in a sound build breaks that check, and only it."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import polars as pl
import pytest

from syco_data.prompts import templates, transcripts
from syco_data.select import CELL
from syco_data.sources import SOURCES
from syco_data.validate import build_checks, prompt_checks
from syco_data.validate.build_checks import BuildRows
from syco_data.validate.findings import Finding, evaluate
from tests.support.tables_for_tests import MODEL, shared_build, small_settings

SETTINGS = small_settings()
FORMS = {name: templates.load(name) for name in SETTINGS.prompts.templates}
TRAIN = (MODEL, "balanced")


@cache
def sound() -> BuildRows:
    """The checks' view of a sound build, held in memory."""
    build = shared_build()
    result = build_checks.build_rows(build.tables)
    names = ("claims", "dropped_rows", "prompts", "not_sampled", "probes", "unused_probes")
    groups = ("raw", "held_out", "verdicts", "train", "dropped_prompts")
    return BuildRows(
        **{name: getattr(result, name).collect().lazy() for name in names},
        **{name: {key: rows.collect().lazy() for key, rows in getattr(result, name).items()} for name in groups},
    )


def broken(build: BuildRows) -> dict[tuple[str, str], Finding]:
    """Every broken check by (table, name)."""
    every = [
        *build_checks.every(build, SETTINGS, FORMS),
        prompt_checks.source_share(build.prompts, build.claims, SETTINGS),
    ]
    result = [evaluate(check, 0, 10) for check in every]
    return {(one.table, one.check): one for one in result if not one.holds}


def with_row(rows: pl.LazyFrame, key: str, change: Callable[[dict], dict], pick: pl.Expr | None = None) -> pl.LazyFrame:
    """The table with its first row (of those that `pick` allows) changed."""
    df = rows.collect()
    picked_row = (df if pick is None else df.filter(pick)).sort(key).row(0, named=True)
    changed = pl.DataFrame([{**picked_row, **change(picked_row)}], schema=df.schema)
    return pl.concat([df.filter(pl.col(key) != picked_row[key]), changed]).sort(key).lazy()


def without_row(rows: pl.LazyFrame, key: str, pick: pl.Expr | None = None) -> pl.LazyFrame:
    df = rows.collect()
    first = (df if pick is None else df.filter(pick)).sort(key)[key][0]
    return df.filter(pl.col(key) != first).lazy()


def test_a_sound_build_breaks_no_check():
    assert broken(sound()) == {}


def swap(letter: str) -> str:
    return "(B)" if letter == "(A)" else "(A)"


# table, check, and the planted violation as a change of one row of one table
CLAIMS = {
    "label_kind": lambda row: {"label_kind": "other" if row["label_kind"] == "gold" else "gold"},
    "truth": lambda row: {"truth": not row["truth"]},
    "claim_wording": lambda row: {"claim": row["claim"] + " indeed"},
}
PROMPTS = {
    "user_is_right": lambda row: {"user_is_right": not row["user_is_right"]},
    "opinion_in_prompt": lambda row: {"name": "Nobody At All"},
    "stripped_in_prompt": lambda row: {"prompt": row["prompt"].replace("\n\nAnswer:", "\n\nYour answer:")},
    "claim_columns": lambda row: {"label_kind": "other" if row["label_kind"] == "gold" else "gold"},
    "nothing_left": lambda row: {
        column: row[column].replace("\n\nChoices:", f" {row['name']} asks.\n\nChoices:")
        for column in ("prompt", "stripped_prompt")
    },
}
VERDICTS = {
    "verdict_choice": lambda row: {"choice": swap(row["choice"]), "correct": not row["correct"], "known": False,
                                   "reason": "unknown"},
    "verdict_margin": lambda row: {"margin": row["margin"] + 1},
    "verdict_correct": lambda row: {"swapped_correct": not row["swapped_correct"]},
    "verdict_reason": lambda row: {"reason": "unsure" if row["known"] else None},
    "verdict_known": lambda row: {"known": True, "reason": None},
}  # fmt: skip
# Rows that no training set holds, or verdicts that are wrong: a change there touches nothing else.
UNTRAINED = "untrained"


def outside_training(build: BuildRows) -> pl.Expr:
    trained = pl.concat([rows.select("prompt_id").collect() for rows in build.train.values()])["prompt_id"]
    return ~pl.col("prompt_id").is_in(trained.implode())


def claims_not_asked(build: BuildRows) -> pl.Expr:
    rows = build.prompts.select("claim_id").collect()["claim_id"]
    return ~pl.col("claim_id").is_in(rows.implode())


@pytest.mark.parametrize("name", CLAIMS)
def test_planted_in_claims(name):
    build = sound()
    planted = replace(build, claims=with_row(build.claims, "claim_id", CLAIMS[name], claims_not_asked(build)))
    expected = {("claims", name)} | ({("claims", "label_kind")} if name == "label_kind" else set())
    assert set(broken(planted)) == expected


def test_a_claim_with_a_label_that_its_source_lacks():
    build = sound()
    change = lambda row: {"label": 9, "label_kind": "other", "truth": row["polarity"] == "is not"}  # noqa: E731
    planted = replace(build, claims=with_row(build.claims, "claim_id", change, claims_not_asked(build)))
    assert set(broken(planted)) == {("claims", "label_exists")}


def test_a_claim_with_another_label_than_its_source_row():
    """Every part of the claim follows from the wrong label: only the source row tells."""
    build = sound()

    def change(row: dict) -> dict:
        gold = (row["gold_label"] + 1) % len(SOURCES[row["source"]].labels)
        kind = "gold" if row["label"] == gold else "other"
        return {"gold_label": gold, "label_kind": kind, "truth": (kind == "gold") == (row["polarity"] == "is")}

    planted = replace(build, claims=with_row(build.claims, "claim_id", change, claims_not_asked(build)))
    assert set(broken(planted)) == {("claims", "gold_label")}


def test_a_claim_about_another_text_than_its_source_row():
    build = sound()
    change = lambda row: {name: row[name].replace('"', '"Not ', 1) for name in ("input", "claim")}  # noqa: E731
    planted = replace(build, claims=with_row(build.claims, "claim_id", change, claims_not_asked(build)))
    assert set(broken(planted)) == {("claims", "input_of_row")}


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("duplicate", {"kept_row": 999_999}),
        ("duplicate", {"kept_source": None, "kept_row": None}),
        ("conflict", {"kept_source": "sst2", "kept_row": 0}),
    ],
)
def test_a_dropped_row_that_names_no_claim_or_one_too_many(reason, change):
    build = sound()
    rows = build.dropped_rows.collect().sort("source", "row").with_row_index()
    first = pl.col("index") == rows.filter(pl.col("reason") == reason)["index"][0]
    values = [pl.when(first).then(pl.lit(value)).otherwise(name).alias(name) for name, value in change.items()]
    planted = replace(build, dropped_rows=rows.with_columns(values).drop("index").lazy())
    assert set(broken(planted)) == {("claims/dropped", "kept_row")}


def test_a_source_row_that_is_nowhere_and_one_that_is_twice():
    build = sound()
    gone = replace(build, dropped_rows=without_row(build.dropped_rows, "row"))
    assert set(broken(gone)) == {("claims", "nothing_lost")}
    claim = build.claims.collect().row(0, named=True)
    double = pl.DataFrame(
        [{"source": claim["source"], "row": claim["row"], "reason": "empty", "kept_source": None, "kept_row": None}],
        schema=build.dropped_rows.collect_schema(),
    )
    twice = replace(build, dropped_rows=pl.concat([build.dropped_rows, double.lazy()]))
    result = broken(twice)
    assert set(result) == {("claims", "nothing_lost")}
    assert result["claims", "nothing_lost"].first == (f"{claim['source']}/{claim['row']}",)


@pytest.mark.parametrize("name", PROMPTS)
def test_planted_in_prompts(name):
    build = sound()
    planted = replace(build, prompts=with_row(build.prompts, "prompt_id", PROMPTS[name], outside_training(build)))
    result = broken(planted)
    assert set(result) == {("prompts", name)}
    assert result["prompts", name].offending == 1


def test_a_wrong_answer():
    build = sound()
    rows = build.prompts.collect().filter(outside_training(build)).sort("prompt_id")
    prompt_id = rows["prompt_id"][0]
    planted = replace(
        build,
        prompts=with_row(
            build.prompts, "prompt_id", lambda row: {"answer": swap(row["answer"])}, pl.col("prompt_id") == prompt_id
        ),
        # The verdict is about the answer: it goes along, so that the answer alone is at odds with its parts.
        verdicts={MODEL: with_row(build.verdicts[MODEL], "prompt_id", mirrored, pl.col("prompt_id") == prompt_id)},
    )
    result = broken(planted)
    assert set(result) == {("prompts", "answer")} and result["prompts", "answer"].first == (prompt_id,)


def mirrored(row: dict) -> dict:
    """The same log-probabilities judged against the other answer."""
    correct = not row["correct"]
    return {
        "margin": -row["margin"], "correct": correct, "swapped_margin": -row["swapped_margin"],
        "swapped_correct": not row["swapped_correct"], "known": False, "reason": "unknown",
    }  # fmt: skip


def test_options_in_another_order():
    """Every prompt of one form has its options exchanged: all the same text, so no other check sees it."""
    build = sound()
    turned = (pl.col("template") == "plain") & (pl.col("option_order") == "agree_first")
    exchanged = [
        pl.when(turned).then(transcripts.swap_options(pl.col(name))).otherwise(name).alias(name)
        for name in ("prompt", "stripped_prompt")
    ]
    rows = build.prompts.filter(outside_training(build) | ~turned).with_columns(exchanged)
    planted = rows.collect()
    result = prompt_checks.of_texts(planted.lazy(), FORMS)
    broken_here = {check.name: evaluate(check, 0, 10).offending for check in result}
    assert broken_here.pop("option_words") == len(planted.filter(turned)) > 0
    assert set(broken_here.values()) == {0}


def test_a_prompt_about_no_claim_and_a_claim_in_no_table():
    build = sound()
    moved = with_row(build.prompts, "prompt_id", lambda row: {"claim_id": "f" * 32}, outside_training(build))
    assert set(broken(replace(build, prompts=moved))) == {("prompts", "claim_exists"), ("prompts", "nothing_lost")}
    gone = replace(build, not_sampled=without_row(build.not_sampled, "claim_id"))
    assert set(broken(gone)) == {("prompts", "nothing_lost")}


def test_a_source_below_its_share():
    build = sound()
    lost = build.prompts.collect().filter((pl.col("source") != "trec") | outside_training(build))
    few = lost.filter(pl.col("source") == "trec")["prompt_id"].head(5)
    kept = build.prompts.filter(~pl.col("prompt_id").is_in(few.implode()))
    assert evaluate(prompt_checks.source_share(kept, build.claims, SETTINGS), 0, 10).first == ("trec",)
    without = [rows.filter(pl.col("source") != "trec") for rows in (build.prompts, build.claims)]
    assert evaluate(prompt_checks.source_share(*without, SETTINGS), 0, 10).first == ("trec",), (
        "a source without a single claim"
    )


@pytest.mark.parametrize("sampling", ["proportional", "balanced", {"sst2": 0.25, "trec": 0.75}])
def test_least_counts_follow_the_sampling_rule(sampling):
    settings = small_settings(prompts={"sampling": sampling, "rows": 400})
    least = prompt_checks.least_counts({"sst2": 1000, "trec": 3000}, settings)
    expected = {"proportional": (100, 300), "balanced": (200, 200)}.get(str(sampling), (100, 300))
    for result, share in zip((least["sst2"], least["trec"]), expected, strict=True):
        assert share - 40 <= result <= share


def other(option: str) -> str:
    return {" (A)": " (B)", " (B)": " (A)"}[option]


class TestProbes:
    def planted(self, change: Callable[[dict], dict]) -> set[tuple[str, str]]:
        build = sound()
        pick = pl.col("input").is_not_null()
        return set(broken(replace(build, probes=with_row(build.probes, "probe_id", change, pick))))

    def test_an_input_of_training_in_other_spelling(self):
        claim = sound().claims.collect().row(0, named=True)
        spelled = claim["input"].upper().replace(" ", "  ")
        assert self.planted(lambda row: {"input": spelled}) == {("probes", "no_trained_input")}

    def test_a_claim_of_training(self):
        claim = sound().claims.collect().row(0, named=True)
        assert self.planted(
            lambda row: {"claim": claim["claim"], "prompt": row["prompt"].replace(row["claim"], claim["claim"])}
        ) == {("probes", "no_trained_claim")}

    def test_a_prompt_of_training(self):
        rows = sound().prompts.collect().row(0, named=True)
        assert self.planted(lambda row: {"prompt": rows["prompt"], "claim": None}) == {("probes", "no_trained_prompt")}

    def test_an_answer_that_is_not_an_option(self):
        assert self.planted(lambda row: {"right": " (C)"}) == {("probes", "probe_options")}

    @pytest.mark.parametrize(
        ("name", "change"),
        [
            ("probe_answer", lambda row: {"right": other(row["right"])}),
            ("probe_user_view", lambda row: {"opinion": {"agree": "disagree", "disagree": "agree"}[row["opinion"]]}),
            ("probe_user_is_right", lambda row: {"user_is_right": not row["user_is_right"]}),
            ("probe_truth", lambda row: {"polarity": {"is": "is not", "is not": "is"}[row["polarity"]]}),
            ("probe_claim", lambda row: {"prompt": "Human: What is the weather like?"}),
            ("probe_places", lambda row: {"template": "no_such_template"}),
        ],
    )
    def test_planted_in_a_held_out_claim(self, name, change):
        build = sound()
        pick = (pl.col("probe") == "held_out") & pl.col("opinion").is_in(["agree", "disagree"])
        planted = broken(replace(build, probes=with_row(build.probes, "probe_id", change, pick)))
        assert set(planted) == {("probes", name)}

    def test_a_held_out_claim_of_another_source(self):
        """A source that the settings do not name, and so no row of it."""
        build = sound()
        probes = with_row(build.probes, "probe_id", lambda row: {"source": "nowhere"}, pl.col("probe") == "held_out")
        places = ("probe_places", "held_out_item")
        assert set(broken(replace(build, probes=probes))) == {("probes", name) for name in places}

    def test_a_held_out_claim_about_no_row(self):
        build = sound()
        change = lambda row: {"input": row["input"] + " indeed"}  # noqa: E731
        pick = (pl.col("probe") == "held_out") & pl.col("input").is_not_null()
        assert set(broken(replace(build, probes=with_row(build.probes, "probe_id", change, pick)))) == {
            ("probes", "held_out_item")
        }

    def test_a_family_that_is_not_there(self):
        build = sound()
        result = broken(replace(build, probes=build.probes.filter(pl.col("probe") != "pressure")))
        assert set(result) == {("probes", "probe_families")} and result["probes", "probe_families"].first == (
            "pressure",
        )


class TestDroppedProbes:
    def planted(self, rows: pl.DataFrame) -> dict[tuple[str, str], Finding]:
        return broken(replace(sound(), unused_probes=rows.lazy()))

    def rows(self) -> pl.DataFrame:
        return sound().unused_probes.collect().sort("source", "row")

    @pytest.mark.parametrize("reason", ["not_sampled", "duplicate", "conflict", "unlabelled"])
    def test_a_row_that_is_lost(self, reason):
        rows = self.rows().with_row_index()
        lost = rows.filter(pl.col("reason") == reason).row(0, named=True)
        result = self.planted(rows.filter(pl.col("index") != lost["index"]).drop("index"))
        assert result["probes/dropped", "nothing_lost"].first == (f"{lost['source']}/{lost['row']}",)

    def test_a_second_row_with_the_text_of_an_asked_claim(self):
        build = sound()
        key, frame = next(iter(build.held_out.items()))
        used = frame.collect().join(self.rows().filter(pl.col("source") == key), on="row", how="anti").head(1)
        again = pl.concat([frame.collect(), used.with_columns(row=pl.lit(999_999, dtype=pl.Int64))])
        result = broken(replace(build, held_out={**build.held_out, key: again.lazy()}))
        assert set(result) == {("probes", "held_out_item")}

    def test_a_row_that_is_kept_and_dropped_or_is_none(self):
        rows, build = self.rows(), sound()
        places = pl.concat(frame.select("row", source=pl.lit(key)) for key, frame in build.held_out.items()).collect()
        used = places.join(rows, on=["source", "row"], how="anti").sort("source", "row").row(0, named=True)
        for place, table, name in (
            ({"source": used["source"], "row": used["row"]}, "probes", "held_out_item"),
            ({"source": "sst2", "row": 999_999}, "probes/dropped", "nothing_lost"),
        ):
            more = {**place, "reason": "not_sampled", "kept_source": None, "kept_row": None}
            result = self.planted(pl.concat([rows, pl.DataFrame([more], schema=rows.schema)]))
            assert set(result) == {(table, name)}

    @pytest.mark.parametrize(
        ("reason", "change"),
        [
            ("duplicate", {"kept_row": 999_999}),
            ("duplicate", {"kept_source": None, "kept_row": None}),
            ("not_sampled", {"kept_source": "sst2", "kept_row": 0}),
        ],
    )
    def test_a_dropped_row_that_names_no_row_or_one_too_many(self, reason, change):
        rows = self.rows().with_row_index()
        first = pl.col("index") == rows.filter(pl.col("reason") == reason)["index"][0]
        values = [pl.when(first).then(pl.lit(value)).otherwise(name).alias(name) for name, value in change.items()]
        result = self.planted(rows.with_columns(values).drop("index"))
        assert set(result) == {("probes/dropped", "kept_row")}


@pytest.mark.parametrize("name", VERDICTS)
def test_planted_in_verdicts(name):
    build = sound()
    pick = outside_training(build) & ~pl.col("known")
    if name == "verdict_reason":
        pick = outside_training(build)
    planted = replace(build, verdicts={MODEL: with_row(build.verdicts[MODEL], "prompt_id", VERDICTS[name], pick)})
    result = set(broken(planted))
    assert result == {(f"verdicts/{MODEL}", name)}


def test_verdicts_without_prompts_and_prompts_without_verdicts():
    build = sound()
    pick = outside_training(build)
    gone = replace(build, verdicts={MODEL: without_row(build.verdicts[MODEL], "prompt_id", pick)})
    assert set(broken(gone)) == {(f"verdicts/{MODEL}", "verdict_for_prompt")}
    extra = build.verdicts[MODEL].collect().head(1).with_columns(prompt_id=pl.lit("e" * 32))
    more = replace(build, verdicts={MODEL: pl.concat([build.verdicts[MODEL], extra.lazy()])})
    assert set(broken(more)) == {(f"verdicts/{MODEL}", "verdict_of_prompt")}


class TestTraining:
    def planted(self, change: Callable[[dict], dict], pick: pl.Expr | None = None) -> set[tuple[str, str]]:
        build = sound()
        train = {**build.train, TRAIN: with_row(build.train[TRAIN], "prompt_id", change, pick)}
        return {(table.removeprefix(f"train/{MODEL}/"), check) for table, check in broken(replace(build, train=train))}

    def test_another_text(self):
        assert self.planted(lambda row: {"prompt": row["prompt"] + " surely"}) == {("balanced", "train_text")}

    def test_the_wrong_completion(self):
        assert self.planted(lambda row: {"completion": " " + swap(row["completion"].strip())}) == {
            ("balanced", "completion")
        }

    def test_a_completion_without_its_blank(self):
        assert self.planted(lambda row: {"completion": row["completion"].strip()}) == {("balanced", "completion")}

    def test_a_row_that_is_not_a_prompt(self):
        """The row that it took the place of is missing, its cell is out of balance, and it is not a prompt."""
        result = self.planted(lambda row: {"prompt_id": "d" * 32})
        assert ("balanced", "train_of_prompt") in result
        assert result == {("balanced", "train_of_prompt"), ("balanced", "nothing_lost"), ("balanced", "arm_balance")}

    def exchanged(self, out: pl.Expr, into: pl.Expr) -> set[tuple[str, str]]:
        """One row leaves the training set and another comes in; the dropped table goes along."""
        build = sound()
        drawn = build.prompts.join(build.claims.select("claim_id", "label"), on="claim_id").collect()
        known = build.verdicts[MODEL].select("prompt_id", "known").collect()
        drawn = drawn.join(known, on="prompt_id")
        inside = drawn.join(build.train[TRAIN].select("prompt_id").collect(), on="prompt_id", how="semi").filter(out)
        outside = drawn.join(build.train[TRAIN].select("prompt_id").collect(), on="prompt_id", how="anti")
        pair = inside.join(outside.filter(into), on=[*CELL, "truth"], suffix="_in").sort("prompt_id", "prompt_id_in")
        return self._swap(build, pair.row(0, named=True))

    def _swap(self, build: BuildRows, pair: dict) -> set[tuple[str, str]]:
        new = build.prompts.filter(pl.col("prompt_id") == pair["prompt_id_in"]).select(
            "prompt_id", "source", "prompt", completion=pl.concat_str(pl.lit(" "), "answer")
        )
        train = pl.concat([build.train[TRAIN].filter(pl.col("prompt_id") != pair["prompt_id"]), new])
        dropped = build.dropped_prompts[TRAIN].with_columns(
            pl.col("prompt_id").replace({pair["prompt_id_in"]: pair["prompt_id"]})
        )
        planted = replace(
            build,
            train={**build.train, TRAIN: train},
            dropped_prompts={**build.dropped_prompts, TRAIN: dropped},
        )
        return {(table.removeprefix(f"train/{MODEL}/"), check) for table, check in broken(planted)}

    def test_a_claim_that_the_model_does_not_know(self):
        assert self.exchanged(pl.col("known"), ~pl.col("known")) == {("balanced", "arm_known")}

    def test_a_cell_out_of_balance(self):
        build = sound()
        picked_row = build.train[TRAIN].collect().sort("prompt_id").row(0, named=True)
        train = {**build.train, TRAIN: build.train[TRAIN].filter(pl.col("prompt_id") != picked_row["prompt_id"])}
        out = pl.DataFrame(
            [{"prompt_id": picked_row["prompt_id"], "source": picked_row["source"], "reason": "balance"}],
            schema=build.dropped_prompts[TRAIN].collect_schema(),
        )
        dropped = {**build.dropped_prompts, TRAIN: pl.concat([build.dropped_prompts[TRAIN], out.lazy()])}
        result = broken(replace(build, train=train, dropped_prompts=dropped))
        table = f"train/{MODEL}/balanced"
        assert set(result) == {(table, "arm_balance"), (table, "train_number")}
        assert result[f"train/{MODEL}/balanced", "arm_balance"].offending == 1

    def test_a_label_kind_that_the_arm_does_not_hold(self):
        build = sound()
        key = (MODEL, "published")
        wrong = build.prompts.filter(pl.col("label_kind") == "other").collect()
        known = build.verdicts[MODEL].filter("known").select("prompt_id").collect()
        planted_row = wrong.join(known, on="prompt_id", how="semi").sort("prompt_id").head(1)
        row = planted_row.select("prompt_id", "source", "prompt", completion=pl.concat_str(pl.lit(" "), "answer"))
        train = {**build.train, key: pl.concat([build.train[key], row.lazy()])}
        dropped = {
            **build.dropped_prompts,
            key: build.dropped_prompts[key].filter(pl.col("prompt_id") != planted_row["prompt_id"][0]),
        }
        result = broken(replace(build, train=train, dropped_prompts=dropped))
        table = f"train/{MODEL}/published"
        assert set(result) == {(table, "arm_label_kinds"), (table, "train_number")}

    def test_a_dropped_row_that_is_lost(self):
        build = sound()
        dropped = {**build.dropped_prompts, TRAIN: without_row(build.dropped_prompts[TRAIN], "prompt_id")}
        assert set(broken(replace(build, dropped_prompts=dropped))) == {(f"train/{MODEL}/balanced", "nothing_lost")}


def test_sources_are_known():
    assert set(SETTINGS.sources) <= set(SOURCES)
