"""A model folder's tokenizer and chat template, as planning and engines need them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from syco_data.engines import model_files
from syco_data.engines.chat_rendering import Refused, Renderer
from syco_data.engines.chat_template import ChatTemplate
from syco_data.engines.planning import BORDER, Spans
from syco_data.errors import SycoError, first_line
from syco_data.prompts import transcripts

# Some chat templates print the date of the day: a fixed one keeps texts, and so scores, the same tomorrow.
TEMPLATE_DATE = "26 Jul 2024"
SPLIT = "\ufdd0"
"""Parts a control token that is spelled in a text of ours, which the library would read as the token. No character
of any language; its own tokens are taken out again."""


class Ending(NamedTuple):
    """How an answer ends: the end token's id, and the text of the chat template up to that token and with it (in
    plain style nothing: the token is put behind the others). `origin` says where it was found."""

    token: int
    text: str
    origin: str


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
            self._framed(self.template.behind)
        return self._loaded

    @cached_property
    def _loaded(self) -> Any:
        from transformers import AutoTokenizer

        try:
            loaded = AutoTokenizer.from_pretrained(self.folder, trust_remote_code=False, local_files_only=True)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # the Rust library raises a bare Exception, and panics that are not an Exception
            raise self._explained(error) from error
        if not loaded.is_fast:
            raise SycoError(
                f"model folder {self.folder.name}: the tokenizer is not a fast one (there is no tokenizer.json)",
                "Save it again with transformers' PreTrainedTokenizerFast",
            )
        return loaded

    def _explained(self, error: BaseException) -> SycoError:
        """Where the file is JSON and the library knows no such part, the file is of a newer library."""
        where, reason = f"model folder {self.folder.name}", first_line(error)
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

    def check(self) -> str:
        """Where answers stand and what ends them, in words.

        Raises `SycoError` for files that do not make a tokenizer, and for a chat template that does not work.
        """
        if self.style == "chat":
            self._framed(self.template.check)
        example, ending = self.request("a"), self.ending
        self.ids([example, ending.text])
        token = self._loaded.convert_ids_to_tokens(ending.token)
        return f"answers follow {example[-40:]!r} and end with {token!r} (from {ending.origin})"

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
        if any(SPLIT in text for text in texts):
            return [span.ids for span in self.spans(texts)]
        encoded = self._core.encode_batch_fast(texts, add_special_tokens=self._specials)
        return [encoding.ids[: len(encoding.ids) - self._closing] for encoding in encoded]

    def spans(self, texts: list[str]) -> list[Spans]:
        """Token ids of each text with the character position where each token ends."""
        encoded = self._core.encode_batch(texts, add_special_tokens=self._specials)
        keep = [len(encoding.ids) - self._closing for encoding in encoded]
        spans = [
            Spans(encoding.ids[:size], [end for _, end in encoding.offsets[:size]])
            for encoding, size in zip(encoded, keep, strict=True)
        ]
        return [self._whole(text, span) if SPLIT in text else span for text, span in zip(texts, spans, strict=True)]

    def _whole(self, text: str, span: Spans) -> Spans:
        """The tokens of a text without those of the marks that part its control tokens."""
        kept = [(token, end) for token, end in zip(*span, strict=True) if text[end - 1 : end] != SPLIT]
        return Spans([token for token, _ in kept], [end for _, end in kept])

    def text(self, ids: list[int]) -> str:
        """The text of generated tokens, special tokens left out."""
        return self.library.decode(ids, skip_special_tokens=True)

    def styled(self, transcript: str) -> str:
        """The transcript as this model is to read it: as it stands, or in its chat template.

        In a chat template the answer lead-in begins the assistant's turn, which stays open.
        """
        if self.style == "plain":
            return self.literal(transcript)
        *turns, lead_in = transcripts.turns(transcript)
        messages = [{"role": turn.role, "content": self.literal(turn.content)} for turn in turns]
        return self._before(messages) + self.literal(lead_in.content)

    def request(self, text: str) -> str:
        """An instruction as this model is to read it, up to where its answer begins."""
        if self.style == "plain":
            return f"Human: {self.literal(text)}\n\nAssistant: "
        return self._before([{"role": "user", "content": self.literal(text)}])

    def literal(self, text: str) -> str:
        """The text with every control token that is spelled in it parted, so that it is read as other text is."""
        while self._controls is not None and self._controls.search(text):  # a part may be a control token too
            text = self._controls.sub(lambda match: f"{match[0][0]}{SPLIT}{match[0][1:]}", text)
        return text

    @cached_property
    def _controls(self) -> re.Pattern | None:
        """The control tokens as they are spelled: special ones, and added ones that the chat template writes.

        White space is none: some tokenizers have added runs of blanks.
        """
        written = self._framed(self._writings) if self.style == "chat" else ""
        added = self._loaded.backend_tokenizer.get_added_tokens_decoder().values()
        spelled = {one.content for one in added if one.content.strip() and (one.special or one.content in written)}
        longest = sorted((one for one in spelled if len(one) > 1), key=lambda one: (-len(one), one))
        return re.compile("|".join(map(re.escape, longest))) if longest else None

    @cached_property
    def ending(self) -> Ending:
        """What ends an answer: the token that the chat template puts there, else the tokenizer's end-of-text token.

        A token that the tokenizer has added to its words counts, whether it is named as a special one or not. A
        template may leave it to the user's next turn, whose first token ends an answer where the model's
        generation_config.json says so. Raises `SycoError` where there is none.
        """
        if self.style == "chat":
            behind = self._framed(self.template.behind)
            if first := self._first_added(behind):
                return Ending(*first, "its chat template")
            between = self._framed(self.template.next_turn)
            if (first := self._first_added(between)) and first[0] in self._stops():
                return Ending(*first, "its chat template, as the start of the next turn")
            self._framed(self.template.check_end)
        if self._loaded.eos_token_id is None:
            raise SycoError(f"model folder {self.folder.name}: the tokenizer has no end-of-text token")
        return Ending(self._loaded.eos_token_id, "", "its tokenizer: the end-of-text token")

    def _first_added(self, text: str) -> tuple[int, str] | None:
        """The id of the first added token of a text that begins with it, blanks aside, and the text up to its end."""
        (span,), blanks = self.spans([text]), len(text) - len(text.lstrip())
        added = self._core.get_added_tokens_decoder()
        for token, end in zip(span.ids, span.ends, strict=True):
            if end > blanks:
                return (token, text[:end]) if token in added else None
        return None

    def _stops(self) -> set[int]:
        """The tokens at which the model's generation ends, by its own configuration."""
        path = self.folder / "generation_config.json"
        value = model_files.read_json(f"model folder {self.folder.name}", path) if path.is_file() else {}
        stops = value.get("eos_token_id", [])
        return set(stops if isinstance(stops, list) else [stops])

    @cached_property
    def template(self) -> ChatTemplate:
        """The chat template; its methods raise `Refused`."""
        return ChatTemplate(lambda messages, **options: self._renderer.render(*self._template(), messages, **options))

    def _writings(self) -> str:
        """The chat template's text, and what it writes: some marks are put together from their parts."""
        return f"{self._template()[0]}{self.template.example()}{self.template.behind()}{self.template.next_turn()}"

    def _before(self, messages: list[dict[str, str]]) -> str:
        return self._framed(self.template.before, messages)

    def _framed(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """What the chat template gives. Raises `SycoError` for one that fails, does not end, fills the memory, or
        cannot be understood."""
        try:
            return call(*arguments)
        except Refused as error:
            raise SycoError(
                f"model folder {self.folder.name}: its chat template cannot be used: {error}",
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
            raise Refused(first_line(error)) from error

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
