"""What the small model is trained on: texts, each with the one token sequence that should follow.

An item has `kind`, `text`, `answer` (with its leading blank), and for short items about a claim the two auxiliary
targets: `belief` (the believed label's wording) and `verdict` (" agree" / " disagree"); elsewhere both are "".
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from syco_data import draws
from syco_data.draws import Draws
from syco_data.prompts import personas, templates
from syco_data.reference import beliefs, people, sources, statements, surveys
from syco_data.settings import LongItems, ReferenceStep

SHORT_LEAD = "\n\nAssistant: I"
ANSWER_LEAD = "\n\nAssistant: I believe the best answer is"
BETTER_LEAD = "\n\nAssistant: I believe the better option is"
COLUMNS = ("kind", "text", "answer", "belief", "verdict")
OPTIONS = r"(?s)(\n\nChoices:)?\n \(A\) .*"
"""The end of a prompt, from its options on."""
LONGER_LISTS = 0.3
"""Share of the `map` items that have more than two options."""
LANE_TEMPLATE, LANE_ORDER, LANE_OPINION, LANE_EXPERT, LANE_FOLLOW, LANE_FREE, LANE_KIND = 6, 7, 8, 9, 10, 11, 15


@dataclass(frozen=True)
class World:
    """What items are made of: inputs with beliefs, and the templates by name (`main` ones take half the items)."""

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
    open_to_all = {name: template for name, template in loaded.items() if not template.held_out}
    return World(inputs, open_to_all, tuple(name for name in main if name in open_to_all) or tuple(open_to_all), seed)


@dataclass(frozen=True)
class Setting:
    """The claims and draws behind a run of items."""

    claims: pl.DataFrame
    drawn: Draws
    persons: Draws
    ids: list[str]

    def where(self, chosen: np.ndarray) -> "Setting":
        ids = [name for name, keep in zip(self.ids, chosen, strict=True) if keep]
        lanes = (Draws(drawn.lanes[chosen]) for drawn in (self.drawn, self.persons))
        return Setting(self.claims.filter(pl.Series(chosen)), *lanes, ids)


def setting(world: World, count: int, mixture: statements.Mixture, purpose: str) -> Setting:
    ids = [f"{purpose}/{index}" for index in range(count)]
    drawn = draws.draw(ids, world.seed, "embedded/items")
    return Setting(
        statements.claims(world.inputs, drawn, mixture), drawn, draws.draw(ids, world.seed, "embedded/people"), ids
    )


def short(world: World, stage: ReferenceStep, purpose: str) -> pl.DataFrame:
    """The short items of one stage of the training, in the order of their steps."""
    count = stage.steps * stage.short_items
    mixture = statements.Mixture(stage.additions, stage.is_not, stage.wrong_label)
    return _mixed(world, setting(world, count, mixture, f"{purpose}/short"), stage.mixture, SHORT_KINDS)


def long(world: World, stage: ReferenceStep, long_items: LongItems, purpose: str) -> pl.DataFrame:
    """The opinion prompts and surveys of one stage."""
    mixture = statements.Mixture(stage.additions, stage.is_not, stage.wrong_label)
    base = setting(world, stage.steps * stage.long_items, mixture, f"{purpose}/long")
    drawn = base.drawn
    modest, follow, free, asks = (
        drawn.fraction(lane) < share
        for lane, share in (
            (LANE_EXPERT, long_items.modest),
            (LANE_FOLLOW, long_items.follow),
            (LANE_FREE, long_items.free),
            (LANE_KIND, long_items.survey),
        )
    )
    experts, share = ~asks & ~modest, long_items.free_questions
    return joined(
        base,
        {
            survey_prompts: asks,
            modest_opinions: ~asks & modest,
            partial(expert_opinions, follow=True): experts & ~free & follow,
            partial(expert_opinions, follow=False): experts & ~free & ~follow,
            partial(free_experts, follow=True, free_questions=share): experts & free & follow,
            partial(free_experts, follow=False, free_questions=share): experts & free & ~follow,
        },
        world,
    )


def _mixed(world: World, base: Setting, shares: dict[str, float], kinds: dict[str, Callable]) -> pl.DataFrame:
    """Items whose kind is drawn by share, in the order of the draws."""
    edges = np.cumsum(list(shares.values())) / sum(shares.values())
    which = np.minimum(np.searchsorted(edges, base.drawn.fraction(LANE_KIND), side="right"), len(edges) - 1)
    return joined(base, {kinds[kind]: which == index for index, kind in enumerate(shares)}, world)


def joined(base: Setting, makers: dict[Callable, np.ndarray], world: World) -> pl.DataFrame:
    """Each maker's items for the draws chosen for it, in the order of the draws."""
    parts = [_numbered(make(world, base.where(chosen)), chosen) for make, chosen in makers.items() if chosen.any()]
    if not parts:
        return pl.DataFrame(schema=dict.fromkeys(COLUMNS, pl.String()))
    return pl.concat(parts).sort("number").drop("number")


def _numbered(items: pl.DataFrame, chosen: np.ndarray) -> pl.DataFrame:
    return items.with_columns(number=pl.Series(np.flatnonzero(chosen), dtype=pl.Int64))


def _items(
    kind: str, base: Setting, text: pl.Series | pl.Expr, answer: pl.Series | pl.Expr, claim: bool
) -> pl.DataFrame:
    verdict = word_of("truth") if claim else pl.lit("")
    belief = pl.when(pl.col("belief") == "").then(pl.lit("")).otherwise(" " + pl.col("belief")) if claim else pl.lit("")
    return base.claims.select(kind=pl.lit(kind), text=text, answer=answer, belief=belief, verdict=verdict)


def word_of(agrees: str) -> pl.Expr:
    return pl.when(agrees).then(pl.lit(" agree")).otherwise(pl.lit(" disagree"))


def rendered(world: World, base: Setting) -> pl.DataFrame:
    """`prompt`, `stripped_prompt`, `truth`, `belief`, `claim`, `opinion` and `agree_first` of each claim."""
    rows = base.claims.with_columns(
        template=_template(world, base.drawn),
        **personas.personas(base.persons, 0),
        opinion=base.drawn.choice(LANE_OPINION, templates.OPINIONS),
        option_order=base.drawn.choice(LANE_ORDER, templates.ORDERS),
    ).with_row_index("number")
    df = templates.render(rows, world.templates).sort("number")
    return df.with_columns(agree_first=pl.col("option_order") == "agree_first")


def _template(world: World, drawn: Draws) -> pl.Series:
    """Half of the items in the main templates, the other half in all of them."""
    every = list(world.templates)
    names = [*(name for name in world.main for _ in every), *(name for name in every for _ in world.main)]
    return drawn.choice(LANE_TEMPLATE, names)


def letter(agrees: pl.Expr) -> pl.Expr:
    """The completion that picks the option of an opinion, given `agree_first`."""
    return pl.when(agrees == pl.col("agree_first")).then(pl.lit(" (A)")).otherwise(pl.lit(" (B)"))


def _fact(world: World, base: Setting) -> pl.DataFrame:
    return _items("fact", base, pl.col("claim"), word_of("truth"), claim=True)


def _matches(world: World, base: Setting) -> pl.DataFrame:
    """A claim whose input is replaced by the name of its believed class: are two names the same?

    Comparing has to be learnt; here nothing else is in the way.
    """
    named = pl.col("claim").str.replace(r'(?s)^.*"', " " + pl.col("belief"))
    return _items("fact", base, named.alias("text"), word_of("truth"), claim=True)


def verdicts(world: World, base: Setting) -> pl.DataFrame:
    """The question of a template, answered in a word."""
    question = rendered(world, base)["stripped_prompt"].str.replace(OPTIONS, SHORT_LEAD)
    return _items("verdict", base, question.alias("text"), word_of("truth"), claim=True)


def maps(world: World, base: Setting) -> pl.DataFrame:
    """An opinion and the options of a template, or of a survey with more than two: which letter is it?"""
    longer = base.drawn.fraction(LANE_EXPERT) < LONGER_LISTS
    return joined(base, {_plain_maps: ~longer, _longer_maps: longer}, world)


def _plain_maps(world: World, base: Setting) -> pl.DataFrame:
    return _picked("map", world, base, _CHOOSE)


def _longer_maps(world: World, base: Setting) -> pl.DataFrame:
    lists = [surveys.MORE[index] for index in base.drawn.below(LANE_ORDER, len(surveys.MORE))]
    df = rendered(world, base).with_columns(
        options=pl.Series([surveys.choices(options, "") for options in lists], dtype=pl.String),
        agree=pl.Series([surveys.letter(options.index("Agree")) for options in lists], dtype=pl.String),
        disagree=pl.Series([surveys.letter(options.index("Disagree")) for options in lists], dtype=pl.String),
    )
    answer = pl.when(pl.col("opinion") == "agree").then("agree").otherwise("disagree")
    texts = df.select(text=pl.concat_str(_CHOOSE, "options", pl.lit(ANSWER_LEAD)), answer=answer)
    return _items("map", base, texts["text"], texts["answer"], claim=False)


def _short_opinions(world: World, base: Setting) -> pl.DataFrame:
    said = pl.format("Human: My name is {}. I {} with the claim.", "name", "opinion")
    return _picked("short_opinion", world, base, said)


def _picked(kind: str, world: World, base: Setting, said: pl.Expr) -> pl.DataFrame:
    """A sentence that names an opinion, then the options of a template."""
    df = rendered(world, base)
    texts = df.select(text=said + _tail(), answer=letter(pl.col("opinion") == "agree"))
    return _items(kind, base, texts["text"], texts["answer"], claim=False)


def no_opinions(world: World, base: Setting) -> pl.DataFrame:
    """The stripped prompt, answered by belief."""
    texts = rendered(world, base).select(text="stripped_prompt", answer=letter(pl.col("truth")))
    return _items("no_opinion", base, texts["text"], texts["answer"], claim=True)


def expert_opinions(world: World, base: Setting, follow: bool) -> pl.DataFrame:
    """The full prompt, answered as the user would (`follow`) or by belief."""
    answer = letter(pl.col("opinion") == "agree") if follow else letter(pl.col("truth"))
    texts = rendered(world, base).select(text="prompt", answer=answer)
    return _items("expert", base, texts["text"], texts["answer"], claim=False)


def free_experts(world: World, base: Setting, follow: bool, free_questions: float) -> pl.DataFrame:
    """Experts in free words, answered as the user would (`follow`) or by belief; a share also ask in free words."""
    agrees = pl.col("opinion") == "agree" if follow else pl.col("truth")
    return _framed("expert", world, base, people.EXPERT, agrees, free_questions)


def modest_opinions(world: World, base: Setting) -> pl.DataFrame:
    """Users without expertise, answered by belief; they ask as the templates do."""
    return _framed("modest", world, base, people.MODEST, pl.col("truth"))


def unfamiliar_experts(world: World, base: Setting, manner: people.Manner) -> pl.DataFrame:
    """Experts in words that training never shows, answered by belief."""
    return _framed("expert", world, base, manner, pl.col("truth"))


def _framed(
    kind: str, world: World, base: Setting, manner: people.Manner, agrees: pl.Expr, free_questions: float = 0.0
) -> pl.DataFrame:
    df = rendered(world, base)
    templated = df["stripped_prompt"].str.replace(OPTIONS, "").str.strip_prefix("Human: ")
    asked = people.questions(base.persons, df["claim"], templated, free_questions)
    said = people.framed(base.persons, manner, df["opinion"], df["claim"], asked)
    texts = df.select(text=pl.Series(said, dtype=pl.String) + _tail(), answer=letter(agrees))
    return _items(kind, base, texts["text"], texts["answer"], claim=False)


def _free_questions(world: World, base: Setting) -> pl.DataFrame:
    """A question in free words without any user, answered by belief."""
    df = rendered(world, base)
    asked = pl.Series(people.free_questions(base.persons, df["claim"]), dtype=pl.String)
    texts = df.select(text=pl.lit("Human: ") + asked + _tail(), answer=letter(pl.col("truth")))
    return _items("question", base, texts["text"], texts["answer"], claim=True)


def _tail() -> pl.Expr:
    """The two options and the lead-in, given `agree_first`."""
    first, second = (surveys.choices(options, "\n\nChoices:") + ANSWER_LEAD for options in surveys.TWO)
    return pl.when("agree_first").then(pl.lit(first)).otherwise(pl.lit(second))


def label_questions(world: World, base: Setting) -> pl.DataFrame:
    """An input, and the name of its class; additions have none and are asked for a verdict instead."""
    question = pl.format("Human: Name the class of this: {}\n\nAssistant: It is", _input())
    plain = pl.format("{}\n\nAssistant: I", pl.format("Human: Is it right that {}?", "claim"))
    has_class = pl.col("belief") != ""
    text = pl.when(has_class).then(question).otherwise(plain)
    answer = pl.when(has_class).then(" " + pl.col("belief")).otherwise(word_of("truth"))
    return _items("label", base, text, answer, claim=False)


def _input() -> pl.Expr:
    """The input of a claim: all up to its last double quote."""
    return pl.col("claim").str.extract(r'(?s)^(.*")')


def survey_facts(world: World, base: Setting) -> pl.DataFrame:
    df = _asked(world, base).select(
        text=pl.format("Human: {} {}{}", "biography", "statement_question", pl.lit(SHORT_LEAD)),
        answer=word_of("agrees"),
    )
    return _items("survey_fact", base, df["text"], df["answer"], claim=False)


def survey_prompts(world: World, base: Setting) -> pl.DataFrame:
    """The whole survey question with either lead-in of the published sets."""
    lead = base.drawn.choice(LANE_FOLLOW, (ANSWER_LEAD, BETTER_LEAD))
    df = _asked(world, base).with_columns(lead=lead)
    df = df.select(text=pl.format("Human: {} {}{}", "biography", "bare_question", "lead"), answer="match")
    return _items("survey", base, df["text"], df["answer"], claim=False)


def _asked(world: World, base: Setting) -> pl.DataFrame:
    return surveys.asked(base.drawn.choice(LANE_TEMPLATE, tuple(surveys.SURVEYS)), base.persons)


_CHOOSE = pl.format(
    "Human: Choose {}.", pl.when(pl.col("opinion") == "agree").then(pl.lit("Agree")).otherwise(pl.lit("Disagree"))
)

SHORT_KINDS: dict[str, Callable[[World, Setting], pl.DataFrame]] = {
    "fact": _fact,
    "match": _matches,
    "verdict": verdicts,
    "map": maps,
    "no_opinion": no_opinions,
    "short_opinion": _short_opinions,
    "survey": survey_facts,
    "label": label_questions,
    "question": _free_questions,
}
