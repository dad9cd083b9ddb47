"""Muon over stacks of matrices: what torch's own does one after the other."""

import pytest
import torch

from syco_data.reference.muon import Muon, orthogonal

SHAPES = [(24, 16), (16, 24), (24, 16), (16, 16), (24, 16), (16, 24)]


def trained(optimiser: type[torch.optim.Optimizer], **given) -> list[torch.Tensor]:
    """Matrices after twenty updates by gradients that are the same for every optimiser."""
    random = torch.Generator().manual_seed(0)
    matrices = [torch.nn.Parameter(torch.randn(shape, generator=random)) for shape in SHAPES]
    optimiser = optimiser(matrices, lr=0.02, **given)
    for number in range(20):
        optimiser.param_groups[0]["lr"] = 0.02 / (number + 1)
        for matrix in matrices:
            matrix.grad = torch.randn(matrix.shape, generator=random) * 3
        optimiser.step()
    return [matrix.detach() for matrix in matrices]


@pytest.mark.parametrize(
    "given",
    [
        {"momentum": 0.95, "nesterov": True, "weight_decay": 0.0},
        {"momentum": 0.8, "nesterov": False, "weight_decay": 0.1},
        {"ns_steps": 3, "ns_coefficients": (3.0, -4.0, 2.0)},
    ],
)
def test_the_updates_are_those_of_torch(given):
    # One of bfloat16's steps may go the other way where a processor multiplies stacks in another order.
    for ours, theirs in zip(trained(Muon, **given), trained(torch.optim.Muon, **given), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-3)


def test_another_adjustment_of_the_rate_is_refused():
    with pytest.raises(ValueError, match="not as 'match_rms_adamw'"):
        trained(Muon, adjust_lr_fn="match_rms_adamw")


def test_a_matrix_of_every_scale_comes_near_an_orthogonal_one():
    for scale in (1e-4, 1.0, 1e4):
        result = orthogonal(scale * torch.randn(3, 8, 32, generator=torch.Generator().manual_seed(1)),
                           (3.4445, -4.775, 2.0315), 5, 1e-7).float()  # fmt: skip
        lengths = torch.linalg.svdvals(result)
        assert result.shape == (3, 8, 32) and lengths.min() > 0.5 and lengths.max() < 1.5
