"""The shortcut audit: how well one surface feature alone predicts the answer of a training set.

Two things are predicted: whether to agree (`stance`), and the letter. Cross-validated, with rows of one cell
(`selection.CELL`) paired true with false and each pair kept in one fold: otherwise a training fold leans
the opposite way of its test fold in balanced cells, and accuracy falls below chance for no reason in the data.
Chance is the share of the majority answer; the interval around it is binomial, corrected for the number of
features and predictions.
"""

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from syco_data.errors import SycoError
from syco_data.select import CELL
from syco_data.settings import Arm, Audit
from syco_data.words import counted

SCHEMA = 1
CATEGORIES = {
    "polarity": ("polarity",),
    "label wording": ("source", "label"),
    "polarity and label wording": ("source", "label", "polarity"),
    "opinion": ("opinion",),
    "option order": ("option_order",),
    "source": ("source",),
    "template": ("template",),
}
LENGTH, WORDS, NOTHING = "length", "words outside the input", "nothing (the majority answer)"
TARGETS = ("stance", "letter")
COLUMNS = (
    "prompt_id",
    "source",
    "label",
    "polarity",
    "truth",
    "opinion",
    "option_order",
    "template",
    "answer",
    "prompt",
)
AT_CHANCE, LEAK, KNOWN_LEAK = "at chance", "leak", "known leak"
OPEN_LEAK = "leak of an unbalanced arm"
CONTROL_LEAK = "leak of a negative control"
BY_POLARITY = ("polarity", "polarity and label wording", WORDS)


@dataclass(frozen=True)
class Line:
    """One feature and one target of one training set; accuracies and bounds as shares of 1."""

    feature: str
    target: str
    accuracy: float
    chance: float
    low: float
    high: float
    rows: int
    finding: str


@dataclass(frozen=True)
class Audited:
    """All lines of one training set; `leaks` are those that its arm does not allow."""

    model: str
    arm: str
    lines: tuple[Line, ...]

    @property
    def leaks(self) -> list[Line]:
        return [line for line in self.lines if line.finding == LEAK]


def audit(model: str, arm_name: str, rows: pl.LazyFrame, arm: Arm, settings: Audit) -> Audited:
    """Audits one training set; `rows` have `COLUMNS`. Only a balanced arm promises that nothing leaks."""
    sample = _sample(rows, settings.rows)
    grouped = pairs(sample)
    if (count := len(np.unique(grouped))) < settings.folds:
        raise SycoError(
            f"audit: training set {model}/{arm_name} has {counted(len(sample), 'row')} in "
            f"{counted(count, 'pair')}, too few to audit in {settings.folds} folds",
            "Ask more prompts (prompts.rows), or take a model that knows more of them",
        )
    folds = _folds(grouped, settings.folds)
    tests = (len(CATEGORIES) + 3) * len(TARGETS)
    inputs = {feature: _inputs(feature, sample, settings) for feature in (*CATEGORIES, LENGTH, WORDS)}
    lines = []
    for target in TARGETS:
        first = sample["answer"] == "(A)"
        answers = (first == (sample["option_order"] == "agree_first") if target == "stance" else first).to_numpy()
        chance = max(answers.mean(), 1 - answers.mean())
        lines.append(_line(NOTHING, target, chance, 0.5, len(sample), tests, arm, settings))
        for feature in inputs:
            accuracy = _accuracy(feature, inputs[feature], answers, folds)
            lines.append(_line(feature, target, accuracy, chance, len(sample), tests, arm, settings))
    return Audited(model, arm_name, tuple(lines))


def _sample(rows: pl.LazyFrame, limit: int) -> pl.DataFrame:
    """At most `limit` rows in whole pairs, sorted by id; texts are read of these rows alone.

    Ids are digests: the pairs with the least ids are a random sample.
    """
    short = rows.select("prompt_id", *CELL, "truth").collect(engine="streaming").sort("prompt_id")
    grouped = short.select("prompt_id", group=pl.Series(pairs(short)))
    ids = grouped.sort(pl.col("prompt_id").min().over("group"), "group", "prompt_id").head(limit)
    return rows.join(ids.lazy().select("prompt_id"), on="prompt_id", how="semi").collect().sort("prompt_id")


def pairs(rows: pl.DataFrame) -> np.ndarray:
    """The group of each row: the k-th true and the k-th false row of a cell share one."""
    placed = rows.select(*CELL, place=pl.col("prompt_id").rank("ordinal").over(*CELL, "truth"))
    return placed.select(pl.struct(pl.all()).rank("dense")).to_series().to_numpy()


def _line(
    feature: str, target: str, accuracy: float, chance: float, rows: int, tests: int, arm: Arm, settings: Audit
) -> Line:
    low, high = chance_interval(chance, rows, 1 - (1 - settings.confidence) / tests)
    finding = AT_CHANCE if accuracy <= high else _leak(feature, arm)
    values = (round(float(value), 6) for value in (accuracy, chance, low, high))
    return Line(feature, target, *values, rows=rows, finding=finding)


def _leak(feature: str, arm: Arm) -> str:
    """What a leak is called: where claims name the true label alone, polarity is known to give the truth away.

    Where completions follow the user, what the user says gives the answer away, and is meant to.
    """
    if arm.answers == "user":
        return CONTROL_LEAK
    if arm.balanced:
        return LEAK
    return KNOWN_LEAK if feature in BY_POLARITY and set(arm.label_kinds) == {"gold"} else OPEN_LEAK


def chance_interval(chance: float, rows: int, level: float) -> tuple[float, float]:
    """Where the share of right predictions lies when a feature carries no information."""
    from scipy import stats

    low, high = stats.binom.interval(level, rows, chance)
    return low / rows, high / rows


def _folds(groups: np.ndarray, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Positions of the rows to fit and to predict, for each fold; a group is never in both."""
    from sklearn.model_selection import GroupKFold

    return list(GroupKFold(n_splits=count).split(groups, groups=groups))


class _Majority:
    """Predicts the majority answer of a row's category, and of all rows where it met none or as many of both.

    The same as naive Bayes with one feature, without the cost of a library's fit: the audit makes hundreds of them.
    """

    def fit(self, categories: np.ndarray, answers: np.ndarray) -> "_Majority":
        """`categories` of shape (rows,), numbered from 0; `answers` true or false of each row."""
        self._leaning = np.bincount(categories, np.where(answers, 1, -1))
        return self

    def predict(self, categories: np.ndarray) -> np.ndarray:
        fitted = categories < len(self._leaning)
        leaning = np.where(fitted, self._leaning[np.where(fitted, categories, 0)], 0)
        return np.where(leaning == 0, self._leaning.sum(), leaning) > 0


def _accuracy(feature: str, inputs: Any, answers: np.ndarray, folds: list) -> float:
    """Share of rows predicted right by a model that was fitted on other folds."""
    import sklearn

    if len(np.unique(answers)) < 2:
        return 1.0
    predicted, classifier = np.empty_like(answers), _classifier(feature)
    # Many small fits: looking at every argument again would take longer than they do.
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        for fitted, held_out in folds:
            predicted[held_out] = classifier.fit(inputs[fitted], answers[fitted]).predict(inputs[held_out])
    return float((predicted == answers).mean())


def _inputs(feature: str, rows: pl.DataFrame, settings: Audit) -> Any:
    """One feature of every row, as a classifier takes it; it knows nothing of the answers."""
    if feature == LENGTH:
        return rows["prompt"].str.len_chars().to_numpy().reshape(-1, 1)
    if feature == WORDS:
        from sklearn.feature_extraction.text import CountVectorizer

        counter = CountVectorizer(binary=True, ngram_range=(1, 2), max_features=settings.words, token_pattern=r"\S+")
        return _informative(counter.fit_transform(outside_input(rows["prompt"]).to_list()))
    return rows.select(pl.struct(CATEGORIES[feature]).rank("dense") - 1).to_series().to_numpy()


def _informative(counted: Any) -> Any:
    """The columns of a binary sparse matrix that are not in every row, one of each set of equal ones.

    Most words of a template stand in the same rows: together they carry no more information than one of them.
    """
    columns = counted.tocsc()
    columns.sort_indices()
    places = {}
    for i, (start, end) in enumerate(pairwise(columns.indptr)):
        if end - start < counted.shape[0]:
            places.setdefault(columns.indices[start:end].tobytes(), i)
    # One uninformative column stays where all words are in every row.
    return counted[:, sorted(places.values()) or [0]]


def _classifier(feature: str) -> Any:
    if feature == WORDS:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=0.1, solver="liblinear")
    if feature == LENGTH:
        from sklearn.tree import DecisionTreeClassifier

        return DecisionTreeClassifier(min_samples_leaf=20, max_leaf_nodes=32, random_state=0)
    return _Majority()


def outside_input(prompts: pl.Series) -> pl.Series:
    """Prompts without what stands in double quotes: inputs hold no others."""
    return prompts.str.replace_all(r'"[^"\n]*"', '""')


def report(audited: list[Audited]) -> dict:
    """The report as plain values, stable to the byte."""
    arms = [
        {
            "model": one.model,
            "arm": one.arm,
            "rows": one.lines[0].rows,
            "features": [asdict(line) for line in one.lines],
        }
        for one in audited
    ]
    return {"schema": SCHEMA, "arms": arms}
