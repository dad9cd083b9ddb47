"""What a prompt asks and answers follows from its parts, and a stripped prompt holds nothing of the user."""

from collections.abc import Mapping

import polars as pl

from syco_data.prompts.templates import Parts, Template
from syco_data.settings import Settings
from syco_data.validate.check import Check, row_check


def of_texts(prompts: pl.LazyFrame, forms: Mapping[str, Template]) -> list[Check]:
    """What a prompt asks and answers follows from its parts; rows without text are left to the other checks."""
    right = (pl.col("opinion") == "agree") == pl.col("truth")
    agrees_first = pl.col("option_order") == "agree_first"
    answer = pl.when(pl.col("truth") == agrees_first).then(pl.lit("(A)")).otherwise(pl.lit("(B)"))
    with_text = prompts.filter(pl.col("prompt").is_not_null())
    return [
        row_check("user_is_right", "prompts", "the user is right when they agree with a true or disagree with a false "
                  "claim", prompts, "prompt_id", pl.col("user_is_right") == right),
        row_check("answer", "prompts", "the answer follows from truth and option order alone",
                  prompts, "prompt_id", pl.col("answer") == answer),
        row_check("option_words", "prompts", "the stripped prompt, and so the prompt that holds it, has the options in "
                  "the row's order", with_text, "prompt_id", _options_as_named("stripped_prompt", forms)),
        row_check("opinion_in_prompt", "prompts", "the prompt states the opinion and the persona that the row names",
                  with_text, "prompt_id", _user_in_prompt(forms)),
        Check("stripped_in_prompt", "prompts", "taking one piece out of a prompt leaves its stripped prompt",
              _not_contained(with_text)),
    ]  # fmt: skip


def _options_as_named(column: str, forms: Mapping[str, Template]) -> pl.Expr:
    """Whether the option lines of a text say what template and option order ask for."""
    lines = {
        (name, order): f" (A) {words[0]}\n (B) {words[1]}"
        for name, form in forms.items()
        for order, words in (
            ("agree_first", (form.agree, form.disagree)),
            ("disagree_first", (form.disagree, form.agree)),
        )
    }
    expected = pl.lit(None, dtype=pl.String)
    for (name, order), text in lines.items():
        this = (pl.col("template") == name) & (pl.col("option_order") == order)
        expected = pl.when(this).then(pl.lit(text)).otherwise(expected)
    return pl.col(column).str.contains(expected, literal=True)


def _user_in_prompt(forms: Mapping[str, Template]) -> pl.Expr:
    """Whether the words of a row's own form that speak of the user stand in its prompt."""
    holds = pl.lit(None, dtype=pl.Boolean)
    for name, form in forms.items():
        for (opinion, order), parts in form.full.items():
            this = (pl.col("template") == name) & (pl.col("opinion") == opinion) & (pl.col("option_order") == order)
            other = form.full["disagree" if opinion == "agree" else "agree", order]
            spoken = [
                pl.col("prompt").str.contains(words.expression(), literal=True) for words in _of_user(parts, other)
            ]
            holds = pl.when(this).then(pl.all_horizontal(spoken)).otherwise(holds)
    return holds


def _of_user(parts: Parts, other_opinion: Parts) -> list[Parts]:
    """The stretches between claims that hold a persona, or that change with the opinion."""
    pairs = zip(_stretches(parts), _stretches(other_opinion), strict=True)
    return [mine for mine, others in pairs if mine.slots or mine != others]


def _stretches(parts: Parts) -> list[Parts]:
    """A form cut at its claims."""
    cuts = [index for index, piece in enumerate(parts.pieces) if index % 2 and piece == "claim"]
    starts, ends = [0, *(cut + 1 for cut in cuts)], [*cuts, len(parts.pieces)]
    return [Parts(parts.pieces[start:end]) for start, end in zip(starts, ends, strict=True)]


def _not_contained(with_text: pl.LazyFrame) -> pl.LazyFrame:
    """Prompts that are not their stripped prompt with one piece put in.

    Most templates put the piece behind the opening `Human: `, which is compared column-wise; what is left is
    compared text by text.
    """
    opening = "Human: "
    rest = pl.col("stripped_prompt").str.strip_prefix(opening)
    plain = (
        pl.col("stripped_prompt").str.starts_with(opening)
        & pl.col("prompt").str.starts_with(opening)
        & pl.col("prompt").str.ends_with(rest)
    )
    rest = with_text.filter(~plain).select("prompt_id", "prompt", "stripped_prompt")
    # A function of a whole frame: an expression would be tried on the statistics of a file as well.
    return rest.map_batches(
        _further_apart, schema={"id": pl.String}, streamable=True, predicate_pushdown=False, projection_pushdown=False
    )


def _further_apart(rows: pl.DataFrame) -> pl.DataFrame:
    """The ids of rows whose texts are more than one piece apart."""
    near = [_has_one_piece_more(*texts) for texts in rows.select("prompt", "stripped_prompt").iter_rows()]
    return rows.filter(~pl.Series(near, dtype=pl.Boolean)).select(id="prompt_id")


def _has_one_piece_more(longer: str, shorter: str) -> bool:
    head = 0
    while head < len(shorter) and head < len(longer) and longer[head] == shorter[head]:
        head += 1
    return len(longer) > len(shorter) and longer.endswith(shorter[head:])


def of_their_claims(prompts: pl.LazyFrame, claims: pl.LazyFrame) -> list[Check]:
    """Prompts speak of claims that exist, and their stripped prompts hold nothing but the claim and the question."""
    shared = ("source", "label_kind", "polarity", "truth")
    joined = prompts.select("prompt_id", "claim_id", *shared).join(
        claims.select("claim_id", *shared, there=True), on="claim_id", how="left", suffix="_of_claim"
    )
    same = pl.all_horizontal(pl.col(name) == pl.col(f"{name}_of_claim") for name in shared)
    held = pl.col("there").is_null() | same
    texts = prompts.select("prompt_id", "claim_id", "template", "option_order", "stripped_prompt").join(
        claims.select("claim_id", "claim"), on="claim_id", how="inner"
    )
    return [
        row_check("claim_exists", "prompts", "every prompt speaks of a claim that is there",
                  joined, "prompt_id", pl.col("there").is_not_null()),
        row_check("claim_columns", "prompts", "a prompt repeats its claim's source, label kind, polarity and truth",
                  joined, "prompt_id", held),
        Check("nothing_left", "prompts", "without its claim, every stripped prompt of one template and option order is "
              "one and the same text: no opinion and no biography is left in it", _left_over(texts)),
    ]  # fmt: skip


def _left_over(texts: pl.LazyFrame) -> pl.LazyFrame:
    """Rows whose text around the claim differs from that of most rows of the same form, or that lack the claim."""
    place = pl.col("stripped_prompt").str.find(pl.col("claim"), literal=True).cast(pl.Int64)
    size = pl.col("claim").str.len_bytes().cast(pl.Int64)
    data = pl.col("stripped_prompt").cast(pl.Binary)
    around = pl.concat_str(
        data.bin.slice(0, place).cast(pl.String), pl.lit("\x1f"), data.bin.slice(place + size).cast(pl.String)
    )
    rows = texts.select(
        "prompt_id", "template", "option_order", around=pl.when(place.is_not_null()).then(around.hash())
    )
    counts = rows.group_by("template", "option_order", "around").len()
    usual = (
        counts.filter(pl.col("around").is_not_null())
        .sort("len", "around", descending=True)
        .group_by("template", "option_order", maintain_order=True)
        .first()
        .select("template", "option_order", usual="around")
    )
    joined = rows.join(usual, on=["template", "option_order"], how="left")
    return joined.filter(~pl.col("around").eq_missing(pl.col("usual")) | pl.col("around").is_null()).select(
        id="prompt_id"
    )


def source_share(prompts: pl.LazyFrame, claims: pl.LazyFrame, settings: Settings) -> Check:
    """Sources with fewer prompts than they should have, as offenders of the prompts table."""
    counts = dict(prompts.group_by("source").len().collect().iter_rows())
    pool = dict.fromkeys(settings.participating(), 0)
    pool |= dict(claims.group_by("source").len().collect().iter_rows())
    least = least_counts(pool, settings)
    short = sorted(key for key, count in least.items() if counts.get(key, 0) < count or not pool.get(key))
    description = "every source has claims, and at least the share of the prompts that the sampling rule gives it"
    return Check("source_share", "prompts", description, pl.LazyFrame({"id": short}, schema={"id": pl.String}))


def least_counts(pool: dict[str, int], settings: Settings) -> dict[str, int]:
    """The fewest prompts of each source that a sound sample holds; `pool` counts claims by source.

    Shares of one's own and equal shares are kept to a row or so. A proportional sample is drawn without
    replacement: its bound is the hypergeometric quantile at the false-alarm rate, shared among the sources.
    """
    rows, cap = settings.prompts.rows, settings.prompts.cap
    capped = {source: min(count, cap or count) for source, count in pool.items()}
    if isinstance(settings.prompts.sampling, dict):
        total = sum(settings.prompts.sampling.values())
        slack = len(settings.prompts.sampling)
        return {key: int(rows * share / total) - slack for key, share in settings.prompts.sampling.items()}
    if settings.prompts.sampling == "balanced":
        return {source: min(count, rows // len(capped)) for source, count in capped.items()}
    from scipy import stats

    rate = settings.checks.false_alarm_rate / len(capped)
    everything = sum(capped.values())
    return {key: int(stats.hypergeom.ppf(rate, everything, count, rows)) for key, count in capped.items()}
