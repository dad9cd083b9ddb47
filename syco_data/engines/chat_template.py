"""Where a model's chat template puts an answer, and which token ends it: both are seen in what the template writes.

A marker stands for the answer of a conversation. What the template writes before the marker is what a model reads
before its answer, in filtration, training and evaluation alike; what it writes behind is how an answer ends.

Templates of thinking models open a thought in their generation prompt. An answer never stands in a thought that is
open: thinking is switched off, and the template's own closed, empty thought is taken where it writes one.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from syco_data.engines.chat_rendering import Refused

MARKER = "a7e05c3d91f64b28"
"""Stands for an answer in a conversation; of letters and digits, as templates trim white space."""
NO_THINKING = {"enable_thinking": False, "thinking": False}
"""The switches of the templates that have one: Qwen, GLM, SmolLM (the first), Granite, DeepSeek (the second)."""

Message = dict[str, str]
Render = Callable[..., str]  # (messages, **options) -> text

_THOUGHT = re.compile(
    r"[<\[◁]\|?(?P<close>/?)(?P<name>[\w:]*(?:think|thought|reason|reflect)[\w:]*)\|?[>\]▷]"
    r"|<\|channel\|?>(?P<channel>\w+)|(?P<closed><channel\|>)",
    re.IGNORECASE,
)
# With all that a template might rewrite: quotes, marks of HTML, two blanks, a line break.
_QUESTION, _ANSWER = 'Name a "river", or  a <lake> & why\nit\'s one.', "The Po"
_EXAMPLE = [{"role": "user", "content": _QUESTION}]
_TWO_TURNS = [*_EXAMPLE, {"role": "assistant", "content": _ANSWER}, {"role": "user", "content": "And a lake?"}]


@dataclass(frozen=True)
class Frame:
    """What a template writes around an answer, from the conversation's first character to its last."""

    before: str
    behind: str


class ChatTemplate:
    """Frames of conversations. `render` gives a conversation in the template, or raises `Refused`."""

    def __init__(self, render: Render) -> None:
        self._render = render

    def before(self, messages: list[Message]) -> str:
        """What stands before the assistant's next answer to `messages`, which end with the user's turn."""
        written = self._generation_prompt if self._takes_generation_prompt else self._finished_before
        text, start = written(messages), 0
        for message in messages:
            content = message["content"].strip()
            start = text.find(content, start)
            if start < 0:
                raise Refused(f"it does not write {content!r:.200} as it stands, in its place ({text[-200:]!r})")
            start += len(content)
        return text

    def behind(self) -> str:
        """What stands behind an answer that ends a conversation; nothing where a conversation may not end so."""
        return "" if self._refusal else self._finished(_EXAMPLE).behind

    def check_end(self) -> None:
        """Raises `Refused` where a template does not show what stands behind the last answer of a conversation."""
        if self._refusal:
            raise Refused(
                f"it takes no finished answer ({self._refusal}), and what it writes behind one that the user answers "
                f"({self.next_turn()!r:.60}) is not an end token of generation_config.json"
            )

    def next_turn(self) -> str:
        """What stands between an answer and the user's next turn."""
        text = self._render([*_EXAMPLE, {"role": "assistant", "content": MARKER}, _TWO_TURNS[-1]], **NO_THINKING)
        between = re.search(f"{MARKER}(.*){re.escape(_TWO_TURNS[-1]['content'])}", text, re.DOTALL)
        return between[1] if between else ""

    def example(self) -> str:
        """What stands before the second answer of a conversation."""
        return self.before(_TWO_TURNS)

    def check(self) -> None:
        """Raises `Refused` where turns are left out, changed, doubled or out of order, in one turn or in two."""
        for messages in (_EXAMPLE, _TWO_TURNS):
            before = self.before(messages)
            for content in (message["content"] for message in messages):
                if before.count(content) != 1:
                    raise Refused(f"it writes {content!r} {before.count(content)} times ({before[-200:]!r})")

    @cached_property
    def _takes_generation_prompt(self) -> bool:
        """Whether an answer follows the generation prompt, where a finished answer is written otherwise.

        Of the two the one that closes a thought is where this model answers without thinking.
        """
        prompt = self._generation_prompt(_EXAMPLE)
        if self._refusal:
            if is_open(prompt):
                raise Refused(
                    f"it takes no finished answer ({self._refusal}), and its generation prompt opens a thought "
                    f"({_tail(prompt)}), with {' and '.join(NO_THINKING)} off"
                )
            return True
        finished = self._finished_before(_EXAMPLE)
        if is_open(finished) and is_open(prompt):
            raise Refused(
                f"it opens a thought before every answer and closes none. Tried: a finished answer ({_tail(finished)}) "
                f"and the generation prompt ({_tail(prompt)}), both with {' and '.join(NO_THINKING)} off"
            )
        if finished.startswith(prompt) and not is_open(finished):
            return False
        return is_open(finished) or (has_thought(_behind_question(prompt)) and not is_open(prompt))

    @cached_property
    def _refusal(self) -> str | None:
        """What a template says that takes no conversation whose last turn is an answer, but other ones."""
        try:
            self._written(_EXAMPLE)
        except Refused as error:
            self._generation_prompt(_EXAMPLE)  # where it fails as well, that says why
            return str(error)
        return None

    def _written(self, messages: list[Message]) -> str:
        return self._render([*messages, {"role": "assistant", "content": MARKER}], **NO_THINKING)

    def _finished_before(self, messages: list[Message]) -> str:
        return self._finished(messages).before

    def _finished(self, messages: list[Message]) -> Frame:
        text = self._written(messages)
        before, marker, behind = text.partition(MARKER)
        if not marker:
            raise Refused("it leaves answers out")
        if MARKER in behind:
            raise Refused("it writes an answer more than once")
        return Frame(before, behind)

    def _generation_prompt(self, messages: list[Message]) -> str:
        return self._render(messages, add_generation_prompt=True, **NO_THINKING)


def is_open(text: str) -> bool:
    """Whether a text ends inside a thought: behind an opening mark, or in a channel that is not the final one."""
    marks = list(_THOUGHT.finditer(_behind_question(text)))
    if not marks:
        return False
    if marks[-1]["closed"]:
        return False
    if marks[-1]["channel"]:
        return marks[-1]["channel"] != "final"
    return not (marks[-1]["close"] or marks[-1]["name"].lower().startswith("end"))


def has_thought(text: str) -> bool:
    """Whether a text holds a mark of a thought."""
    return _THOUGHT.search(text) is not None


def _behind_question(text: str) -> str:
    """The part that is the assistant's: a system turn may speak of thoughts too."""
    return text.rpartition(_QUESTION)[2]


def _tail(text: str) -> str:
    return repr(_behind_question(text)[-60:])
