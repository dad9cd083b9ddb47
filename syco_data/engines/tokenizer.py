"""A model folder's tokenizer and chat template, as planning and engines need them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from syco_data import transcripts
from syco_data.errors import SycoError
from syco_data.scoring import BORDER, Spans

# Some chat templates print the date of the day: a fixed one keeps texts, and so scores, the same tomorrow.
TEMPLATE_DATE = "26 Jul 2024"


@dataclass(frozen=True)
class Tokenizer:
    """Wraps a fast tokenizer; `style` is `plain` or `chat`.

    Plain texts get the tokenizer's special tokens in front (a closing one is left out: the text goes on);
    a chat template has written its own already.
    """

    folder: Path
    style: str

    @cached_property
    def library(self) -> Any:
        """The transformers tokenizer."""
        from transformers import AutoTokenizer

        try:
            loaded = AutoTokenizer.from_pretrained(self.folder, trust_remote_code=False, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise SycoError(f"model folder {self.folder.name}: the tokenizer cannot be loaded: {reason}") from error
        if not loaded.is_fast:
            raise SycoError(
                f"model folder {self.folder.name}: the tokenizer is no fast one (there is no tokenizer.json)",
                "Save it again with transformers' PreTrainedTokenizerFast",
            )
        return loaded

    @cached_property
    def _core(self) -> Any:
        """The Rust tokenizer, without truncation or padding of its own."""
        core = self.library.backend_tokenizer
        core.no_truncation()
        core.no_padding()
        return core

    @property
    def _specials(self) -> bool:
        return self.style == "plain"

    @cached_property
    def _closing(self) -> int:
        """How many special tokens the tokenizer puts behind a text."""
        if not self._specials:
            return 0
        mask = self._core.encode("a", add_special_tokens=True).special_tokens_mask
        return len(mask) - len("".join(map(str, mask)).rstrip("1"))

    def ids(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text."""
        encoded = self._core.encode_batch_fast(texts, add_special_tokens=self._specials)
        return [encoding.ids[: len(encoding.ids) - self._closing] for encoding in encoded]

    def spans(self, texts: list[str]) -> list[Spans]:
        """Token ids of each text with the character position where each token ends."""
        encoded = self._core.encode_batch(texts, add_special_tokens=self._specials)
        keep = [len(encoding.ids) - self._closing for encoding in encoded]
        return [
            Spans(encoding.ids[:size], [end for _, end in encoding.offsets[:size]])
            for encoding, size in zip(encoded, keep, strict=True)
        ]

    def text(self, ids: list[int]) -> str:
        """The text of generated tokens, special tokens left out."""
        return self.library.decode(ids, skip_special_tokens=True)

    def styled(self, transcript: str) -> str:
        """The transcript as this model is to read it: as it stands, or in its chat template.

        In a chat template the answer lead-in begins the assistant's turn, which stays open.
        """
        if self.style == "plain":
            return transcript
        messages = [{"role": turn.role, "content": turn.content} for turn in transcripts.turns(transcript)]
        try:
            return self.library.apply_chat_template(
                messages,
                tokenize=False,
                continue_final_message=True,
                date_string=TEMPLATE_DATE,
                strftime_now=lambda _: TEMPLATE_DATE,
            )
        except Exception as error:  # a template may raise anything: jinja2 errors, ValueError, TypeError
            raise SycoError(
                f"model folder {self.folder.name}: its chat template refuses the prompt: {error}",
                "Set prompt_style: plain for this model",
            ) from error

    def is_local(self, border: str, options: tuple[str, ...]) -> bool:
        """Whether tokens after a text that ends in `border` are decided by these characters alone.

        True when the pre-tokenizer cuts inside the border (tokens never cross a cut), and no added token can
        reach over the end of the text or begin before the border and end with it.
        """
        if len(border) < BORDER or self._core.pre_tokenizer is None:
            return False
        if any(_straddles(token, border, option) for token in self._added for option in options):
            return False
        return all(self._cuts(border, option) >= 2 for option in options)

    @cached_property
    def _added(self) -> list[str]:
        return [token.content for token in self._core.get_added_tokens_decoder().values()]

    def _cuts(self, border: str, option: str) -> int:
        text = border + option
        if self._core.normalizer is not None:
            text = self._core.normalizer.normalize_str(text)
        room = len(text) - len(option)
        pieces = self._core.pre_tokenizer.pre_tokenize_str(text)
        return sum(0 < start < room for _, (start, _) in pieces)


def _straddles(token: str, border: str, option: str) -> bool:
    """Whether an added token may hold the end of the text: begin in it and reach into the option, or
    begin before the border and end with it."""
    if len(token) >= len(border) and token.endswith(border):
        return True
    for size in range(1, len(token)):
        head, rest = token[:size], token[size:]
        over = option.startswith(rest) or rest.startswith(option)
        if over and (border.endswith(head) or head.endswith(border)):
            return True
    return False
