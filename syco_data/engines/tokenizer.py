"""A model folder's tokenizer and chat template, as planning and engines need them."""

from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from syco_data.engines.chat_rendering import Refused, Renderer
from syco_data.engines.planning import BORDER, Spans
from syco_data.errors import SycoError
from syco_data.prompts import transcripts

# Some chat templates print the date of the day: a fixed one keeps texts, and so scores, the same tomorrow.
TEMPLATE_DATE = "26 Jul 2024"
EXAMPLE = [{"role": "user", "content": "Name a river."}, {"role": "assistant", "content": "The Po"}]


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
        """The transformers tokenizer; in chat style one whose template is known to come to an end."""
        if self.style == "chat":
            self.rendered(EXAMPLE, continue_final_message=True)
        return self._loaded

    @cached_property
    def _loaded(self) -> Any:
        from transformers import AutoTokenizer

        try:
            loaded = AutoTokenizer.from_pretrained(self.folder, trust_remote_code=False, local_files_only=True)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # the Rust library raises a bare Exception, and panics that are no Exception
            raise self._explained(error) from error
        if not loaded.is_fast:
            raise SycoError(
                f"model folder {self.folder.name}: the tokenizer is no fast one (there is no tokenizer.json)",
                "Save it again with transformers' PreTrainedTokenizerFast",
            )
        return loaded

    def _explained(self, error: BaseException) -> SycoError:
        """Where the file is JSON and the library knows no such part, the file is of a newer library."""
        where, reason = f"model folder {self.folder.name}", _first_line(error)
        if "untagged enum" in reason or "unknown variant" in reason:
            return SycoError(
                f"{where}: tokenizer.json needs a newer tokenizers (here: {version('tokenizers')}): {reason}",
                "Update it (pip install -U tokenizers), or save the tokenizer with the version that is here",
            )
        if isinstance(error, (AttributeError, KeyError, TypeError)):
            reason = f"its files are malformed ({reason})"
        return SycoError(
            f"{where}: the tokenizer cannot be loaded: {reason}", "Fetch or save the tokenizer's files again"
        )

    def check(self) -> None:
        """Raises `SycoError` for files that do not make a tokenizer, and for a chat template that does not work."""
        self.ids([self.rendered(EXAMPLE) if self.style == "chat" else EXAMPLE[0]["content"]])

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
        return self.rendered(messages, continue_final_message=True)

    def rendered(self, messages: list[dict[str, str]], what: str = "the prompt", **options: bool) -> str:
        """A conversation in the chat template; `options` as of transformers' `apply_chat_template`.

        Raises `SycoError` for a template that fails, does not end, or fills the memory; `what` it was given says
        the error.
        """
        try:
            return self._renderer.render(*self._template(), messages, **options)
        except Refused as error:
            raise SycoError(
                f"model folder {self.folder.name}: its chat template refuses {what}: {error}",
                "Set prompt_style: plain for this model",
            ) from error

    @cached_property
    def _renderer(self) -> Renderer:
        return Renderer()

    def _template(self) -> tuple[str, dict[str, Any]]:
        """The template, and what it finds beside the messages."""
        try:
            return self._loaded.get_chat_template(), {**self._loaded.special_tokens_map, "date_string": TEMPLATE_DATE}
        except (ValueError, TypeError, AttributeError) as error:
            raise Refused(_first_line(error)) from error

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


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{lines[0]:.300}" if lines else type(error).__name__


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
