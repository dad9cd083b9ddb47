"""The transformers engine: the same answers without vLLM, on CPU, CUDA or MPS; batched by length."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from syco_data import engines
from syco_data.engines import architectures, models
from syco_data.engines.planning import Query
from syco_data.errors import SycoError, first_line

if TYPE_CHECKING:
    from syco_data.engines.models import ResolvedModel
    from syco_data.settings import Engines


ROWS = 16384  # of a head that are cast at once


def identity(settings: Engines) -> engines.Identity:
    return engines.Identity(
        "transformers", engines.version_of("transformers"), engines.accelerator(settings.transformers.device)
    )


def sorts_by_prefix(_: Engines) -> bool:
    return False


def load(model: ResolvedModel, settings: Engines) -> engines.Engine:
    return TransformersEngine(model, settings)


def _project_in_float32(head: Any) -> None:
    """Logits in float32 from the hidden state; what the model does with them after that (a scale, a cap) stays.

    The head's rows are cast piece by piece: a whole one in float32 may be gigabytes.
    """
    import torch
    from torch.nn.functional import linear

    if not isinstance(head, torch.nn.Linear) or head.weight.dtype in (torch.float32, torch.float64):
        return

    def forward(hidden: torch.Tensor) -> torch.Tensor:
        parts = [linear(hidden.float(), rows.float()) for rows in head.weight.split(ROWS)]
        logits = torch.cat(parts, dim=-1)
        return logits if head.bias is None else logits + head.bias.float()

    head.forward = forward


class TransformersEngine(engines.Engine):
    """Right padding and causal attention: what is padded cannot change the positions that are read."""

    def __init__(self, model: ResolvedModel, settings: Engines) -> None:
        super().__init__(model, settings)
        import torch

        self._torch, self._batch_tokens = torch, settings.transformers.batch_tokens
        self._device = self.settings.transformers.device
        if self._device == "auto":
            self._device = engines.accelerator("auto").split()[0]
        engines.check_device(self._device, "engines.transformers.device")
        self._model = self._load()
        self.vocabulary = self._model.get_input_embeddings().weight.shape[0]
        head = self._model.get_output_embeddings()
        _project_in_float32(head)
        self._read: tuple[Any, Any] | None = None  # which position of which text is projected; None: as the model asks
        if head is not None:
            head.register_forward_pre_hook(self._picked)
        self._keeps = "logits_to_keep" in inspect.signature(self._model.forward).parameters

    def _picked(self, _: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """One position of each text, instead of every length of the batch for each: with a vocabulary of 256,000 the
        logits would take gigabytes."""
        if self._read is None:
            return None
        (hidden, *others), read = arguments, self._read
        self._read = None
        return hidden[read][:, None], *others

    def _load(self) -> Any:
        dtype = "auto" if self.model.dtype == "auto" else getattr(self._torch, self.model.dtype)
        loaded = architectures.load(models.label(self.model.name), self.model.folder, dtype)
        try:
            return loaded.to(self._device)
        except RuntimeError as error:  # torch's own word for a device without room
            raise SycoError(
                f"model '{self.model.name}' does not go to {self._device}: {first_line(error)}",
                "Take a narrower dtype, or set engines.transformers.device to cpu",
            ) from error

    def logprobs(self, queries: Sequence[Query]) -> list[Sequence[float]]:
        answers: list[Sequence[float]] = [()] * len(queries)
        for batch in self._batches(queries):
            for index, row in zip(batch, self._forward([queries[index] for index in batch]), strict=True):
                answers[index] = row
        return answers

    def _batches(self, queries: Sequence[Query]) -> Iterator[list[int]]:
        """Indices of queries of like length, at most `batch_tokens` a batch, padding included."""
        order = sorted(range(len(queries)), key=lambda index: (len(queries[index].ids), queries[index].ids))
        batch: list[int] = []
        for index in order:
            if batch and (len(batch) + 1) * len(queries[index].ids) > self._batch_tokens:
                yield batch
                batch = []
            batch.append(index)
        if batch:
            yield batch

    def _forward(self, queries: list[Query]) -> list[list[float]]:
        torch = self._torch
        lengths = torch.tensor([len(query.ids) for query in queries])
        ids = torch.zeros((len(queries), int(lengths.max())), dtype=torch.long)
        for row, query in enumerate(queries):
            ids[row, : len(query.ids)] = torch.tensor(query.ids)
        mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        # The few last positions of a batch of like lengths, instead of logits for every position.
        kept, where = torch.unique(lengths - 1, return_inverse=True)
        self._read = read = (torch.arange(len(queries)), where if self._keeps else lengths - 1)
        with torch.inference_mode():
            output = self._model(
                input_ids=ids.to(self._device),
                attention_mask=mask.to(self._device),
                use_cache=False,
                **({"logits_to_keep": kept.to(self._device)} if self._keeps else {}),
            )
            logits = output.logits[:, 0] if self._read is None else output.logits[read]
            last = logits.float().log_softmax(-1).cpu()
        self._read = None
        return [last[row, list(query.candidates)].tolist() for row, query in enumerate(queries)]

    def extend(self, prompts: list[list[int]], max_tokens: int) -> list[list[int]]:
        tokens: list[list[int]] = [[]] * len(prompts)
        for batch in self._batches([Query(tuple(prompt), ()) for prompt in prompts]):
            for index, ids in zip(batch, self._generate([prompts[index] for index in batch], max_tokens), strict=True):
                tokens[index] = ids
        return tokens

    def _generate(self, prompts: list[list[int]], max_tokens: int) -> list[list[int]]:
        """Left padding here: new tokens follow the prompt."""
        torch, width = self._torch, max(map(len, prompts))
        ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        with torch.inference_mode():
            output = self._model.generate(
                input_ids=ids.to(self._device), attention_mask=mask.to(self._device), max_new_tokens=max_tokens,
                do_sample=False, pad_token_id=self._ends[0] if self._ends else 0,
            )  # fmt: skip
        return [self._until_end(row[width:].tolist()) for row in output.cpu()]

    @property
    def _ends(self) -> list[int]:
        ids = self._model.generation_config.eos_token_id
        return [] if ids is None else [ids] if isinstance(ids, int) else list(ids)

    def _until_end(self, ids: list[int]) -> list[int]:
        ends = [index for index, token in enumerate(ids) if token in self._ends]
        return ids[: ends[0]] if ends else ids

    def close(self) -> None:
        self._model = None
        if self._device == "cuda":
            self._torch.cuda.empty_cache()
