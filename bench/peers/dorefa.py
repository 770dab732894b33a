"""DoReFa-Net in PyTorch: the reference that subbit's training is compared with. Never part of the product.

Low-bit numbers are *simulated*: every tensor stays float32 and only takes values of the low-bit grid, which is what a
PyTorch user gets today. A quantizer is a straight-through estimator: one function forward, another one backward.
Quantizers: papers.md 1.1 - 1.4. Networks: papers.md 1.9 (`dorefa-svhn`) and a pre-activation ResNet-20 for CIFAR.

    weights      1 bit: sign(W) * mean|W| of the layer     k bits: 2 * quantize_k(tanh(W) / (2 max|tanh W|) + 1/2) - 1
    activations  quantize_k(h(x)), h bounded to 0..1
    gradients    per-sample scale max|dy|, stochastic rounding to 2^k levels, taken at the output of a convolution

32 bits means "leave alone" everywhere. Rounding is half to even (torch.round).
Letters: N samples, C channels, H W space.
"""

import math
from dataclasses import dataclass
from typing import Callable, Optional

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

Noise = Callable[[Tensor], Tensor]  # from dy to sigma of the same shape, in -0.5 .. 0.5

# Below this a sample's gradient counts as zero: the reciprocal of its scale would leave float32.
SMALLEST_SCALE = 2.0**-100


@dataclass(frozen=True)
class Bits:
    """Bits of weights, activations and gradients; 32 = float."""

    weights: int
    activations: int
    gradients: int

    @staticmethod
    def parse(text: str) -> "Bits":
        """`2-2-32` is 2-bit weights, 2-bit activations, float gradients."""
        parts = text.split("-")
        if len(parts) != 3 or any(not part.isdigit() or not (1 <= int(part) <= 8 or part == "32") for part in parts):
            raise ValueError(f"bits '{text}': give W-A-G, each 1 to 8 or 32, such as 1-2-4")
        return Bits(*(int(part) for part in parts))


class _QuantizeUnit(torch.autograd.Function):
    """quantize_k of numbers in 0..1; backward is the identity, without a mask (papers.md 1.1)."""

    @staticmethod
    def forward(ctx, x: Tensor, bits: int) -> Tensor:
        n = 2**bits - 1
        return (x * n).round_().clamp_(0, n).mul_(1 / n)

    @staticmethod
    def backward(ctx, dy: Tensor):
        return dy, None


class _BinarizeWeights(torch.autograd.Function):
    """sign(W) * mean|W| with sign(0) = +1; backward is the identity, the mean counts as a constant (papers.md 1.2)."""

    @staticmethod
    def forward(ctx, weights: Tensor) -> Tensor:
        scale = weights.abs().mean()
        return torch.where(weights >= 0, scale, -scale)

    @staticmethod
    def backward(ctx, dy: Tensor):
        return dy


class _QuantizeGradient(torch.autograd.Function):
    """Identity forward; backward rounds the gradient stochastically to 2^bits levels (papers.md 1.4)."""

    @staticmethod
    def forward(ctx, x: Tensor, bits: int, noise: Optional[Noise]) -> Tensor:
        ctx.bits = bits
        ctx.noise = noise
        return x.view_as(x)

    @staticmethod
    def backward(ctx, dy: Tensor):
        sigma = torch.rand_like(dy).sub_(0.5) if ctx.noise is None else ctx.noise(dy)
        return quantize_gradient(dy, ctx.bits, sigma), None, None


def quantize_unit(x: Tensor, bits: int) -> Tensor:
    """quantize_k: numbers in 0..1 to the 2^bits levels 0, 1/n, ..., 1."""
    return x if bits == 32 else _QuantizeUnit.apply(x, bits)


def quantize_weights(weights: Tensor, bits: int) -> Tensor:
    """The weights a convolution computes with. All of the k-bit map but the rounding is left to autograd, so that the
    gradient also flows through the maximum, as in the authors' code."""
    if bits == 32:
        return weights
    if bits == 1:
        return _BinarizeWeights.apply(weights)
    squashed = torch.tanh(weights)
    unit = squashed / (2 * squashed.abs().max()) + 0.5
    return 2 * quantize_unit(unit, bits) - 1


def gradient_position(dy: Tensor, bits: int, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Where each gradient element lies on the axis of levels 0..n, before rounding, and max|dy| of each sample.

    The order of these float32 operations is part of the definition: golden values and subbit's kernels share it."""
    half = (2**bits - 1) / 2
    scale = dy.abs().amax(dim=tuple(range(1, dy.dim())), keepdim=True)
    inverse = torch.where(scale > SMALLEST_SCALE, half / scale, torch.zeros_like(scale))
    return (dy * inverse).add_(half).add_(sigma), scale


def quantize_gradient(dy: Tensor, bits: int, sigma: Tensor) -> Tensor:
    """f_G: dy on 2^bits levels from -max|dy| to +max|dy| of its sample. An all-zero sample stays zero."""
    n = 2**bits - 1
    position, scale = gradient_position(dy, bits, sigma)
    return position.round_().clamp_(0, n).mul_(2).sub_(n).mul_(scale * (1 / n))


def clip01(x: Tensor) -> Tensor:
    """h: clip to 0..1. hardtanh and not clamp, since its gradient is 0 at the very ends, as the definition wants."""
    return F.hardtanh(x, 0.0, 1.0)


def cabs(x: Tensor) -> Tensor:
    """h of the paper's SVHN experiments: min(1, |x|)."""
    return clip01(x.abs())


def activate(x: Tensor, bits: int, h: Callable[[Tensor], Tensor] = clip01) -> Tensor:
    """Bounded nonlinearity and quantizer; with 32 bits a plain ReLU."""
    return F.relu(x) if bits == 32 else quantize_unit(h(x), bits)


class QuantConv2d(nn.Conv2d):
    """Convolution without bias whose weights, and the gradient of whose output, are quantized."""

    def __init__(self, in_channels: int, out_channels: int, size: int, bits: Bits, stride: int = 1, padding: int = 0):
        super().__init__(in_channels, out_channels, size, stride, padding, bias=False)
        self.bits = bits
        self.noise: Optional[Noise] = None  # uniform random numbers unless a test brings its own

    def forward(self, x: Tensor) -> Tensor:
        y = F.conv2d(x, quantize_weights(self.weight, self.bits.weights), None, self.stride, self.padding)
        return y if self.bits.gradients == 32 else _QuantizeGradient.apply(y, self.bits.gradients, self.noise)


SVHN_CHANNELS = (48, 64, 64, 128, 128, 128, 512)
SVHN_DIVISOR = {"A": 1, "B": 2, "C": 4, "D": 8}


class DorefaSvhn(nn.Module):
    """The SVHN network of the paper, [N, 3, 40, 40] to [N, 10], in one of its four widths."""

    def __init__(self, bits: Bits, width: str = "A"):
        super().__init__()
        c = [channels // SVHN_DIVISOR[width] for channels in SVHN_CHANNELS]
        self.bits = bits
        self.conv0 = nn.Conv2d(3, c[0], 5)
        self.conv1 = QuantConv2d(c[0], c[1], 3, bits, padding=1)
        self.conv2 = QuantConv2d(c[1], c[2], 3, bits, padding=1)
        self.conv3 = QuantConv2d(c[2], c[3], 3, bits)
        self.conv4 = QuantConv2d(c[3], c[4], 3, bits, padding=1)
        self.conv5 = QuantConv2d(c[4], c[5], 3, bits)
        self.conv6 = QuantConv2d(c[5], c[6], 5, bits)
        for i in range(1, 7):
            setattr(self, f"bn{i}", nn.BatchNorm2d(c[i], eps=1e-4, momentum=0.1))
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(c[6], 10)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        a = self.bits.activations
        x = activate(F.max_pool2d(self.conv0(x), 2), a)
        x = activate(self.bn1(self.conv1(x)), a)
        x = activate(F.max_pool2d(self.bn2(self.conv2(x)), 2), a)
        x = activate(self.bn3(self.conv3(x)), a)
        x = activate(self.bn4(self.conv4(x)), a)
        x = self.dropout(activate(self.bn5(self.conv5(x)), a))
        x = self.bn6(self.conv6(x))
        x = F.relu(x) if a == 32 else clip01(x)  # bounded but not quantized: the last layer is float
        return self.fc(x.flatten(1))


class _PreActivationBlock(nn.Module):
    """x + conv2(act(BN(conv1(act(BN(x)))))). The shortcut is real-valued and has no weights: where the block halves the
    image and widens, every second pixel is taken and the new channels, after the old ones, are zero."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, bits: Bits):
        super().__init__()
        self.bits = bits
        self.stride = stride
        self.new_channels = out_channels - in_channels
        self.bn1 = nn.BatchNorm2d(in_channels, eps=1e-5, momentum=0.1)
        self.conv1 = QuantConv2d(in_channels, out_channels, 3, bits, stride=stride, padding=1)
        self.bn2 = nn.BatchNorm2d(out_channels, eps=1e-5, momentum=0.1)
        self.conv2 = QuantConv2d(out_channels, out_channels, 3, bits, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x
        if self.stride > 1:
            shortcut = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new_channels))
        y = self.conv1(activate(self.bn1(x), self.bits.activations))
        y = self.conv2(activate(self.bn2(y), self.bits.activations))
        return shortcut + y


class ResNet20(nn.Module):
    """Pre-activation ResNet-20 for CIFAR, [N, 3, 32, 32] to [N, 10]; stem and dense layer are float."""

    def __init__(self, bits: Bits):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        blocks = []
        channels = 16
        for stage, out_channels in enumerate((16, 32, 64)):
            for block in range(3):
                blocks.append(_PreActivationBlock(channels, out_channels, 2 if stage > 0 and block == 0 else 1, bits))
                channels = out_channels
        self.blocks = nn.Sequential(*blocks)
        self.bn = nn.BatchNorm2d(channels, eps=1e-5, momentum=0.1)
        self.fc = nn.Linear(channels, 10)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn(self.blocks(self.stem(x))))
        return self.fc(x.mean(dim=(2, 3)))


def initialize(model: nn.Module) -> None:
    """He normal by fan-in for convolutions and dense layers, zero biases."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in = module.weight[0].numel()
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_in))
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def sgd(model: nn.Module, lr: float, fused: bool = True) -> torch.optim.Optimizer:
    """Nesterov SGD, momentum 0.9; weight decay 1e-4 on convolution and dense weights only, not on BN or biases.
    `fused` is PyTorch's fastest implementation on a CPU; it rounds differently from the plain one."""
    weights = [m.weight for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    decayed = {id(weight) for weight in weights}
    others = [p for p in model.parameters() if id(p) not in decayed]
    groups = [{"params": weights, "weight_decay": 1e-4}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=lr, momentum=0.9, nesterov=True, fused=fused)
