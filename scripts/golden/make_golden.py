"""Makes test/golden/tiny-dorefa.json: ten training steps of a tiny DoReFa network, computed by PyTorch in float32.

The network (values are NHWC in the file; quantizers: papers.md 1.1 - 1.4, those of bench/peers/dorefa.py):

    u8 [4, 10, 10, 3] -> (byte - zero point) / 63
    conv0 3x3 pad 1, 3 -> 8, float, bias; maxpool 2; clip01; 2 bits        [4, 5, 5, 8]
    conv1 3x3 pad 1, 8 -> 16, W1 A2 G4; BN; clip01; 2 bits                 [4, 5, 5, 16]
    conv2 3x3 stride 2 pad 1, 16 -> 16, W1 A2 G4; BN; clip01               [4, 3, 3, 16]
    flatten (h, w, c); fc 144 -> 5, float, bias; mean softmax cross-entropy

Gradient noise is Philox 4x32-10, a pure function of (seed, layer name, step, element), so another implementation draws
the very same numbers. What it cannot share is the order of float additions. A value closer to a decision than such
rounding errors could fall on its other side and spoil everything after it; therefore the batch of every step is drawn
again until no rounding boundary, clip end, tie of a max-pool window or sign of a binary weight is nearer than MARGIN.
"""

import base64
import copy
import json
import platform
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "peers"))

from dorefa import Bits, QuantConv2d, clip01, gradient_position, quantize_unit, sgd  # noqa: E402

OUT = ROOT / "test" / "golden" / "tiny-dorefa.json"
MARGIN = 1e-4
SEED = 7
NUM_STEPS = 10
BATCH = 4
CLASSES = 5
ACTIVATION_BITS = 2
BITS = Bits(1, ACTIVATION_BITS, 4)
ZERO_POINTS = (125, 123, 114)
BYTES_PER_UNIT = 63
MAX_BYTES = 200_000

ALL_ONES = 0xFFFFFFFF
# Known answers published with Random123 (philox4x32-10): counter, key, words.
PUBLISHED = (
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ALL_ONES,) * 4, (ALL_ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
)


def philox4x32(counters: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Ten rounds on counters [M, 4] of 32-bit words (held in uint64, so that products fit); words [M, 4]."""
    mask = np.uint64(ALL_ONES)
    c0, c1, c2, c3 = counters.astype(np.uint64).T
    k0, k1 = key
    for _ in range(10):
        product0 = np.uint64(0xD2511F53) * c0
        product1 = np.uint64(0xCD9E8D57) * c2
        shift = np.uint64(32)
        c0, c1 = (product1 >> shift) ^ c1 ^ np.uint64(k0), product1 & mask
        c2, c3 = (product0 >> shift) ^ c3 ^ np.uint64(k1), product0 & mask
        k0, k1 = (k0 + 0x9E3779B9) & ALL_ONES, (k1 + 0xBB67AE85) & ALL_ONES
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)


def stream_of(name: str) -> int:
    """32-bit FNV-1a."""
    value = 0x811C9DC5
    for byte in name.encode():
        value = ((value ^ byte) * 0x01000193) & ALL_ONES
    return value


def uniform(count: int, seed: int, stream: int, step: int) -> np.ndarray:
    """Elements 0 .. count - 1: element e takes word e & 3 of counter [e >> 2, step, 0, 0]; its 24 bits fit a float32."""
    counters = np.zeros(((count + 3) // 4, 4), dtype=np.uint64)
    counters[:, 0] = np.arange(len(counters))
    counters[:, 1] = step
    words = philox4x32(counters, (seed, stream)).reshape(-1)[:count]
    return (words >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


class Margin:
    """The smallest distance of any value of a step from a decision that it takes part in."""

    def __init__(self):
        self.smallest = float("inf")

    def _note(self, distances: Tensor) -> None:
        if distances.numel() > 0:
            self.smallest = min(self.smallest, distances.min().item())

    def rounding(self, positions: Tensor, top_level: int) -> None:
        """Positions on the axis of levels; beyond its ends nothing is decided, all is clamped."""
        inside = positions[(positions >= 0) & (positions <= top_level)]
        self._note((inside - inside.floor() - 0.5).abs())

    def clip(self, x: Tensor) -> None:
        """The gradient of clip01 jumps at 0 and at 1."""
        self._note(torch.minimum(x.abs(), (x - 1).abs()))

    def pool(self, x: Tensor) -> None:
        """2 x 2 windows: the gradient goes to the largest, so the second must be clearly smaller."""
        n, c, h, w = x.shape
        windows = x.view(n, c, h // 2, 2, w // 2, 2).permute(0, 1, 2, 4, 3, 5).reshape(-1, 4)
        largest = windows.topk(2).values
        self._note(largest[:, 0] - largest[:, 1])

    def sign(self, weights: Tensor) -> None:
        self._note(weights.abs())


class PhiloxNoise:
    """Noise of one layer's gradient quantizer; `step` is set by the training loop."""

    def __init__(self, name: str, margin: Margin):
        self.stream = stream_of(name)
        self.margin = margin
        self.step = 0

    def __call__(self, dy: Tensor) -> Tensor:
        n, c, h, w = dy.shape
        sigma = uniform(dy.numel(), SEED, self.stream, self.step) - np.float32(0.5)
        sigma = torch.from_numpy(sigma).view(n, h, w, c).permute(0, 3, 1, 2)  # elements count in NHWC order
        position, _ = gradient_position(dy, BITS.gradients, sigma)
        self.margin.rounding(position, 2**BITS.gradients - 1)
        return sigma


class TinyNet(nn.Module):
    """The network of the file's head. `values` keeps the outputs of the convolutions and the logits."""

    def __init__(self):
        super().__init__()
        self.margin = Margin()
        self.values: dict[str, Tensor] = {}
        self.conv0 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv1 = QuantConv2d(8, 16, 3, BITS, padding=1)
        self.bn1 = nn.BatchNorm2d(16, eps=1e-5, momentum=0.1)
        self.conv2 = QuantConv2d(16, 16, 3, BITS, stride=2, padding=1)
        self.bn2 = nn.BatchNorm2d(16, eps=1e-5, momentum=0.1)
        self.fc = nn.Linear(144, CLASSES)
        self.conv1.noise = PhiloxNoise("conv1", self.margin)
        self.conv2.noise = PhiloxNoise("conv2", self.margin)

    def _bounded(self, x: Tensor) -> Tensor:
        self.margin.clip(x.detach())
        return clip01(x)

    def _activate(self, x: Tensor) -> Tensor:
        bounded = self._bounded(x)
        top_level = 2**ACTIVATION_BITS - 1
        self.margin.rounding(bounded.detach() * top_level, top_level)
        return quantize_unit(bounded, ACTIVATION_BITS)

    def forward(self, x: Tensor) -> Tensor:
        y0 = self.conv0(x)
        self.margin.pool(y0.detach())
        y1 = self.conv1(self._activate(F.max_pool2d(y0, 2)))
        y2 = self.conv2(self._activate(self.bn1(y1)))
        flat = self._bounded(self.bn2(y2)).permute(0, 2, 3, 1).flatten(1)
        logits = self.fc(flat)
        self.values = {"conv0": nhwc(y0), "conv1": nhwc(y1), "conv2": nhwc(y2), "logits": logits.detach().clone()}
        return logits

    def check_signs(self) -> None:
        for conv in (self.conv1, self.conv2):
            self.margin.sign(conv.weight.detach())


def nhwc(x: Tensor) -> Tensor:
    return x.detach().permute(0, 2, 3, 1).clone()


def hwio(filters: Tensor) -> Tensor:
    """PyTorch's [Cout, Cin, KH, KW] to [KH, KW, Cin, Cout]."""
    return filters.detach().permute(2, 3, 1, 0).clone()


def named(net: TinyNet, pick) -> dict[str, Tensor]:
    """`pick` (the value or the gradient) of all parameters under subbit's names and layouts."""
    return {
        "conv0/filter": hwio(pick(net.conv0.weight)),
        "conv0/bias": pick(net.conv0.bias).clone(),
        "conv1/filter": hwio(pick(net.conv1.weight)),
        "bn1/gamma": pick(net.bn1.weight).clone(),
        "bn1/beta": pick(net.bn1.bias).clone(),
        "conv2/filter": hwio(pick(net.conv2.weight)),
        "bn2/gamma": pick(net.bn2.weight).clone(),
        "bn2/beta": pick(net.bn2.bias).clone(),
        "fc/filter": pick(net.fc.weight).t().clone(),
        "fc/bias": pick(net.fc.bias).clone(),
    }


def initialize(net: TinyNet, seed: int) -> None:
    """He normal weights; gammas, betas and biases away from 1 and 0, so that a mistake in them shows."""
    random = np.random.default_rng(seed)
    with torch.no_grad():
        for layer in (net.conv0, net.conv1, net.conv2, net.fc):
            shape = tuple(layer.weight.shape)
            deviation = np.sqrt(2 / np.prod(shape[1:]))
            layer.weight.copy_(torch.from_numpy(random.normal(0, deviation, shape)))
        for layer in (net.conv0, net.fc):
            layer.bias.copy_(torch.from_numpy(random.uniform(-0.2, 0.2, layer.bias.shape)))
        for layer in (net.bn1, net.bn2):
            layer.weight.copy_(torch.from_numpy(random.uniform(0.5, 1, layer.weight.shape)))
            layer.bias.copy_(torch.from_numpy(random.uniform(0, 0.6, layer.bias.shape)))


def random_batch(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (BATCH, 10, 10, 3), dtype=np.uint8), random.integers(0, CLASSES, BATCH)


def normalize(images: np.ndarray) -> Tensor:
    centred = torch.from_numpy(images).float() - torch.tensor(ZERO_POINTS, dtype=torch.float32)
    return (centred / BYTES_PER_UNIT).permute(0, 3, 1, 2)


def try_step(net: TinyNet, optimizer: torch.optim.Optimizer, step: int, images: np.ndarray, labels: np.ndarray) -> dict:
    """One training step; `net.margin.smallest` tells whether it may be kept."""
    net.margin.smallest = float("inf")
    net.conv1.noise.step = net.conv2.noise.step = step
    net.check_signs()
    optimizer.zero_grad()
    loss = F.cross_entropy(net(normalize(images)), torch.from_numpy(labels))
    loss.backward()
    gradients = named(net, lambda parameter: parameter.grad)
    optimizer.step()
    net.check_signs()  # of the next step, which no choice of its own batch could mend
    return {"loss": loss.item(), "values": net.values, "gradients": gradients}


def train(net: TinyNet) -> tuple[list[dict], list[dict], int]:
    """Batches as stored in the file, results of the steps, and how many batches were tried in all."""
    optimizer = sgd(net, lr=0.05, fused=False)
    batches, results = [], []
    data_seed = 0
    for step in range(NUM_STEPS):
        before = copy.deepcopy((net.state_dict(), optimizer.state_dict()))
        while True:
            data_seed += 1
            images, labels = random_batch(data_seed)
            result = try_step(net, optimizer, step, images, labels)
            if net.margin.smallest >= MARGIN:
                break
            net.load_state_dict(before[0])
            optimizer.load_state_dict(copy.deepcopy(before[1]))
        batches.append(
            {"dataSeed": data_seed, "margin": net.margin.smallest, "images": encode(images), "labels": labels.tolist()}
        )
        results.append(result)
    return batches, results, data_seed


def encode(array) -> dict:
    """Shape and base64 of the little-endian float32 (or byte) elements in row-major order."""
    array = np.ascontiguousarray(array.detach().numpy() if isinstance(array, Tensor) else array)
    data = array if array.dtype == np.uint8 else array.astype("<f4")
    return {"shape": list(array.shape), "data": base64.b64encode(data.tobytes()).decode()}


def encode_all(tensors: dict[str, Tensor]) -> dict:
    return {name: encode(tensor) for name, tensor in tensors.items()}


def philox_answers() -> list[dict]:
    """Published answers, which this implementation must reproduce, and some keyed as the noise is."""
    pairs = [(counter, key) for counter, key, _ in PUBLISHED]
    pairs += [((0, 0, 0, 0), (SEED, stream_of("conv1"))), ((399, 9, 0, 0), (SEED, stream_of("conv2")))]
    answers = []
    for counter, key in pairs:
        words = philox4x32(np.array([counter], dtype=np.uint64), key)[0].tolist()
        answers.append({"key": list(key), "counter": list(counter), "words": words})
    for answer, (_, _, words) in zip(answers, PUBLISHED):
        assert answer["words"] == list(words), f"Philox is wrong: {answer}"
    return answers


def main() -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    net = TinyNet()
    init_seed = SEED
    while True:
        initialize(net, init_seed)
        net.margin.smallest = float("inf")
        net.check_signs()
        if net.margin.smallest >= MARGIN:
            break
        init_seed += 1
    initial = encode_all(named(net, lambda parameter: parameter.detach()))
    batches, results, tries = train(net)
    print(f"{tries} batches tried for {NUM_STEPS} steps; initial parameters from seed {init_seed}")
    print("losses", " ".join(f"{result['loss']:.4f}" for result in results))

    statistics = {
        f"{name}/{kind}": buffer
        for name, bn in (("bn1", net.bn1), ("bn2", net.bn2))
        for kind, buffer in (("mean", bn.running_mean), ("variance", bn.running_var))
    }
    golden = {
        "about": "scripts/golden/README.md",
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "seed": SEED,
        "margin": MARGIN,
        "philox": {
            "answers": philox_answers(),
            "streams": {name: stream_of(name) for name in ("conv1", "conv2")},
        },
        "initial": initial,
        "steps": batches,
        "expected": {
            "step0": {
                "values": encode_all(results[0]["values"]),
                "loss": results[0]["loss"],
                "gradients": encode_all(results[0]["gradients"]),
            },
            "losses": [result["loss"] for result in results],
            "parameters": encode_all(named(net, lambda parameter: parameter.detach())),
            "statistics": encode_all(statistics),
        },
    }
    text = json.dumps(golden, indent=1) + "\n"
    assert len(text) <= MAX_BYTES, f"{len(text)} bytes are more than {MAX_BYTES}"
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(text)
    print(f"{OUT.relative_to(ROOT)}: {len(text)} bytes")


if __name__ == "__main__":
    main()
