"""The tables of the report: every rate with its interval, every change with its sign."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import polars as pl

from syco_data.evaluate.published import FIGURES
from syco_data.evaluate.statistics import Interval, wilson
from syco_data.filter.summary import Kept
from syco_data.report.ablations import Curve, Seeds
from syco_data.report.evidence import OPINIONS, Audit, Build, Evidence, Reading
from syco_data.report.questions import GROUPS, Question
from syco_data.report.report_words import NOTHING, Cell, Table, change, numbers, p_value, percent, rated, shown
from syco_data.validate.audit import AT_CHANCE

READING_WORDS = {
    "unanswered": "too long for the model",
    "generation_unparsed": "free text without an answer at its start",
    "generation_agrees": "free text names the likeliest option",
    "answers_first_option": "chooses the first option",
    "option_order_matters": "changes its mind when the options swap places",
}
OPINION_WORDS = {"none": "gives no opinion", "agree": "says it is true", "disagree": "says it is false"}


def before_and_after(one: Evidence, questions: Sequence[Question], arms: Sequence[str]) -> Table:
    """A row per question that was measured: chance, the untuned model, every arm."""
    rows = []
    for question in measured(one, questions, arms):
        readings = [one.reading(arm, question) for arm in arms]
        chance = next((reading.chance for reading in readings if reading and reading.chance is not None), None)
        rows.append(
            (Cell(question.words), *numbers(NOTHING if chance is None else percent(chance)), *map(rated, readings))
        )
    head = ("", "guessing", *map(shown, arms))
    return Table("Rates, with their intervals", head, tuple(rows))


def measured(one: Evidence, questions: Iterable[Question], arms: Sequence[str]) -> list[Question]:
    """The questions that at least one of the arms answered."""
    return [question for question in questions if any(one.reading(arm, question) for arm in arms)]


def differences(one: Evidence, questions: Sequence[Question], arms: Sequence[str]) -> Table:
    """What tuning changed on the very same rows: paired, with McNemar's p value."""
    rows = []
    for question in questions:
        for arm in arms:
            if (difference := one.change(arm, question)) is not None:
                both = f"{percent(difference.before)} \u2192 {percent(difference.after)}"
                cells = numbers(
                    both,
                    change(difference),
                    p_value(difference.p_value),
                    f"{difference.rows:,}",
                    f"{difference.clusters:,}",
                )
                rows.append((Cell(question.words), Cell(arm), *cells))
    head = ("", "arm", "before \u2192 after", "change", "p (McNemar, one row per item)", "rows", "items")
    return Table("What tuning changed on the same rows", head, tuple(rows), folded=True)


def kept(one: Evidence, level: float) -> Table:
    """Keep rates over all, then by source."""
    groups = {"all sources": one.kept.overall, **one.kept.groups["source"]}
    rows = tuple(
        (
            Cell(name),
            *numbers(f"{group.prompts:,}"),
            rated(keep_rate(group, level)),
            *numbers(f"{group.guessing:.0%}", percent(group.accuracy), *_calibrated(group, one), _purity(group)),
        )
        for name, group in groups.items()
    )
    calibrated = () if one.kept.calibrated is None else ("right when calibrated",)
    head = ("source", "asked", "kept", "guessing keeps", "right as asked", *calibrated, "of those kept, known (purity)")
    return Table("Prompts kept", head, rows)


def _calibrated(group: Kept, one: Evidence) -> tuple[str, ...]:
    if one.kept.calibrated is None:
        return ()
    return (NOTHING if group.calibrated_accuracy is None else percent(group.calibrated_accuracy),)


def _purity(group: Kept) -> str:
    pure = group.purity
    return NOTHING if pure is None else f"{percent(pure.value)} ({percent(pure.low)} to {percent(pure.high)})"


def keep_rate(group: Kept, level: float) -> Reading:
    """A keep rate with Wilson's interval, beside what guessing keeps."""
    bounds: Interval = wilson(group.kept, group.prompts, level)
    return Reading(group.keep_rate, bounds.low, bounds.high, group.guessing, group.prompts)


def audit(audits: Sequence[Audit]) -> Table:
    """Accuracy of every feature alone, per training set; a star marks what is above the band of chance."""
    by_arm = [{(line.feature, line.target): line for line in one.lines} for one in audits]
    rows = []
    for feature, target in dict.fromkeys(key for lines in by_arm for key in lines):
        of_feature = [lines[feature, target] for lines in by_arm]
        words = [percent(line.accuracy) + ("" if line.finding == AT_CHANCE else " \u2605") for line in of_feature]
        rows.append(
            (Cell(feature), Cell("agree or disagree" if target == "stance" else "the letter"), *numbers(*words))
        )
    head = ("what a model would look at", "predicts", *(one.arm for one in audits))
    return Table("Share of answers that one feature alone gets right; \u2605 above chance", head, tuple(rows))


def cells(one: Evidence, arms: Sequence[str]) -> Table:
    """Opinion x truth: the share of right answers about held-out claims."""
    rows = []
    for arm in arms:
        for truth in (True, False):
            rates = [one.cells[arm, truth, opinion] for opinion in OPINIONS]
            bars = [replace(rated(rate), share=rate.rate if rate else None) for rate in rates]
            rows.append((Cell(shown(arm)), Cell("true" if truth else "false"), *bars))
    head = ("", "the claim is", *(f"the user {OPINION_WORDS[opinion]}" for opinion in OPINIONS))
    return Table("Share of right answers", head, tuple(rows))


def by_source(one: Evidence, arms: Sequence[str]) -> Table:
    """Per source: knowledge without an opinion, and siding with a wrong user, before and after."""
    sources = list(one.kept.groups["source"])
    head = ["source"]
    for metric in ("right, no opinion", "sides with a wrong user"):
        head += [f"{metric}: {shown(arm)}" for arm in arms]
    rows = []
    for source in sources:
        questions = [
            Question("held_out", metric, source, f"source={source}")
            for metric in ("accuracy_stripped", "follows_wrong_user")
        ]
        rows.append((Cell(source), *(rated(one.reading(arm, each)) for each in questions for arm in arms)))
    return Table("Held-out claims by source", tuple(head), tuple(rows))


def published(one: Evidence, arms: Sequence[str]) -> Table:
    """Each published figure beside ours of every arm; what differs stands below as numbered notes."""
    order = pl.Enum(list(dict.fromkeys(f"{record.figure}: {record.what}" for record in FIGURES)))
    figures = one.published.filter(pl.col("arm").is_in(list(arms)))
    figures = figures.sort(pl.format("{}: {}", "figure", "what").cast(order), maintain_order=True)
    notes = list(dict.fromkeys(figures["differences"]))
    rows = []
    for (figure, what, value, differs), group in figures.group_by(
        "figure", "what", "published", "differences", maintain_order=True
    ):
        by_arm = {row["arm"]: row for row in group.iter_rows(named=True)}
        ours = (_ours(by_arm[arm]) if arm in by_arm else Cell("", number=True) for arm in arms)
        rows.append((Cell(figure), Cell(what), Cell(value), *ours, Cell(f"{notes.index(differs) + 1}", number=True)))
    head = ("figure", "what", "published", *map(shown, arms), "note")
    return Table("Published figures and ours, with their intervals", head, tuple(rows), notes=tuple(notes))


def _ours(row: dict) -> Cell:
    """A rate, or a change in points, with its interval below."""
    if row["ours"] is None:
        return Cell("not run", number=True)
    if not row["what"].startswith("change"):
        return rated(Reading(row["ours"], row["low"], row["high"], None, 0))
    points, low, high = (f"{100 * row[name]:+.1f}".replace("-", "\u2212") for name in ("ours", "low", "high"))
    return Cell(f"{points} points", number=True, note=f"{low} to {high}")


def built(build: Build) -> Table:
    """The tables of the release with their rows."""
    rows: dict[str, list[str]] = {}
    for file in build.release.tables:
        rows.setdefault(file.as_table.config, []).append(f"{file.as_table.split}: {file.as_table.rows:,}")
    body = tuple((Cell(config), Cell(", ".join(splits))) for config, splits in rows.items())
    return Table("Tables of the release", ("table", "rows"), body, folded=True)


def tuned(one: Evidence) -> Table:
    """What each run of fine-tuning was given and where its loss ended."""
    rows = tuple(
        (
            Cell(arm),
            *numbers(
                f"{run.steps:,}",
                f"{run.generated:,}",
                f"{run.instructions:,}",
                f"{run.first_loss:.3f}",
                f"{run.last_loss:.3f}",
            ),
        )
        for arm, run in one.tunings.items()
    )
    head = ("arm", "steps", "generated rows", "instruction rows", "first loss", "last loss")
    return Table("Runs of fine-tuning (losses in nats per target token)", head, rows, folded=True)


def along(one: Evidence, curve: Curve, questions: Sequence[Question]) -> Table:
    """Every arm of a curve in full."""
    measurable = measured(one, questions, curve.arms)
    rows = []
    for arm, place, seed in zip(curve.arms, curve.places, curve.seeds, strict=True):
        values = [rated(one.reading(arm, each)) for each in measurable]
        rows.append((Cell(arm), *numbers(format(place, curve.axis.form), str(seed)), *values))
    head = ("arm", curve.axis.title, "seed", *(each.words for each in measurable))
    return Table(curve.title, head, tuple(rows), folded=True)


def over_seeds(one: Evidence, groups: Sequence[Seeds], questions: Sequence[Question]) -> Table:
    """For every group of arms that differ in the seed alone: the mean, and the least and greatest rate."""
    rows = []
    for group in groups:
        for question in measured(one, questions, group.arms):
            rates = [reading.rate for arm in group.arms if (reading := one.reading(arm, question)) is not None]
            spread = f"{percent(min(rates))}\u2013{percent(max(rates))}"
            rows.append(
                (
                    Cell(group.arms[0]),
                    Cell(question.words),
                    *numbers(percent(sum(rates) / len(rates)), spread, f"{len(rates)}"),
                )
            )
    return Table("Over seeds", ("arm", "", "mean", "least\u2013greatest", "seeds"), tuple(rows))


def reading_habits(one: Evidence, arms: Sequence[str]) -> Table:
    """How answers were read, by probe set: texts without an answer, free text against log-probabilities, position."""
    sets = sorted({probe for _, probe, metric, _ in one.readings if metric == "unanswered"})
    rows = []
    for probe in sets:
        questions = [Question(probe, metric, words) for metric, words in READING_WORDS.items()]
        for each in measured(one, questions, arms):
            rows.append((Cell(probe), Cell(each.words), *(rated(one.reading(arm, each)) for arm in arms)))
    return Table("How answers were read", ("probe set", "", *map(shown, arms)), tuple(rows), folded=True)


def every_arm(one: Evidence) -> Table:
    """All headline rates of all arms."""
    questions = measured(one, [each for group in GROUPS for each in group.questions], one.arms)
    rows = tuple(
        (
            Cell(f"{each.words}"),
            Cell(each.probe),
            *(rated(one.reading(arm, each)) for arm in one.arms),
        )
        for each in questions
    )
    return Table("Every arm", ("", "probe set", *map(shown, one.arms)), rows, folded=True)
