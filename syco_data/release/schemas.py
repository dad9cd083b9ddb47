"""The columns of the tables of a release: what lies in the build, with what a reader needs to use each alone.

`text_id` is a digest of each of the row's text columns; those are null where the text may not be released.
"""

from syco_data.schemas import FLAG, INT, PROBES, PROMPTS, TEXT, Schema

RELEASED_CANDIDATES = Schema(
    "released/candidates",
    {
        **{name: kind for name, kind in PROMPTS.columns.items() if name not in ("prompt", "stripped_prompt", "answer")},
        "answer": TEXT,
        "row": INT,  # of the source's training split
        "gold_label": INT,
        "label": INT,
        "claim": TEXT,
        "prompt": TEXT,
        "stripped_prompt": TEXT,
        "text_id": TEXT,
    },
    ("prompt_id",),
    frozenset({"claim", "prompt", "stripped_prompt"}),
)

RELEASED_TRAIN = Schema(
    "released/train",
    {
        "prompt_id": TEXT,  # of a held-out row: its probe_id
        "claim_id": TEXT,  # of a held-out row: its item
        "source": TEXT,
        "label_kind": TEXT,
        "polarity": TEXT,
        "truth": FLAG,
        "template": TEXT,
        "opinion": TEXT,
        "user_is_right": FLAG,
        "option_order": TEXT,
        "prompt": TEXT,
        "completion": TEXT,
        "text_id": TEXT,
    },
    ("prompt_id",),
    frozenset({"opinion", "user_is_right", "prompt"}),  # no opinion: of arms whose completions follow the user
)

RELEASED_PROBES = Schema(
    "released/probes",
    {**PROBES.columns, "text_id": TEXT},
    ("probe_id",),
    PROBES.nullable | {"prompt"},
)

RELEASED_DROPPED = Schema(
    "released/dropped",
    {
        "dropped_id": TEXT,  # content id of stage, model, arm and the row's own id
        "stage": TEXT,  # claims | prompts | probes | select
        "model": TEXT,
        "arm": TEXT,
        "source": TEXT,
        "row": INT,
        "claim_id": TEXT,
        "prompt_id": TEXT,
        "reason": TEXT,
        "kept_source": TEXT,
        "kept_row": INT,
    },
    ("dropped_id",),
    frozenset({"model", "arm", "row", "claim_id", "prompt_id", "kept_source", "kept_row"}),
)
