"""The columns of every table: the only place where a column is spelled with its type.

A schema is checked by `tables.write` on the way out and by `tables.read` on the way in.
"""

from dataclasses import dataclass, replace

import polars as pl

from syco_data.sources import Source


@dataclass(frozen=True)
class Schema:
    """Name, columns in order, and the columns that identify a row (tables are sorted by them).

    `nullable` columns may hold nulls; `distinct` ones hold values that hardly repeat, such as ids and texts.
    """

    name: str
    columns: dict[str, pl.DataType]
    key: tuple[str, ...]
    nullable: frozenset[str] = frozenset()
    distinct: frozenset[str] = frozenset()

    @property
    def names(self) -> list[str]:
        return list(self.columns)


TEXT, INT, FLAG, REAL = pl.String(), pl.Int64(), pl.Boolean(), pl.Float64()

POLARITIES = ("is", "is not")
OPINIONS = ("agree", "disagree")
ORDERS = ("agree_first", "disagree_first")
LETTERS = ("(A)", "(B)")
CLASSES = {
    "label_kind": ("gold", "other"),
    "polarity": POLARITIES,
    "opinion": OPINIONS,
    "option_order": ORDERS,
    "answer": LETTERS,
    "choice": LETTERS,
    "swapped_choice": LETTERS,
}
"""The words that a column may hold, where they are the same in every table: in a release `ClassLabel`."""
PROSE = ("input", "claim", "prompt", "stripped_prompt")
"""Columns that may hold words of a source."""


def raw(source: Source) -> Schema:
    """One source's rows: `row` counts from 0 within a split; `label` -1 means upstream gave none."""
    texts = dict.fromkeys(source.text_columns, TEXT)
    return Schema(f"raw/{source.key}", {"split": TEXT, "row": INT, **texts, "label": INT}, ("split", "row"))


CLAIMS = Schema(
    "claims",
    {
        "claim_id": TEXT,
        "source": TEXT,
        "row": INT,
        "input": TEXT,
        "gold_label": INT,
        "label": INT,
        "label_kind": TEXT,
        "polarity": TEXT,
        "truth": FLAG,
        "claim": TEXT,
    },
    ("claim_id",),
    distinct=frozenset({"claim_id", "row", "input", "claim"}),
)

DROPPED_ROWS = Schema(
    "claims/dropped",
    {"source": TEXT, "row": INT, "reason": TEXT, "kept_source": TEXT, "kept_row": INT},
    ("source", "row"),
    frozenset({"kept_source", "kept_row"}),
)

# The same columns: held-out rows that are not a probe.
UNUSED_ROWS = replace(DROPPED_ROWS, name="probes/dropped")

PERSONA = {"name": TEXT, "age": INT, "school_1": TEXT, "school_2": TEXT}

PROMPTS = Schema(
    "prompts",
    {
        "prompt_id": TEXT,
        "claim_id": TEXT,
        "source": TEXT,
        "label_kind": TEXT,
        "polarity": TEXT,
        "truth": FLAG,
        "template": TEXT,
        **PERSONA,
        "opinion": TEXT,
        "user_is_right": FLAG,
        "option_order": TEXT,
        "prompt": TEXT,
        "stripped_prompt": TEXT,
        "answer": TEXT,
    },
    ("prompt_id",),
    distinct=frozenset({"prompt_id", "claim_id", "prompt", "stripped_prompt"}),
)

NOT_SAMPLED = Schema("prompts/dropped", {"claim_id": TEXT, "source": TEXT, "reason": TEXT}, ("claim_id",))

# One row per text that a model was asked about; null log-probabilities: too long for the model. `path` is
# letter | whole, `logprobs` are in the order of the options, `tokens` is how many the model read.
SCORES = Schema(
    "scores",
    {"key": TEXT, "logprobs": pl.List(REAL), "tokens": INT, "path": TEXT},
    ("key",),
    frozenset({"logprobs"}),
)

VERDICTS = Schema(
    "verdicts",
    {
        "prompt_id": TEXT,
        # Natural logarithms of the options' probabilities after the stripped prompt; null when not scored.
        "logprob_a": REAL,
        "logprob_b": REAL,
        "choice": TEXT,
        "margin": REAL,  # log-probability of the right option less that of the wrong one, in nats
        "correct": FLAG,
        # The same question with the two options exchanged; null under the rules that ask once.
        "swapped_logprob_a": REAL,
        "swapped_logprob_b": REAL,
        "swapped_choice": TEXT,
        "swapped_margin": REAL,
        "swapped_correct": FLAG,
        # Of each label of the source, in its order, after the input; null where the labels were not asked for. The
        # options' log-probabilities are then those of the claim's label and of the likeliest other one.
        "label_logprobs": pl.List(REAL),
        # `margin` without the model's habits, in nats; null without calibration.
        "calibrated_margin": REAL,
        "known": FLAG,
        "reason": TEXT,  # null when known, else unknown | unsure | too_long
    },
    ("prompt_id",),
    frozenset(
        {
            "logprob_a", "logprob_b", "choice", "margin", "correct", "swapped_logprob_a", "swapped_logprob_b",
            "swapped_choice", "swapped_margin", "swapped_correct", "label_logprobs", "calibrated_margin", "reason",
        }
    ),
)  # fmt: skip

TRAIN = Schema("train", {"prompt_id": TEXT, "source": TEXT, "prompt": TEXT, "completion": TEXT}, ("prompt_id",))

DROPPED_PROMPTS = Schema("train/dropped", {"prompt_id": TEXT, "source": TEXT, "reason": TEXT}, ("prompt_id",))

PROBES = Schema(
    "probes",
    {
        "probe_id": TEXT,
        "probe": TEXT,  # the set: held_out | addition | survey_* | pressure | preference | instructions
        "split": TEXT,  # development (for choosing recipes) | reported
        "item": TEXT,  # what repeats: rows of one item are one cluster (a claim's input, a sum, a question)
        "case": TEXT,  # one user asking about one item: rows of one case are pairs under other conditions
        "source": TEXT,
        "variant": TEXT,  # the family's own condition; `syco_data.probes` lists them
        "template": TEXT,
        "seen_template": FLAG,  # whether training prompts are written in this template
        **PERSONA,
        "label_kind": TEXT,
        "polarity": TEXT,
        "truth": FLAG,
        "opinion": TEXT,  # agree | disagree | none (the stripped prompt); null where no claim is judged
        "user_is_right": FLAG,
        "option_order": TEXT,
        "instruction": TEXT,  # none | independence ("judge the claim, not the person")
        "input": TEXT,
        "claim": TEXT,
        "prompt": TEXT,
        "options": pl.List(TEXT),  # completions, with their leading blank
        "right": TEXT,  # one of the options; null where no answer is right
        "user_view": TEXT,  # the option that the user would choose; null without an opinion
    },
    ("probe_id",),
    frozenset(
        {
            "source", "template", "seen_template", *PERSONA, "label_kind", "polarity", "truth", "opinion",
            "user_is_right", "option_order", "input", "claim", "right", "user_view",
        }
    ),
)  # fmt: skip

ANSWERS = Schema(
    "answers",
    {
        "model": TEXT,
        "arm": TEXT,  # `base`: the model as it was
        "probe_id": TEXT,
        "probe": TEXT,
        # Natural logarithms, in the order of the probe's options; null (with all that follows) when the model
        # cannot take a text of this length.
        "logprobs": pl.List(REAL),
        "choice": TEXT,  # the option with the greatest log-probability
        "correct": FLAG,  # null where no answer is right
        "matches_user": FLAG,  # null without a user's view
        # The generation check: free text and a strict parser; null where it was not made.
        "generated": TEXT,
        "generated_choice": TEXT,  # null as well where the parser found no answer
    },
    ("model", "arm", "probe_id"),
    frozenset({"logprobs", "choice", "correct", "matches_user", "generated", "generated_choice"}),
)

CAPABILITY = Schema(
    "capability",
    {
        "model": TEXT,
        "arm": TEXT,
        "task": TEXT,  # names of `capability.TASKS`
        "subject": TEXT,
        "question": INT,  # counts from 0 within the subject's file
        "correct": FLAG,  # null: the prompt is too long for the model, and was not asked
    },
    ("model", "arm", "task", "subject", "question"),
    nullable=frozenset({"correct"}),
)

METRICS = Schema(
    "metrics",
    {
        "model": TEXT,
        "arm": TEXT,
        "probe": TEXT,
        "metric": TEXT,
        "slice": TEXT,  # `all`, or the conditions it is restricted to
        "rate": REAL,
        "low": REAL,
        "high": REAL,
        "chance": REAL,  # null where guessing has no single rate
        "rows": INT,
        "clusters": INT,
        "method": TEXT,  # wilson | cluster_bootstrap
    },
    ("model", "arm", "probe", "metric", "slice"),
    frozenset({"chance"}),
)

COMPARISONS = Schema(
    "comparisons",
    {
        "model": TEXT,
        "arm": TEXT,
        "probe": TEXT,
        "metric": TEXT,
        "slice": TEXT,
        "before": REAL,  # the untuned model
        "after": REAL,
        "difference": REAL,
        "low": REAL,
        "high": REAL,
        "p_value": REAL,  # McNemar, on one row of each cluster
        "rows": INT,
        "clusters": INT,
    },
    ("model", "arm", "probe", "metric", "slice"),
)

PUBLISHED = Schema(
    "published",
    {
        "model": TEXT,
        "arm": TEXT,
        "figure": TEXT,
        "what": TEXT,
        "published": TEXT,
        "metric": TEXT,
        "ours": REAL,
        "low": REAL,
        "high": REAL,
        "differences": TEXT,  # what differs between their measurement and ours
    },
    ("model", "arm", "figure", "what"),
    frozenset({"ours", "low", "high"}),
)

INSTRUCTIONS = Schema(
    "instructions",
    {
        "instruction_id": TEXT,
        "source": TEXT,  # the task's name, else the file's
        "form": TEXT,  # transcript (as prompts are) | request (the bare words of a user)
        "prompt": TEXT,
        "completion": TEXT,
    },
    ("instruction_id",),
)

TRAINING_LOG = Schema(
    "tuned/training",
    # Means over the steps since the row before; loss in nats per target token.
    {"step": INT, "loss": REAL, "accuracy": REAL, "gradient_norm": REAL, "learning_rate": REAL},
    ("step",),
)

# Every row that differs between two releases, as `diff --rows` writes it.
CHANGES = Schema(
    "changes",
    {
        "config": TEXT,
        "split": TEXT,
        "key": TEXT,  # the row's own id in B, in A where B has no such row
        "change": TEXT,  # added | removed | changed
        "cause": TEXT,  # one of `diff_records.CAUSES`
        "detail": TEXT,
        "claim_id": TEXT,
        "source": TEXT,
        "label_kind": TEXT,
        "truth": FLAG,
        "columns": pl.List(TEXT),  # the columns that differ; empty for rows that one side has
        "before": TEXT,  # JSON: the differing columns in A, or the whole row
        "after": TEXT,  # the same in B
    },
    ("config", "split", "key", "change"),
    frozenset({"claim_id", "source", "label_kind", "truth", "before", "after"}),
)

REASONS = {
    DROPPED_ROWS.name: ("unlabelled", "duplicate", "conflict", "empty", "too_long"),
    UNUSED_ROWS.name: (
        "unlabelled", "duplicate", "conflict", "empty", "too_long", "in_training", "not_sampled",
    ),
    NOT_SAMPLED.name: ("not_sampled",),
    VERDICTS.name: ("unknown", "unsure", "too_long"),
    DROPPED_PROMPTS.name: ("label_kind", "unknown", "unsure", "too_long", "balance", "not_sampled"),
}  # fmt: skip
"""Why a row was left out, by the table that says so."""
