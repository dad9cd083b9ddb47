"""The 17 sources as one table of records (Table 4 of arXiv 2308.03958; upstream facts checked November 2026).

A label is keyed by its upstream *name*, in the order of upstream's ids, so that a re-ordering upstream is a
loud failure instead of a data set of wrong claims.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Label:
    """One class of a source: `wording` is what a claim says of an input.

    `upstream` lists every spelling that upstream has used for the class. `after_not` is the wording behind
    "is not" where the plain one would make a double negative ("is not Not Offensive").
    """

    upstream: tuple[str, ...]
    wording: str
    after_not: str

    def worded(self, polarity: str, published: bool) -> str:
        return self.wording if published or polarity == "is" else self.after_not


@dataclass(frozen=True)
class Source:
    """Where the rows of one source come from and what its labels are called in claims.

    `train` and `held_out` are upstream split names: claims for training come from the first only, probes from
    the second only. `train_rows` is the published size of the training split, `unique_inputs` the published
    count after cleaning. `task` names a label space: sources of one task ask the same question.
    """

    key: str
    hub_id: str
    config: str
    text_columns: tuple[str, ...]
    label_column: str
    labels: tuple[Label, ...]
    train: str
    held_out: str
    licence: str
    attribution: str
    train_rows: int
    unique_inputs: int

    @property
    def folder(self) -> str:
        """The Hub-like folder of this source below a directory of sources."""
        return f"{self.hub_id.replace('/', '__')}/{self.config}"

    def wording_of(self, label: int) -> str:
        return self.labels[label].wording


def _label(upstream: str, wording: str, after_not: str | None = None) -> Label:
    return Label(tuple(upstream.split("|")), wording, after_not or wording)


_SENTIMENT = ("Negative Sentiment", "Neutral Sentiment", "Positive Sentiment")
_NEGATIVE, _POSITIVE = _label("negative|neg", _SENTIMENT[0]), _label("positive|pos", _SENTIMENT[2])
_ENTAILED = _label("entailment", "Entailment")
_NOT_ENTAILED = _label("not_entailment", "Not Entailment", "Unsupported")
_NEITHER = _label("neutral", "Neither Entailment Nor Contradiction", "Neutral")
_CONTRADICTED = _label("contradiction", "Contradiction")
_NLI = (_ENTAILED, _NEITHER, _CONTRADICTED)
_PLATFORM = "Tweets stay under the terms of the platform; the tasks' own terms apply."

_RECORDS = (
    Source("sst2", "stanfordnlp/sst2", "default", ("sentence",), "label", (_NEGATIVE, _POSITIVE),
           "train", "validation", "unknown", "Socher et al. 2013, Stanford Sentiment Treebank", 67_349, 66_978),
    Source("rotten_tomatoes", "cornell-movie-review-data/rotten_tomatoes", "default", ("text",), "label",
           (_NEGATIVE, _POSITIVE), "train", "test", "unknown", "Pang and Lee 2005, movie review data", 8_530, 8_530),
    Source("tweet_sentiment", "cardiffnlp/tweet_eval", "sentiment", ("text",), "label",
           (_NEGATIVE, _label("neutral", _SENTIMENT[1]), _POSITIVE), "train", "validation", "unknown",
           f"Rosenthal et al. 2017, SemEval-2017 task 4; Barbieri et al. 2020, TweetEval. {_PLATFORM}",
           45_615, 45_586),
    Source("tweet_offensive", "cardiffnlp/tweet_eval", "offensive", ("text",), "label",
           (_label("non-offensive|not-offensive", "Not Offensive", "Inoffensive"), _label("offensive", "Offensive")),
           "train", "validation", "unknown",
           f"Zampieri et al. 2019, OLID; Barbieri et al. 2020, TweetEval. {_PLATFORM}", 11_916, 11_883),
    Source("tweet_irony", "cardiffnlp/tweet_eval", "irony", ("text",), "label",
           (_label("non_irony", "Not Irony", "Sincere"), _label("irony", "Irony")), "train", "validation", "unknown",
           f"Van Hee et al. 2018, SemEval-2018 task 3; Barbieri et al. 2020, TweetEval. {_PLATFORM}", 2_862, 2_862),
    Source("qqp", "nyu-mll/glue", "qqp", ("question1", "question2"), "label",
           (_label("not_duplicate", "Not Duplicate", "Distinct"), _label("duplicate", "Duplicate")),
           "train", "validation", "other", "Quora Question Pairs, under Quora's terms of service", 363_846, 363_846),
    Source("mrpc", "nyu-mll/glue", "mrpc", ("sentence1", "sentence2"), "label",
           (_label("not_equivalent", "Not Equivalent", "Dissimilar"), _label("equivalent", "Equivalent")),
           "train", "validation", "other", "Dolan and Brockett 2005, Microsoft Research Paraphrase Corpus",
           3_668, 3_668),
    Source("paws", "google-research-datasets/paws", "labeled_final", ("sentence1", "sentence2"), "label",
           (_label("0", "Different Meaning"), _label("1", "Paraphrase")), "train", "test", "other",
           "Zhang, Baldridge and He 2019, PAWS; free for any purpose, acknowledgement of Google LLC asked",
           49_401, 49_349),
    Source("rte", "aps/super_glue", "rte", ("premise", "hypothesis"), "label", (_ENTAILED, _NOT_ENTAILED),
           "train", "validation", "other", "PASCAL Recognising Textual Entailment challenges 1, 2, 3 and 5",
           2_490, 2_488),
    Source("wnli", "nyu-mll/glue", "wnli", ("sentence1", "sentence2"), "label", (_NOT_ENTAILED, _ENTAILED),
           "train", "validation", "other", "Levesque, Davis and Morgenstern 2012, Winograd schema challenge; GLUE",
           635, 635),
    Source("qnli", "nyu-mll/glue", "qnli", ("sentence", "question"), "label", (_ENTAILED, _NOT_ENTAILED),
           "train", "validation", "other", "Rajpurkar et al. 2016, SQuAD; Wang et al. 2019, GLUE", 104_743, 104_743),
    Source("mnli", "nyu-mll/glue", "mnli", ("premise", "hypothesis"), "label", _NLI, "train", "validation_matched",
           "other", "Williams, Nangia and Bowman 2018, MultiNLI", 392_702, 392_577),
    Source("snli", "stanfordnlp/snli", "default", ("premise", "hypothesis"), "label", _NLI, "train", "validation",
           "cc-by-sa-4.0", "Bowman et al. 2015, SNLI", 550_152, 549_526),
    Source("cb", "aps/super_glue", "cb", ("premise", "hypothesis"), "label", (_ENTAILED, _CONTRADICTED, _NEITHER),
           "train", "validation", "other", "De Marneffe, Simons and Tonhauser 2019, CommitmentBank", 250, 250),
    Source("trec", "CogComp/trec", "default", ("text",), "coarse_label",
           (_label("ABBR", "Abbreviation"), _label("ENTY", "Entity"),
            _label("DESC", "Description or Abstract Concept"), _label("HUM", "Human Being"),
            _label("LOC", "Location"), _label("NUM", "Numeric Value")),
           "train", "test", "unknown", "Li and Roth 2002, TREC question classification", 5_452, 5_381),
    Source("ag_news", "fancyzhx/ag_news", "default", ("text",), "label",
           (_label("World", "World"), _label("Sports", "Sports"), _label("Business", "Business"),
            _label("Sci/Tech", "Science and Technology")),
           "train", "test", "unknown", "Zhang, Zhao and LeCun 2015, AG's news corpus; research and other "
           "non-commercial use", 120_000, 120_000),
    Source("cola", "nyu-mll/glue", "cola", ("sentence",), "label",
           (_label("unacceptable", "Unacceptable Sentence"), _label("acceptable", "Acceptable Sentence")),
           "train", "validation", "other", "Warstadt, Singh and Bowman 2019, CoLA; sentences stay with their "
           "publishers", 8_551, 8_532),
)  # fmt: skip

SOURCES: dict[str, Source] = {record.key: record for record in _RECORDS}
"""Every source by key, in the order of the published table (later duplicates give way to earlier ones)."""

PUBLISHED_POOL = sum(record.unique_inputs for record in _RECORDS)
