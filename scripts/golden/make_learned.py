"""Makes test/golden/learned-scales.json: values and gradients of PACT and LSQ, by PyTorch's autograd in float64.

Both are written as their papers have them (papers.md 3.5, 3.7), with detach() where a paper's gradient is not that of its formula:

    PACT   y = 0.5 (|x| - |x - alpha| + alpha), then rounded to alpha / n steps; the rounding passes gradients on
    LSQ    y = s round(clip(x / s, -QN, QP)), the rounding passes gradients on; the gradient of s is scaled by 1 / sqrt(N QP)

No number is nearer than MARGIN steps to a rounding boundary or an end of the range, so float32 falls on the same side.
"""

import json
from pathlib import Path

import torch
from torch import Tensor

OUT = Path(__file__).resolve().parents[2] / "test" / "golden" / "learned-scales.json"
MARGIN = 1e-3
COUNT = 60


def straight_through(rounded: Tensor, x: Tensor) -> Tensor:
    """The first, with the gradient of the second."""
    return (rounded - x).detach() + x


def pact(x: Tensor, alpha: Tensor, bits: int) -> Tensor:
    n = 2**bits - 1
    y = 0.5 * (x.abs() - (x - alpha).abs() + alpha)
    # The step counts as constant: dy_q / dalpha is that of the clip.
    step = alpha.detach() / n
    return straight_through(torch.round(y / step) * step, y)


def lsq(x: Tensor, step: Tensor, low: int, high: int, elements: int) -> Tensor:
    g = (elements * high) ** -0.5
    scaled = straight_through(step, step * g)
    v = torch.clamp(x / scaled, low, high)
    return straight_through(torch.round(v), v) * scaled


def numbers(seed: int, unit: float, low: int, high: int) -> Tensor:
    """Numbers on every side of the range, away from boundaries, that float32 holds."""
    generator = torch.Generator().manual_seed(seed)
    kept: list[float] = []
    while len(kept) < COUNT:
        x = (torch.rand(1, generator=generator, dtype=torch.float32) * (high - low + 4) + low - 2) * unit
        v = x.double() / unit
        if abs((v * 2) - torch.round(v * 2)) > 2 * MARGIN:
            kept.append(float(x))
    return torch.tensor(kept, dtype=torch.float64)


def case(kind: str, bits: int, signed: bool) -> dict:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    unit = 0.375 if kind == "lsq" else 1.5 / high
    x = numbers(bits, unit, low, high).requires_grad_()
    parameter = torch.tensor(unit if kind == "lsq" else 1.5, dtype=torch.float64, requires_grad=True)
    dy = torch.randn(COUNT, generator=torch.Generator().manual_seed(7), dtype=torch.float32).double()
    elements = COUNT if signed else COUNT // 2
    y = lsq(x, parameter, low, high, elements) if kind == "lsq" else pact(x, parameter, bits)
    y.backward(dy)
    return {
        "kind": kind,
        "role": "weight" if signed else "activation",
        "bits": bits,
        "parameter": parameter.item(),
        "x": x.tolist(),
        "dy": dy.tolist(),
        "y": y.tolist(),
        "dx": x.grad.tolist(),
        "dParameter": parameter.grad.item(),
    }


def main() -> None:
    cases = [case("pact", bits, False) for bits in (1, 2, 4)]
    cases += [case("lsq", bits, False) for bits in (1, 2, 4)]
    cases += [case("lsq", bits, True) for bits in (2, 3, 8)]
    OUT.write_text(json.dumps({"torch": torch.__version__, "cases": cases}) + "\n")


main()
