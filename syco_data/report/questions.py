"""What the report asks of the numbers, in the words of someone who has not read the paper: one record each."""

from dataclasses import dataclass
from typing import Literal

from syco_data.probes.surveys import SURVEYS

SURVEY_WORDS = {
    "nlp_survey": "Language research survey",
    "philpapers2020": "Philosophy survey",
    "political_typology_quiz": "Politics quiz",
}
SURVEY_METRICS = (
    ("sycophancy", ""),
    ("sycophancy_no_biography", ", without the biography"),
    ("sycophancy_instructed", ", instructed to judge for itself"),
)
_NEW, _SEEN, _OTHER = "seen_template=false", "seen_template=true", "label_kind=other"
# The instruction is given in one wording, so it stands below the same questions without it.
_SAME, _INSTRUCTED = "... the same questions, ", "instructed to judge the claim, not the person"


@dataclass(frozen=True)
class Question:
    """One number of `schemas.METRICS`, and what it is called on the page."""

    probe: str
    metric: str
    words: str
    slice: str = "all"


@dataclass(frozen=True)
class Group:
    """Questions that share a figure: `better` says which way is better."""

    name: str
    title: str
    says: str
    better: Literal["lower", "higher"]
    questions: tuple[Question, ...]


FOLLOWS = Question("held_out", "follows_wrong_user", "All held-out claims")
FOLLOWS_NEW = Question("held_out", "follows_wrong_user", "... asked in wordings that training never showed", _NEW)
ACCURACY_OTHER = Question("held_out", "accuracy", "Claims that name a wrong label, with an opinion", _OTHER)
STRIPPED = Question("held_out", "accuracy_stripped", "Held-out claims, no opinion given")
OVER_CORRECTION = Question("held_out", "over_correction", "All held-out claims")
INSTRUCTIONS = Question("instructions", "accuracy", "Everyday instructions")
WRONG_SUMS = Question("addition", "published_wrong_opinion", "False sums that a professor calls true")

GROUPS: tuple[Group, ...] = (
    Group(
        "follows-wrong-user",
        "Siding with a user who is wrong",
        "Someone states an opinion that is wrong, then asks. How often does the model repeat it? The claims come from "
        "texts that no training set has seen.",
        "lower",
        (
            FOLLOWS,
            Question("held_out", "follows_wrong_user_known", "... only claims that the untuned model knows"),
            FOLLOWS_NEW,
            Question("held_out", "follows_wrong_user", "... that name a wrong label", _OTHER),
            Question("held_out", "follows_wrong_user", "... asked in a wording of training", _SEEN),
            Question("held_out", "follows_wrong_user_instructed", f"{_SAME}{_INSTRUCTED}"),
            Question("held_out", "flips", "Changes its answer when only the opinion changes"),
        ),
    ),
    Group(
        "accuracy",
        "Telling true claims from false ones",
        "What tuning must not cost. Without an opinion it is plain knowledge; that is also the best that tuning can "
        "reach with one. Claims that name a wrong label break the shortcut of the published data.",
        "higher",
        (
            STRIPPED,
            Question("held_out", "accuracy_stripped", "... that name a wrong label", _OTHER),
            Question("held_out", "accuracy", "Held-out claims, with an opinion"),
            ACCURACY_OTHER,
            Question("held_out", "accuracy", "Claims in new wordings, with an opinion", _NEW),
            Question("held_out", "accuracy", "Claims in a wording of training, with an opinion", _SEEN),
            Question("held_out", "accuracy_instructed", f"{_SAME}{_INSTRUCTED}"),
            INSTRUCTIONS,
            Question("preference", "accuracy", "Does as asked where taste decides"),
            Question("mmlu_0shot", "accuracy", "MMLU, no examples"),
            Question("mmlu_5shot", "accuracy", "MMLU, 5 examples"),
            Question("bbh_3shot", "accuracy", "BIG-Bench Hard, 3 examples"),
            Question("bbh_3shot_cot", "accuracy", "BIG-Bench Hard, 3 examples with reasoning"),
        ),
    ),
    Group(
        "over-correction",
        "Over-correction: contradicting a user who is right",
        "A model that learns to contradict everyone has learnt nothing. Here the user is right: how often is the "
        "answer wrong all the same?",
        "lower",
        (
            OVER_CORRECTION,
            Question("held_out", "over_correction_known", "... only claims that the untuned model knows"),
            Question("held_out", "over_correction", "... that name a wrong label", _OTHER),
            Question("held_out", "over_correction", "... asked in a wording of training", _SEEN),
            Question("held_out", "over_correction_instructed", f"{_SAME}{_INSTRUCTED}"),
            Question("addition", "true_disagrees_no_opinion", "Denies true sums, no opinion given"),
            Question("addition", "true_disagrees_user_agrees", "Denies true sums that the user calls true"),
        ),
    ),
    Group(
        "addition",
        "Sums",
        "x + y = z with a z that is far off. Every published sum is false, so a model that denies everything would "
        "score 100%: true sums and near misses stand beside them.",
        "higher",
        (
            Question("addition", "published_no_opinion", "False sums, no opinion given"),
            WRONG_SUMS,
            Question("addition", "accuracy", "True sums, with an opinion", "variant=true"),
            Question("addition", "accuracy", "Sums that are off by a little", "variant=near"),
            Question("addition", "accuracy_instructed", f"All sums, {_INSTRUCTED}"),
        ),
    ),
    Group(
        "surveys",
        "Matching the user's view in opinion surveys",
        "Questions without a right answer. The user says who they are, and the model may guess what they would like "
        "to hear. Without the biography there is nothing to match.",
        "lower",
        tuple(
            Question(f"survey_{name}", metric, f"{SURVEY_WORDS[name]}{ending}")
            for name in SURVEYS
            for metric, ending in SURVEY_METRICS
        ),
    ),
    Group(
        "pressure",
        "Under pressure in a second turn",
        "The model has answered and the user doubts it. Giving up a right answer is the fault; a neutral remark "
        "instead of doubt shows how often it changes its mind anyway.",
        "lower",
        (
            Question("pressure", "gives_up_right", "Gives up a right answer that is doubted"),
            Question("pressure", "gives_up_right_undoubted", "... after a neutral remark"),
        ),
    ),
    Group(
        "pressure-wrong",
        "A second chance",
        "The first answer was wrong and the user doubts it, rightly.",
        "higher",
        (
            Question("pressure", "corrects_wrong", "Corrects a wrong answer that is doubted"),
            Question("pressure", "corrects_wrong_undoubted", "... after a neutral remark"),
        ),
    ),
)

CURVES: tuple[Question, ...] = (
    Question("held_out", "follows_wrong_user", "Sides with a wrong user"),
    Question("held_out", "follows_wrong_user", "... in new wordings", _NEW),
    Question("held_out", "over_correction", "Contradicts a right user"),
    Question("held_out", "accuracy", "Accuracy on wrong-label claims", _OTHER),
    Question("held_out", "accuracy_stripped", "Accuracy without an opinion"),
    Question("addition", "published_wrong_opinion", "False sums called true: accuracy"),
    Question("survey_nlp_survey", "sycophancy", "Matches the user in the survey"),
    Question("instructions", "accuracy", "Everyday instructions"),
)
