"""Words on the Hub's card that a new card would not have: the first of them, or none."""

import pytest
from huggingface_hub import DatasetCard, DatasetCardData, ModelCard, ModelCardData

from syco_data.publish import handwriting
from syco_data.release import cards

REPO = "alice/claims"


def card(version: str, words: str, above: str = "", below: str = "") -> str:
    """One as a build writes it, with words of a person's between its fences, above and below them."""
    return (
        f"---\nlicense: other\nversion: {version}\n---\n\n# Judge the claim\n\nVersion {version} has 9 rows.\n{above}\n"
        f"{cards.BEGIN}\n{words}\n{cards.END}\n{below}\n| rows | 9 |\n"
    )


OURS = card("1.1.0", "Notes of ours.")
BEFORE = card("1.0.0", "Notes of ours.")


def lost(there: str, ours: str = OURS, base: str | None = None) -> str | None:
    return handwriting.lost(there, ours, base, REPO)


@pytest.mark.parametrize(
    "stub",
    [
        "",
        "\n\n \t\n",
        "---\nlicense: other\n---\n",
        "---\nlicense: other\n---",
        "---\r\nlicense: mit\r\ntags:\r\n- a\r\n---\r\n\r\n",
        "\ufeff---\nlicense: other\n---\n\n",
        "---\n---\n",
        "---\nlicense: other\n---\n<!-- Provide a quick summary. -->\n<!-- and\n\nmore -->\n",
        "---\ndataset_info:\n  features:\n  - name: text\n    dtype: string\n  splits:\n  - name: train\n---\n",
        "---\nlicense: other\n---\n# claims\n",
        "# alice/claims\n\n---\n\n***\n",
        DatasetCard.from_template(DatasetCardData()).content,
        DatasetCard.from_template(DatasetCardData(), pretty_name="My claims").content,
        ModelCard.from_template(ModelCardData(library_name="transformers", tags=["trl"])).content,
        ModelCard.from_template(ModelCardData(tags=[]), model_description=handwriting._OF_TRANSFORMERS).content,
    ],
)
def test_a_head_and_a_stub_are_nobodys_words(stub: str) -> None:
    assert lost(stub) is None


def test_a_sentence_that_begins_as_a_title_is_words() -> None:
    assert lost("# Dataset Card for whoever reads this: ask before you use it.")
    assert lost("# Dataset Card for My Claims") is lost('# Dataset Card for "claims"') is None


@pytest.mark.parametrize(
    "text",
    [
        "Do not use this.",
        "---\nlicense: other\n---\nDo not use this.",
        "---\nlicense: other\n---\n\n# Do not use this.\n",
        "---\nlicense: other\n---\n<!-- a --> Do not use this. <!-- b -->",
        DatasetCard.from_template(DatasetCardData(), curators="Do not use this.").content,
    ],
)
def test_words_of_a_person_are_named_and_kept_once_the_release_has_them(text: str) -> None:
    assert "Do not use this." in lost(text)
    if "Curated" not in text:
        assert lost(text, card("1.1.0", "Do not   use\nthis.")) is None, "in other lines"


def test_a_card_of_a_build_is_replaced_by_the_next() -> None:
    assert lost(BEFORE, base=BEFORE) is None
    assert lost(BEFORE, card("1.1.0", "Other words of the publisher."), base=BEFORE) is None


@pytest.mark.parametrize(
    "edited",
    [
        card("1.0.0", "Notes of ours.\nA warning."),
        card("1.0.0", "Notes of ours.", above="A warning."),
        card("1.0.0", "Notes of ours.", below="A warning."),
        BEFORE.replace("9 rows.", "9 rows. A warning."),
        BEFORE + "A warning.",
        BEFORE.replace(cards.BEGIN, "A warning."),
    ],
)
def test_edits_between_above_and_below_the_fences_are_noticed(edited: str) -> None:
    assert "A warning." in lost(edited, base=BEFORE)
    assert "A warning." in lost(edited, base=None) or "Version" in lost(edited, base=None)
    kept = card("1.1.0", "Notes of ours.\n\nVersion 1.0.0 has 9 rows. A warning.")
    assert lost(edited, kept, base=BEFORE) is None, "moved between the fences, as the hint says"


def test_words_that_were_removed_on_the_hub_do_not_come_back() -> None:
    both = card("1.0.0", "Notes of ours.\nA wrong sentence.")
    edited = card("1.0.0", "Notes of ours.")
    assert lost(edited, card("1.1.0", "Notes of ours.\nA wrong sentence."), base=both) == "A wrong sentence."
    assert lost(edited, OURS, base=both) is None
    default = card("1.0.0", cards.NOTHING_WRITTEN)
    replaced = card("1.0.0", "A warning.")
    assert lost(replaced, card("1.1.0", "A warning."), base=BEFORE) is None
    assert lost(replaced, card("1.1.0", "Notes of ours. A warning."), base=BEFORE) == "Notes of ours."
    assert lost(card("1.0.0", ""), card("1.1.0", cards.NOTHING_WRITTEN), base=default) is None


def test_a_card_of_comments_without_end_is_read_in_one_pass() -> None:
    assert lost("<!--\n" * 400_000 + "Words.") == "Words."
    assert lost("<!-- a\nWords." + "<!--" * 10) == "<!-- a"
