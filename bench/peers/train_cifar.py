"""Trains ResNet-20 on CIFAR-10 with simulated low-bit numbers: the accuracy subbit's `train` has to match.

Recipe: batch 128 (an incomplete last batch is dropped), Nesterov SGD, learning rate rising linearly over one epoch
(390 steps) and then falling to 0 as a cosine, random crop with padding 4 and horizontal flip, (byte - zero point) / 63.
Everything lives in memory as bytes and a batch is one gather, so no loader processes compete for the cores.

    python bench/peers/train_cifar.py --bits 2-2-32 --epochs 10 --data cifar-10-batches-bin --json result.json
"""

import argparse
import json
import math
import os
import platform
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dorefa import Bits, ResNet20, sgd

ZERO_POINTS = (125, 123, 114)  # mean colour of the training images
BYTES_PER_UNIT = 63  # about their standard deviation
BATCH = 128
WARM_UP_STEPS = 390
PADDING = 4


def read_batches(folder: str, names: list[str]) -> tuple[Tensor, Tensor]:
    """Images [N, 32, 32, 3] as bytes, and labels [N]. A record is one label byte and 3 planes of 32 x 32."""
    records = [np.fromfile(os.path.join(folder, name), dtype=np.uint8).reshape(-1, 3073) for name in names]
    data = np.concatenate(records)
    images = data[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return torch.from_numpy(images.copy()), torch.from_numpy(data[:, 0].astype(np.int64))


def normalize(images: Tensor) -> Tensor:
    """[N, H, W, 3] bytes to float [N, 3, H, W]; stays in NHWC order in memory, which is PyTorch's channels_last."""
    return ((images.float() - torch.tensor(ZERO_POINTS)) / BYTES_PER_UNIT).permute(0, 3, 1, 2)


def pad_with_zero_points(images: Tensor) -> Tensor:
    """A border that normalizes to exactly 0."""
    count, height, width, _ = images.shape
    padded = torch.empty(count, height + 2 * PADDING, width + 2 * PADDING, 3, dtype=torch.uint8)
    padded[:] = torch.tensor(ZERO_POINTS, dtype=torch.uint8)
    padded[:, PADDING:-PADDING, PADDING:-PADDING] = images
    return padded


def augment(padded: Tensor, chosen: Tensor) -> Tensor:
    """Random crops of the chosen images, each flipped or not: a flip is the same gather with its columns reversed."""
    count = len(chosen)
    top, left = torch.randint(0, 2 * PADDING + 1, (2, count, 1, 1))
    columns = torch.arange(32).expand(count, 1, 32)
    columns = torch.where(torch.rand(count, 1, 1) < 0.5, 31 - columns, columns)
    return padded[chosen.view(-1, 1, 1), top + torch.arange(32).view(1, 32, 1), left + columns]


def learning_rate(step: int, total_steps: int, peak: float) -> float:
    if step < WARM_UP_STEPS:
        return peak * (step + 1) / WARM_UP_STEPS
    return 0.5 * peak * (1 + math.cos(math.pi * (step - WARM_UP_STEPS) / (total_steps - WARM_UP_STEPS)))


@torch.no_grad()
def accuracy(model: torch.nn.Module, images: Tensor, labels: Tensor) -> float:
    model.eval()
    correct = 0
    for start in range(0, len(images), 500):
        logits = model(normalize(images[start : start + 500]))
        correct += int((logits.argmax(1) == labels[start : start + 500]).sum())
    return correct / len(images)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train ResNet-20 on CIFAR-10 with simulated low-bit numbers.")
    parser.add_argument("--bits", default="2-2-32", help="W-A-G, 32 = float (default %(default)s)")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", required=True, help="folder of the CIFAR-10 binary version")
    parser.add_argument("--json", help="file for the result")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    train_images, train_labels = read_batches(options.data, [f"data_batch_{i}.bin" for i in range(1, 6)])
    test_images, test_labels = read_batches(options.data, ["test_batch.bin"])
    padded = pad_with_zero_points(train_images)

    model = ResNet20(Bits.parse(options.bits)).to(memory_format=torch.channels_last)
    optimizer = sgd(model, options.lr)
    steps_per_epoch = len(padded) // BATCH
    total_steps = options.epochs * steps_per_epoch
    result = {
        **{key: getattr(options, key) for key in ("bits", "epochs", "seed", "lr", "threads")},
        "model": "resnet20",
        "batch": BATCH,
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "history": [],
    }
    step = 0
    began = time.time()
    for epoch in range(1, options.epochs + 1):
        model.train()
        order = torch.randperm(len(padded))
        loss_sum = 0.0
        for index in range(steps_per_epoch):
            chosen = order[index * BATCH : (index + 1) * BATCH]
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, total_steps, options.lr)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(normalize(augment(padded, chosen))), train_labels[chosen])
            loss.backward()
            optimizer.step()
            loss_sum += loss.item()
            step += 1
            if index % 100 == 0:
                seconds = time.time() - began
                print(f"  step {step}/{total_steps} loss {loss.item():.4f} {seconds:.0f} s", file=sys.stderr)
        trained = time.time()
        entry = {
            "epoch": epoch,
            "trainLoss": loss_sum / steps_per_epoch,
            "testAccuracy": accuracy(model, test_images, test_labels),
            "seconds": trained - began,
        }
        result["history"].append(entry)
        print(
            f"epoch {epoch}/{options.epochs} train loss {entry['trainLoss']:.4f} "
            f"test accuracy {100 * entry['testAccuracy']:.2f} % after {entry['seconds']:.0f} s",
            flush=True,
        )
        if options.json:  # after every epoch, so that an interrupted run still leaves its history
            with open(options.json, "w") as file:
                json.dump(result, file, indent=1)


if __name__ == "__main__":
    main()
