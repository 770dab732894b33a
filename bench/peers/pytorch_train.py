"""PyTorch as a peer of `subbit bench train`: a process that trains on request, so that both sides can take turns on the
same quiet machine.

It builds the model, picks the fastest of its variants (two memory layouts, eager and torch.compile) and prints
{"ready": true, ...}. Then it obeys lines:

    run N     N full training steps               -> {"milliseconds": [...]}
    memory    peak resident set of the training   -> {"peakMemoryBytes": ...}
    quit

One line of JSON per answer. `--bits 32-32-32` is plain float training, other bits are simulated (see dorefa.py).

Each variant is probed in a child process, which is this same server with the variant given: the losing ones must leave
neither memory nor warm caches behind. Compiling gets a minute per peer, in the layout first that is faster in eager mode;
what fails or is not ready by then is left out. (torch keeps compiled code on disk: the winner's process, and the next
benchmark, find it there within seconds.)

The memory answer is the peak of the process (VmHWM) minus what it held with everything imported and the input data made,
before the model was built; so it is what training itself needs. The compiler's own peak does not count.
"""

import argparse
import gc
import importlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from typing import Optional

import torch
import torch.nn.functional as F

from dorefa import Bits, DorefaSvhn, ResNet20, sgd

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
MODES = ("eager", "compiled")
IMAGE_SIZE = {"dorefa-svhn": 40, "resnet20": 32}
NUM_BATCHES = 4  # with one batch only, the network would learn it and its gradients would fade into slow denormals
PROBE_STEPS = 6
COMPILE_SECONDS = 60


def process_bytes(field: str) -> int:
    """A field of /proc/self/status: VmRSS is the resident set, VmHWM its peak."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def reset_peak() -> None:
    """Lowers VmHWM to the present resident set: importing torch peaks above what it keeps."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def answer(value: dict) -> None:
    print(json.dumps(value), flush=True)


def probe(arguments: list[str], layout: str, mode: str, limit: Optional[float] = None) -> Optional[float]:
    """Milliseconds of a variant's best step, in a process of its own; None when it fails or is not done within `limit`
    seconds. The best step counts and not the median: another program's load only ever adds time."""
    child = subprocess.Popen(
        [sys.executable, __file__, *arguments, "--memory-format", layout, "--mode", mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that compilers can be ended with it
    )
    try:
        # The first steps pay for compiling kernels and for memory.
        output, _ = child.communicate(f"run 2\nrun {PROBE_STEPS}\nquit\n", timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        return None
    return min(json.loads(output.splitlines()[-1])["milliseconds"]) if child.returncode == 0 else None


def fastest_variant(arguments: list[str], layouts: list[str], modes: list[str]) -> tuple[str, str]:
    """Layout and mode of the variant with the fastest step."""
    if len(layouts) == 1 and len(modes) == 1:
        return layouts[0], modes[0]
    best: dict[tuple[str, str], float] = {}

    def measure(layout: str, mode: str, limit: Optional[float] = None) -> None:
        milliseconds = probe(arguments, layout, mode, limit)
        if milliseconds is not None:
            best[layout, mode] = milliseconds

    if "eager" in modes:
        for layout in layouts:
            measure(layout, "eager")
        layouts = sorted(layouts, key=lambda layout: best.get((layout, "eager"), math.inf))
    if "compiled" in modes:
        end = time.monotonic() + COMPILE_SECONDS
        for layout in layouts:
            measure(layout, "compiled", max(0, end - time.monotonic()))
    # Where nothing works, this process goes on to the error that says why.
    return min(best, key=best.__getitem__, default=(layouts[0], modes[0]))


class Training:
    """A model, its optimizer and random batches; `step` is what a user's training loop does."""

    def __init__(self, options: argparse.Namespace, layout: torch.memory_format, mode: str, batches: list):
        bits = Bits.parse(options.bits)
        self.batches = batches
        self.num_steps = 0
        if options.model == "dorefa-svhn":
            self.model = DorefaSvhn(bits, options.width).to(memory_format=layout)
            self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3, eps=1e-5, fused=True)
        else:
            self.model = ResNet20(bits).to(memory_format=layout)
            self.optimizer = sgd(self.model, 0.1)
        self.model.train()
        if mode == "compiled":
            self.model = torch.compile(self.model)

    def step(self) -> float:
        """Milliseconds of one step."""
        images, labels = self.batches[self.num_steps % len(self.batches)]
        self.num_steps += 1
        began = time.perf_counter()
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(images), labels)
        loss.backward()
        self.optimizer.step()
        loss.item()
        return (time.perf_counter() - began) * 1e3


def random_batches(options: argparse.Namespace, layout: torch.memory_format) -> list:
    size = IMAGE_SIZE[options.model]
    return [
        (
            torch.rand(options.batch, 3, size, size).contiguous(memory_format=layout),
            torch.randint(0, 10, (options.batch,)),
        )
        for _ in range(NUM_BATCHES)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="PyTorch peer of subbit bench train; obeys lines on standard input.")
    parser.add_argument("--model", choices=tuple(IMAGE_SIZE), default="dorefa-svhn")
    parser.add_argument("--width", choices=("A", "B", "C", "D"), default="A", help="of dorefa-svhn")
    parser.add_argument("--bits", default="32-32-32", help="W-A-G, 32 = float (default %(default)s)")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-format", choices=("auto", *LAYOUTS), default="auto")
    parser.add_argument("--mode", choices=("auto", *MODES), default="auto", help="eager or torch.compile")
    options = parser.parse_args()

    layouts = list(LAYOUTS) if options.memory_format == "auto" else [options.memory_format]
    modes = list(MODES) if options.mode == "auto" else [options.mode]
    layout, mode = fastest_variant(sys.argv[1:], layouts, modes)
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    batches = random_batches(options, LAYOUTS[layout])
    if mode == "compiled":
        importlib.import_module("torch._inductor.compile_fx")
    reset_peak()
    before = process_bytes("VmRSS")
    training = Training(options, LAYOUTS[layout], mode, batches)
    if mode == "compiled":
        training.step()  # compiles
        gc.collect()
        reset_peak()
    answer({"ready": True, "torch": torch.__version__, "memoryFormat": layout, "mode": mode})

    for line in sys.stdin:
        words = line.split()
        if words == ["quit"]:
            break
        if words == ["memory"]:
            answer({"peakMemoryBytes": process_bytes("VmHWM") - before})
        elif len(words) == 2 and words[0] == "run" and words[1].isdigit():
            answer({"milliseconds": [training.step() for _ in range(int(words[1]))]})
        else:
            answer({"error": f"unknown line '{line.strip()}'; known: run N, memory, quit"})


if __name__ == "__main__":
    main()
