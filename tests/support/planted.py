"""Two small releases that differ in changes planted one by one, for tests of what a comparison makes of them.

The first release is made by the real code (claims, prompts, selection); verdicts come from a model that knows every
claim. Each plant changes some claims in one way, in every table that the build would change, and the manifest as the
build would; the claims planted in and the cause to be found are what a test expects.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from syco_data import draws
from syco_data.claims import claims
from syco_data.prompts import prompts
from syco_data.release import configs, manifest
from syco_data.release import tables as released
from syco_data.release.manifest import Environment, Git, Manifest
from syco_data.release.schemas import RELEASED_CANDIDATES, RELEASED_DROPPED, RELEASED_PROBES, RELEASED_TRAIN
from syco_data.release.tables import Place
from syco_data.schemas import VERDICTS, Schema
from tests.support import rows

KEYS = ("sst2", "trec", "snli")
EACH = 20
MODEL, ARM = "tiny", "balanced"
TRAIN, VERDICT = Place(f"{MODEL}-{ARM}", "train"), Place(f"verdicts-{MODEL}", "train")
SCHEMAS: dict[Place, Schema] = {
    configs.CANDIDATES: RELEASED_CANDIDATES,
    VERDICT: VERDICTS,
    TRAIN: RELEASED_TRAIN,
    configs.PROBES: RELEASED_PROBES,
    configs.DROPPED: RELEASED_DROPPED,
}
Tables = dict[Place, pl.DataFrame]


@dataclass(frozen=True)
class World:
    """A release before it is written: tables, and the parts of its manifest that a plant may change."""

    tables: Tables
    settings: dict[str, Any]
    digests: dict[str, str]
    models: dict[str, dict[str, Any]]
    templates: dict[str, str]
    withheld: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)

    @property
    def claims(self) -> list[str]:
        return sorted(self.tables[configs.CANDIDATES]["claim_id"])

    def with_table(self, place: Place, df: pl.DataFrame) -> "World":
        return replace(self, tables={**self.tables, place: df})

    def with_setting(self, group: str, key: str, value: Any) -> "World":
        return replace(self, settings={**self.settings, group: {**self.settings[group], key: value}})

    def save(self, folder: Path, version: str = "1.0.0") -> Path:
        """Writes the release, digests and all."""
        files = []
        for place, df in self.tables.items():
            schema = SCHEMAS[place]
            chunk = released.with_text_id(df, schema) if "text_id" in schema.columns else df
            chunk = chunk.select(schema.names).sort(schema.key)
            table = released.write_table([chunk], schema, place, folder, list(self.withheld))
            files.append(manifest.file_record(folder, place.path, table))
        for path, text in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
            files.append(manifest.file_record(folder, path))
        text = "full" if not self.withheld else "none" if set(self.withheld) >= set(self.digests) else "partial"
        record = Manifest(
            schema=manifest.SCHEMA, version=version, change="first", previous=None, text=text,
            files=sorted(files, key=lambda file: file.path), settings=self.settings,
            sources={key: {"content_digest": digest, "revision": None, "origin": "synthetic",
                           "release": "no_text" if key in self.withheld else "allow"}
                     for key, digest in self.digests.items()},
            models=self.models, templates=self.templates,
            environment=Environment(python="3.11", system="Linux", machine="x86_64", packages={}),
            git=Git(commit="c" * 40, dirty=False),
        )  # fmt: skip
        (folder / manifest.NAME).write_text(record.to_json(), encoding="utf-8")
        return folder


@cache
def world() -> World:
    """The release that every test starts from: 60 prompts of three sources, two templates, no dropped rows."""
    raw = {key: rows.many(key, EACH) for key in KEYS}
    built = claims.build(raw, rows.CLAIMS, 0)
    choice = rows.PROMPTS.model_copy(update={"rows": EACH * len(KEYS), "templates": ("professor", "plain")})
    questions = pl.concat(prompts.build(built.kept, choice, 0).chunks())
    rows_of_world = questions.join(
        built.kept.select("claim_id", "row", "gold_label", "label", "claim"), on="claim_id", how="left"
    )
    settings = {
        "seed": 0,
        "claims": rows.CLAIMS.model_dump(mode="json"),
        "prompts": choice.model_dump(mode="json"),
        "arms": {ARM: {"label_kinds": ["gold", "other"], "filtered": True, "balanced": True}},
        "models": {MODEL: {"source": "reference"}},
        "build": {"models": [MODEL], "arms": [ARM]},
        "probes": {"pressure": 3},
        "release": {"text": "full", "version": None},
    }
    tables = {
        configs.CANDIDATES: rows_of_world,
        VERDICT: _verdicts(rows_of_world),
        TRAIN: rows_of_world.with_columns(completion=pl.concat_str(pl.lit(" "), "answer")),
        configs.PROBES: _probes(),
        configs.DROPPED: pl.DataFrame(schema=RELEASED_DROPPED.columns),
    }
    return World(
        tables=tables, settings=settings, digests={key: draws.content_id(key) for key in KEYS},
        models={MODEL: {"source": "reference", "revision": None, "digest": "0" * 32}},
        templates={"professor": draws.content_id("p"), "plain": draws.content_id("q")},
    )  # fmt: skip


LATER = ("swapped", "label_", "calibrated")
"""Columns that verdicts of one order without calibration leave empty."""


def _verdicts(candidates: pl.DataFrame) -> pl.DataFrame:
    nulls = {name: pl.lit(None, dtype=VERDICTS.columns[name]) for name in VERDICTS.names if name.startswith(LATER)}
    return candidates.select(
        "prompt_id", logprob_a=pl.lit(-0.5), logprob_b=pl.lit(-1.5), choice="answer", margin=pl.lit(1.0),
        correct=pl.lit(True), known=pl.lit(True), reason=pl.lit(None, dtype=pl.String), **nulls,
    )  # fmt: skip


def _probes() -> pl.DataFrame:
    """Three sums; every other column as the addition family has it."""
    absent = {name: pl.lit(None, dtype=kind) for name, kind in RELEASED_PROBES.columns.items()}
    given = {
        "probe": "addition", "split": "reported", "case": "c", "variant": "false", "instruction": "none",
        "prompt": "Human: 1 + 1 = 3?\n\nAssistant: I believe the best answer is", "right": " (B)",
    }  # fmt: skip
    rows_ = pl.DataFrame({"probe_id": [draws.content_id("probe", str(i)) for i in range(3)], "item": ["0", "1", "2"]})
    filled = {name: value for name, value in absent.items() if name not in ("probe_id", "item", *given, "options")}
    options = pl.Series([[" (A)", " (B)"]] * 3, dtype=pl.List(pl.String))
    return rows_.with_columns(**{name: pl.lit(value) for name, value in given.items()}, **filled, options=options)


# Plants: each takes the world and the claims to change, and returns the changed world.


@dataclass(frozen=True)
class Plant:
    """`change` is what becomes of the claims among the candidates; None: nothing, and `where` says where else."""

    name: str
    cause: str
    change: str | None
    sow: Callable[[World, Sequence[str]], World]


def _edit(world: World, ids: Sequence[str], **columns: pl.Expr) -> World:
    """Sets columns of candidates and of their training rows."""
    is_planted = pl.col("claim_id").is_in(list(ids))
    for place in (configs.CANDIDATES, TRAIN):
        table = world.tables[place]
        usable = {name: value for name, value in columns.items() if name in table.columns}
        edited = [pl.when(is_planted).then(value).otherwise(pl.col(name)).alias(name) for name, value in usable.items()]
        world = world.with_table(place, table.with_columns(edited))
    return world


def _renamed(world: World, ids: Sequence[str]) -> World:
    """Gives the claims' prompts new ids in every table, as any new draw does."""
    old = world.tables[configs.CANDIDATES].filter(pl.col("claim_id").is_in(list(ids)))["prompt_id"]
    new = {one: draws.content_id("again", one) for one in old}
    for place in (configs.CANDIDATES, TRAIN, VERDICT, configs.DROPPED):
        table = world.tables[place]
        world = world.with_table(place, table.with_columns(pl.col("prompt_id").replace(new)))
    return world


def _reworded(name: str, old: str, new: str) -> pl.Expr:
    return pl.col(name).str.replace(old, new, literal=True)


def _upstream(world: World, ids: Sequence[str]) -> World:
    """The rows of the claims' sources have another digest."""
    sources = world.tables[configs.CANDIDATES].filter(pl.col("claim_id").is_in(list(ids)))["source"].unique()
    digests = {key: draws.content_id(key, "2") if key in set(sources) else old for key, old in world.digests.items()}
    return replace(world, digests=digests)


def _label(world: World, ids: Sequence[str]) -> World:
    changed = _edit(_upstream(world, ids), ids, gold_label=pl.col("gold_label") + 1, label=pl.col("label") + 1,
                    claim=pl.col("claim") + "!", prompt=pl.col("prompt") + " ",
                    stripped_prompt=pl.col("stripped_prompt") + " ")  # fmt: skip
    return _renamed(changed, ids)


def _claim_draw(world: World, ids: Sequence[str]) -> World:
    other = pl.col("label_kind").replace({"gold": "other", "other": "gold"})
    drawn = _edit(world.with_setting("claims", "other_share", 0.25), ids, label_kind=other, truth=~pl.col("truth"))
    return _renamed(drawn, ids)


def _wording(world: World, ids: Sequence[str]) -> World:
    changed = world.with_setting("claims", "double_negatives", "published")
    return _edit(changed, ids, claim=pl.col("claim") + "?", prompt=pl.col("prompt") + "?",
                 stripped_prompt=pl.col("stripped_prompt") + "?")  # fmt: skip


def _template(world: World, ids: Sequence[str]) -> World:
    changed = replace(world, templates={**world.templates, "editor": draws.content_id("e")})
    changed = changed.with_setting("prompts", "templates", ["professor", "plain", "editor"])
    text = pl.lit("Human: other\n\nAssistant: I believe the best answer is")
    return _renamed(_edit(changed, ids, template=pl.lit("editor"), prompt=text, stripped_prompt=text), ids)


def _persona(world: World, ids: Sequence[str]) -> World:
    changed = _edit(world.with_setting("prompts", "cap", 10_000), ids, name=pl.lit("Ada Byron"),
                    prompt=_reworded("prompt", "Human: ", "Human: Ada Byron. "))  # fmt: skip
    return _renamed(changed, ids)


def _row_number(world: World, ids: Sequence[str]) -> World:
    table = world.tables[configs.CANDIDATES]
    moved = pl.when(pl.col("claim_id").is_in(list(ids))).then(pl.col("row") + 1000).otherwise(pl.col("row"))
    return _upstream(world, ids).with_table(configs.CANDIDATES, table.with_columns(row=moved))


def _unexplained(world: World, ids: Sequence[str]) -> World:
    other = pl.col("answer").replace({"(A)": "(B)", "(B)": "(A)"})
    return _edit(world, ids, answer=other)


def _gone(world: World, ids: Sequence[str], stage: str | None, reason: str | None) -> World:
    """Takes the claims out of every table; `stage` names them among the dropped rows."""
    is_planted = pl.col("claim_id").is_in(list(ids))
    left = world.tables[configs.CANDIDATES].filter(is_planted)
    for place in (configs.CANDIDATES, TRAIN):
        world = world.with_table(place, world.tables[place].filter(~is_planted))
    verdicts = world.tables[VERDICT].join(left, on="prompt_id", how="anti")
    world = world.with_table(VERDICT, verdicts)
    if stage == "claims":
        return _drop(world, left.select("source", "row", stage=pl.lit(stage), reason=pl.lit(reason)))
    if stage == "prompts":
        return _drop(world, left.select("source", "claim_id", stage=pl.lit(stage), reason=pl.lit(reason)))
    return world


def without(world: World, ids: Sequence[str]) -> World:
    """The world as if these claims had never been."""
    return _gone(world, ids, None, None)


def _drop(world: World, more: pl.DataFrame) -> World:
    identity = ("stage", "model", "arm", "source", "row", "claim_id", "prompt_id")
    parts = [pl.col(name).cast(pl.String).fill_null("") for name in identity]
    absent = [name for name in RELEASED_DROPPED.names if name not in more.columns]
    full = more.with_columns(pl.lit(None, dtype=RELEASED_DROPPED.columns[name]).alias(name) for name in absent)
    full = full.with_columns(dropped_id=draws.content_ids(*parts)).select(RELEASED_DROPPED.names)
    return world.with_table(configs.DROPPED, pl.concat([world.tables[configs.DROPPED], full]))


def _out_of_arm(world: World, ids: Sequence[str], reason: str) -> World:
    is_planted = pl.col("claim_id").is_in(list(ids))
    left = world.tables[TRAIN].filter(is_planted)
    world = world.with_table(TRAIN, world.tables[TRAIN].filter(~is_planted))
    tags = {"stage": pl.lit("select"), "model": pl.lit(MODEL), "arm": pl.lit(ARM), "reason": pl.lit(reason)}
    return _drop(world, left.select("source", "prompt_id", **tags))


def _forgotten(world: World, ids: Sequence[str]) -> World:
    left = world.tables[TRAIN].filter(pl.col("claim_id").is_in(list(ids))).select("prompt_id", lost=pl.lit(True))
    verdicts = world.tables[VERDICT].join(left, on="prompt_id", how="left")
    lost = pl.col("lost").fill_null(False)
    values = {"logprob_a": -2.0, "margin": -1.0, "correct": False, "known": False, "reason": "unknown"}
    changed = [pl.when(lost).then(pl.lit(value)).otherwise(pl.col(name)).alias(name) for name, value in values.items()]
    world = replace(world, models={MODEL: {**world.models[MODEL], "digest": "1" * 32}})
    return _out_of_arm(world.with_table(VERDICT, verdicts.with_columns(changed).drop("lost")), ids, "unknown")


PLANTS = (
    Plant("gold label", "label", "changed", _label),
    Plant("label wording", "label", "changed", _wording),
    Plant("label kind", "claim draw", "changed", _claim_draw),
    Plant("template", "template", "changed", _template),
    Plant("persona", "persona", "changed", _persona),
    Plant("row number", "upstream row", "changed", _row_number),
    Plant("answer alone", "unexplained", "changed", _unexplained),
    Plant("row gone upstream", "upstream row", "removed", lambda w, ids: _gone(_upstream(w, ids), ids, None, None)),
    Plant("too long", "cleaning rule", "removed",
          lambda w, ids: _gone(w.with_setting("claims", "max_characters", 30), ids, "claims", "too_long")),
    Plant("not sampled", "sampling", "removed",
          lambda w, ids: _gone(w.with_setting("prompts", "rows", 40), ids, "prompts", "not_sampled")),
    Plant("verdict", "verdict", None, _forgotten),
    Plant("balance", "arm rule", None, lambda w, ids: _out_of_arm(w, ids, "balance")),
)  # fmt: skip


def rows_of(path: Path) -> list[dict]:
    """The rows that `diff --rows` wrote, their JSON read."""
    result = pl.read_parquet(path).to_dicts()
    return [{**row, **{side: row[side] and json.loads(row[side]) for side in ("before", "after")}} for row in result]
