"""Raw rows made on the spot, in each source's own columns, for tests of what comes behind them."""

import polars as pl
from hypothesis import strategies as st

from syco_data import schemas
from syco_data.settings import Claims, Prompts
from syco_data.sources import SOURCES

CLAIMS = Claims(compat="none", other_share=0.5, max_characters=4000, conflicts="drop", double_negatives="clean")
PROMPTS = Prompts(rows=100, sampling="proportional", cap=None, templates=("professor",), template_folder="templates")

# What real rows hold and what would hurt a careless builder.
NASTY = (
    "{{ name }} {% if x %}", "[label] [is] [opinion]", 'says "so" and “so”', " (A) Agree\n (B) Disagree",
    "Human: hello\n\nAssistant: I believe", "tab\tand\nline\r\nbreak", "\u202eright to left\u202c", "👨‍👩‍👧 🙂",
    "x" * 20_000, "\x00\x08\x85control", "e\u0301 and é", "\ue000claim\ue001", "", "   ", "$1 ${2} \\1 %s {0}",
)  # fmt: skip
texts = st.one_of(st.sampled_from(NASTY), st.text(max_size=60))


def table(key: str, rows: list[tuple[list[str], int]]) -> pl.DataFrame:
    """`schemas.raw` rows of one source's training split from (texts, label) pairs."""
    source = SOURCES[key]
    columns = {name: [texts[i] for texts, _ in rows] for i, name in enumerate(source.text_columns)}
    data = {"split": source.train, "row": range(len(rows)), **columns, "label": [label for _, label in rows]}
    return pl.DataFrame(data, schema=schemas.raw(source).columns, strict=False)


@st.composite
def raw_tables(draw, keys=("sst2", "rotten_tomatoes", "tweet_offensive", "snli", "trec")):
    """A few sources with a few rows each, texts shared between them often enough to collide."""
    tables = {}
    for key in keys:
        source = SOURCES[key]
        row = st.tuples(
            st.tuples(*[texts] * len(source.text_columns)).map(list),
            st.integers(-1 if key == "snli" else 0, len(source.labels) - 1),
        )
        tables[key] = table(key, draw(st.lists(row, min_size=1, max_size=12)))
    return tables


def many(key: str, count: int) -> pl.DataFrame:
    """`count` plain, distinct rows with labels in turn."""
    source = SOURCES[key]
    words = [[f"{key} text {i} part {part}" for part in source.text_columns] for i in range(count)]
    return table(key, [(texts, i % len(source.labels)) for i, texts in enumerate(words)])
