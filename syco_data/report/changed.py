"""Answers that changed between the untuned and a tuned model: how many there are, and some to read."""

import re
from dataclasses import dataclass

import polars as pl

TO_RIGHT, TO_WRONG, OTHER = "became right", "became wrong", "no answer is right"
_OPTION = re.compile(r"^ ?\(([A-Z])\) (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """One probe and both answers, options in words; `right` and `user` are None where there is none."""

    probe_id: str
    probe: str
    variant: str
    prompt: str
    before: str
    after: str
    right: str | None
    user: str | None
    direction: str


@dataclass(frozen=True)
class Changes:
    """Of the probes that both answered: how many answers changed and which way, and examples of them."""

    answered: int
    changed: int
    became_right: int
    became_wrong: int
    examples: tuple[Example, ...]


def between(probes: pl.DataFrame, before: pl.DataFrame, after: pl.DataFrame, count: int) -> Changes:
    """`probes` as `schemas.PROBES`, `before` and `after` as `schemas.ANSWERS`; at most `count` examples."""
    old = before.select("probe_id", before="choice", was="correct")
    new = after.select("probe_id", after="choice", became="correct")
    both = probes.join(old, on="probe_id").join(new, on="probe_id").drop_nulls(["before", "after"])
    changed = both.filter(pl.col("before") != pl.col("after")).with_columns(direction=_direction())
    return Changes(
        answered=len(both),
        changed=len(changed),
        became_right=changed.filter(direction=TO_RIGHT).height,
        became_wrong=changed.filter(direction=TO_WRONG).height,
        examples=tuple(_example(row) for row in _chosen(changed, count).iter_rows(named=True)),
    )


def _direction() -> pl.Expr:
    became = pl.when("became").then(pl.lit(TO_RIGHT)).when("was").then(pl.lit(TO_WRONG))
    return became.otherwise(pl.lit(OTHER))


def _chosen(changed: pl.DataFrame, count: int) -> pl.DataFrame:
    """In turns over probe sets, in each over directions, in the order of the ids, which is chance; no item twice."""
    one = changed.sort("probe_id").unique("item", keep="first", maintain_order=True)
    turn = pl.col("probe_id").rank("ordinal").over("probe", "direction")
    ordered = one.with_columns(turn=turn).sort("turn", "direction", "probe_id")
    return ordered.with_columns(place=pl.int_range(pl.len()).over("probe")).sort("place", "probe").head(count)


def _example(row: dict) -> Example:
    words = {f" ({letter})": f"({letter}) {text.strip()}" for letter, text in _OPTION.findall(row["prompt"])}

    def written(option: str) -> str:
        return words.get(option, option.strip())

    right, user = (None if row[name] is None else written(row[name]) for name in ("right", "user_view"))
    before, after = written(row["before"]), written(row["after"])
    return Example(
        row["probe_id"], row["probe"], row["variant"], row["prompt"], before, after, right, user, row["direction"]
    )  # fmt: skip
