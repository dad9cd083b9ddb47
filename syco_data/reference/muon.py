"""Muon for many small matrices: those of one shape are orthogonalised together.

The update is that of `torch.optim.Muon` (https://kellerjordan.github.io/posts/muon/), which takes one matrix after the
other: for matrices of 64 by 128 nearly all of its time goes into starting operations.
"""

import math
from itertools import groupby

import torch
from torch.nn import Parameter


class Muon(torch.optim.Muon):
    """`torch.optim.Muon` with its arguments and defaults, by fewer operations; rates are adjusted as "original"."""

    @torch.no_grad()
    def step(self) -> None:  # pyrefly: ignore[bad-override]  (no closure here)
        """One update of every matrix; each must have a gradient. Raises ValueError for another `adjust_lr_fn`."""
        for group in self.param_groups:
            if group["adjust_lr_fn"] not in (None, "original"):
                raise ValueError(f"rates are adjusted as 'original' here, not as {group['adjust_lr_fn']!r}")
            ordered = sorted(group["params"], key=_shape)
            for _, same in groupby(ordered, key=_shape):
                self._step(list(same), group)

    def _step(self, same: list[Parameter], group: dict) -> None:
        grads = torch.stack([matrix.grad for matrix in same if matrix.grad is not None])
        state = self.state[same[0]]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(grads)
        momentum = state["momentum_buffer"].lerp_(grads, 1 - group["momentum"])
        updates = grads.lerp(momentum, group["momentum"]) if group["nesterov"] else momentum
        updates = orthogonal(updates, group["ns_coefficients"], group["ns_steps"], group["eps"])
        rows, columns = _shape(same[0])
        for matrix, update in zip(same, updates, strict=True):
            matrix.mul_(1 - group["lr"] * group["weight_decay"])
            matrix.add_(update, alpha=-group["lr"] * math.sqrt(max(1, rows / columns)))


def _shape(matrix: Parameter) -> tuple[int, ...]:
    return tuple(matrix.shape)


def orthogonal(
    matrices: torch.Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> torch.Tensor:
    """Each of the matrices (shape (matrices, rows, columns)) brought near the closest orthogonal one, in bfloat16.

    A Newton-Schulz iteration of the fifth order.
    """
    a, b, c = coefficients
    is_tall = matrices.size(1) > matrices.size(2)
    result = matrices.bfloat16()
    result = result.mT if is_tall else result
    result = result / result.norm(dim=(1, 2), keepdim=True).clamp(min=eps)
    for _ in range(steps):
        gram = result @ result.mT
        result = torch.baddbmm(result, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), result, beta=a)
    return result.mT if is_tall else result
