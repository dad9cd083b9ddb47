"""Ways of asking side by side, on claims that nothing is reported or trained on, and the one to take."""

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import polars as pl

from syco_data import engines
from syco_data.engines import scoring
from syco_data.engines.models import ResolvedModel
from syco_data.engines.planning import Indistinct
from syco_data.engines.scoring import Collected
from syco_data.filter import questions, summary, verdicts
from syco_data.filter.purity import Purity, estimate, wilson
from syco_data.filter.summary import Habits
from syco_data.settings import Engines, Filter


@dataclass(frozen=True)
class Answered:
    """Right answers of the rows that were scored, and the model's habits, over all or of one source."""

    right: int
    rows: int
    habits: Habits

    @property
    def accuracy(self) -> float:
        return self.right / self.rows if self.rows else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.right, self.rows)

    @property
    def purity(self) -> Purity | None:
        """At any margin."""
        return estimate(self.right, self.rows - self.right)


@dataclass(frozen=True)
class Way:
    """One way of asking: `settings` name it, `sources` are by name.

    `seconds` are those of 1,000 texts, None where all scores came from the store.
    """

    settings: Filter
    overall: Answered
    sources: dict[str, Answered]
    seconds: float | None


def every_way(settings: Filter) -> list[Filter]:
    """All that there are, each decided by the side on which its margin is."""
    plain = settings.model_copy(update={"purity": None, "unsure": 0.0, "ask": "auto"})
    ways = plain.model_copy(update={"rule": "answered", "calibrate": "none"}).ways
    return [*ways, *plain.model_copy(update={"rule": "averaged", "calibrate": "auto"}).ways]


def compare(prompts: pl.DataFrame, model: ResolvedModel, ways: Sequence[Filter], engine: Engines) -> list[Way]:
    """Each way on the same prompts (`development.build`); the model is loaded once, and only if a score is missing.

    A way whose replies the model's tokenizer does not tell apart is left out, with a line that says so. Raises that
    `SycoError` where no way is left.
    """
    results, loaded, impossible = {}, None, None
    with ExitStack() as stack:
        for ask in dict.fromkeys(way.ask for way in ways):
            orders = any(way.both_orders for way in ways if way.ask == ask)
            most = next(way for way in ways if way.ask == ask and way.both_orders == orders)
            table = questions.build(prompts, most, model.style)
            requests = questions.requests(table)
            if loaded is None and scoring.pending(requests, model, engine).batches:
                loaded = stack.enter_context(engines.open(model, engine))
            try:
                collected = scoring.collect(requests, model, engine, loaded)
            except Indistinct as error:
                impossible = error
                print(f"filter.ask: {ask} is left out: {error.what}", file=sys.stderr)
                continue
            results |= {way: _way(prompts, table, collected, way) for way in ways if way.ask == ask}
    if impossible is not None and not results:
        raise impossible
    return [results[way] for way in ways if way in results]


def _way(prompts: pl.DataFrame, questions: pl.DataFrame, collected: Collected, way: Filter) -> Way:
    table = verdicts.decide(questions, collected.scores, way).table
    sources = prompts.sort("source").partition_by("source", as_dict=True, maintain_order=True)
    return Way(
        settings=way,
        overall=_answered(prompts, table, way),
        sources={name: _answered(part, table, way) for (name,), part in sources.items()},
        seconds=1000 * collected.seconds / collected.fresh if collected.fresh else None,
    )


def _answered(prompts: pl.DataFrame, verdicts_: pl.DataFrame, way: Filter) -> Answered:
    table = prompts.select("prompt_id").join(verdicts_, on="prompt_id", maintain_order="left")
    figures = summary.summary(prompts, table, way)
    deciding = verdicts.sides(table, way.rule)["deciding"].drop_nulls()
    return Answered(int((deciding > 0).sum()), len(deciding), figures.calibrated or figures.habits)


def best(ways: Sequence[Way]) -> Way:
    """The most accurate; of equal ones the first, which is the simplest."""
    return max(ways, key=lambda way: way.overall.accuracy)


def choose(settings: Filter, model: ResolvedModel, prompts: Callable[[], pl.DataFrame], engine: Engines) -> Filter:
    """The settings with `auto` replaced by the best way on development prompts, which are read only if it is needed."""
    if len(settings.ways) == 1:
        return settings.ways[0]
    ways = [way.model_copy(update={"purity": None, "unsure": 0.0}) for way in settings.ways]
    best_settings = best(compare(prompts(), model, ways, engine)).settings
    return settings.model_copy(update={"ask": best_settings.ask, "calibrate": best_settings.calibrate})
