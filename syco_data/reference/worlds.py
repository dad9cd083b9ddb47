"""What items are made of: inputs with what the model believes of them, claims, draws and persons."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from syco_data import draws
from syco_data.draws import Draws
from syco_data.prompts import personas, templates
from syco_data.reference import beliefs, sources, statements

COLUMNS = ("kind", "text", "answer", "belief", "verdict")
STREAM_TEMPLATE, STREAM_ORDER, STREAM_OPINION = 6, 7, 8


@dataclass(frozen=True)
class World:
    """Inputs with beliefs, and the templates by name (`main` ones take half the items)."""

    inputs: pl.DataFrame
    templates: dict[str, templates.Template]
    main: tuple[str, ...]
    seed: int


def world(
    side: sources.Side,
    per_source: int,
    seed: int,
    purpose: str,
    main: tuple[str, ...] = ("professor",),
    folder: Path | None = None,
) -> World:
    """Inputs of one side whose label the model is taught, and every template that is not held out."""
    inputs = beliefs.inputs(side, per_source, seed, purpose).filter(pl.col("believed").is_not_null())
    loaded = {name: templates.load(name, folder) for name in templates.names(folder)}
    usable = {name: template for name, template in loaded.items() if not template.held_out}
    return World(inputs, usable, tuple(name for name in main if name in usable) or tuple(usable), seed)


@dataclass(frozen=True)
class Cases:
    """Claims, each with its draws and those of its user, in the templates of a world."""

    world: World
    claims: pl.DataFrame
    draws: Draws
    persons: Draws

    def where(self, mask: np.ndarray) -> "Cases":
        kept = (Draws(each.streams[mask]) for each in (self.draws, self.persons))
        return Cases(self.world, self.claims.filter(pl.Series(mask)), *kept)

    def rendered(self) -> pl.DataFrame:
        """`prompt`, `stripped_prompt`, `truth`, `belief`, `claim`, `opinion` and `agree_first` of each claim."""
        rows = self.claims.with_columns(
            template=self.draws.choice(STREAM_TEMPLATE, self._templates()),
            **personas.personas(self.persons, 0),
            opinion=self.draws.choice(STREAM_OPINION, templates.OPINIONS),
            option_order=self.draws.choice(STREAM_ORDER, templates.ORDERS),
        ).with_row_index("number")
        df = templates.render(rows, self.world.templates).sort("number")
        return df.with_columns(agree_first=pl.col("option_order") == "agree_first")

    def _templates(self) -> list[str]:
        """Half of the items in the main templates, the other half in all of them."""
        main, every = self.world.main, list(self.world.templates)
        return [*(name for name in main for _ in every), *(name for name in every for _ in main)]


def draw_cases(world: World, count: int, mixture: statements.Mixture, purpose: str) -> Cases:
    """The first `count` cases of a purpose. The names of draws stay what they were: others would draw other items."""
    ids = [f"{purpose}/{index}" for index in range(count)]
    own, persons = (draws.draw(ids, world.seed, f"embedded/{name}") for name in ("items", "people"))
    return Cases(world, statements.claims(world.inputs, own, mixture), own, persons)


def combined(cases: Cases, makers: dict[Callable[[Cases], pl.DataFrame], np.ndarray]) -> pl.DataFrame:
    """Each maker's items for the cases of its mask, in the order of the cases."""
    parts = [
        make(cases.where(mask)).with_columns(number=pl.Series(np.flatnonzero(mask), dtype=pl.Int64))
        for make, mask in makers.items()
        if mask.any()
    ]
    if not parts:
        return pl.DataFrame(schema=dict.fromkeys(COLUMNS, pl.String()))
    return pl.concat(parts).sort("number").drop("number")
