"""Has the LM head see the positions that have a target, and no others.

TRL does so by itself where Triton runs; elsewhere it projects every position onto the vocabulary, which made up three
quarters of the time on a CPU. TRL has no option for it. It does take labels that are shifted already, so it is handed
the targets alone, and the model's own backbone hands on the hidden states that belong to them.
"""

from typing import Any

import torch

IGNORED = -100


class TargetProjection:
    """A forward hook on the backbone of one model; it does nothing outside `forward`."""

    def __init__(self, backbone: torch.nn.Module) -> None:
        self._mask: torch.Tensor | None = None
        backbone.register_forward_hook(self._narrow)

    def forward(self, model: torch.nn.Module, labels: torch.Tensor, **inputs: Any) -> Any:
        """What `model` returns for a batch: the figures of each token in their places, zero where there is no target.

        Sums over them, losses and gradients are to the bit those that TRL makes with Triton's projection.
        """
        shifted = labels[:, 1:]
        mask = shifted != IGNORED
        self._mask = mask
        try:
            outputs = model(**inputs, shift_labels=shifted[mask][None])
        finally:
            self._mask = None
        for name in ("log_probs", "entropy", "is_top1"):
            values = outputs[name]
            outputs[name] = values.new_zeros(mask.shape).masked_scatter(mask, values)
        outputs["label_mask"] = mask
        return outputs

    def _narrow(self, _module: torch.nn.Module, _inputs: Any, output: Any) -> Any:
        if self._mask is not None:
            output.last_hidden_state = output.last_hidden_state[:, :-1][self._mask][None]
        return output
