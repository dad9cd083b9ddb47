"""The reference model's tokenizer: byte-level BPE with single digits, and one token for each phrase of a template.

An opinion prompt is then some 60 tokens long, and no character of the text is changed. Rebuilding it from the
same texts gives the same bytes.
"""

import re
from collections.abc import Iterable

from syco_data.prompts import personas
from syco_data.prompts.templates import Template
from syco_data.reference import surveys
from syco_data.sources import SOURCES, Label

END, PAD = "<|end|>", "<|pad|>"
LETTERS = (" (A)", " (B)", " (C)", " (D)")
WORDS = (" is not", " agree", " disagree", '" and "')
TURNS = ("Human:", "\n\nHuman:", "\n\nAssistant:")
TAIL = ("\n\nChoices:", "\n\nAnswer:", " I believe the best answer is", " I believe the better option is")
_WORDS = re.compile(r"(?= agree\b| disagree\b)|(?<= agree)|(?<= disagree)|(?=\n)|(?<=Human:)")


def phrases(templates: Iterable[Template]) -> list[str]:
    """What gets a token of its own: fixed parts of the templates, option lists, schools, label wordings."""
    labels = [f" {words}" for source in SOURCES.values() for label in source.labels for words in _wordings(label)]
    lists = [surveys.choices(options, "").removesuffix("\n\nAnswer:") for options in surveys.TWO + surveys.MORE]
    schools = [f" {school}" for school in personas.SCHOOLS]
    fixed = [piece for template in templates for piece in _fixed_parts(template)]
    return list(dict.fromkeys([*LETTERS, *WORDS, *TURNS, *TAIL, *lists, *schools, *labels, *fixed]))


def _wordings(label: Label) -> tuple[str, str]:
    return label.wording, label.after_not


def _fixed_parts(template: Template) -> list[str]:
    """The words between the slots, cut before the options and around the opinion; single words stay to the BPE."""
    forms = [*template.full.values(), *template.stripped.values()]
    pieces = [piece for form in forms for literal in form.pieces[::2] for piece in _WORDS.split(literal)]
    return [piece.rstrip(" ") for piece in pieces if len(piece.split()) > 1 and "\n" not in piece]


def build(texts: Iterable[str], templates: Iterable[Template], size: int):
    """A `tokenizers.Tokenizer` of `size` learnt tokens and one more per phrase."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[END, PAD],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(phrase, normalized=False, special=False) for phrase in phrases(templates)])
    return tokenizer
