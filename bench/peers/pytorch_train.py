"""PyTorch as a peer of `subbit bench train`: a process that trains on request, so that both sides can take turns on the
same quiet machine.

It builds the model, picks the faster of the two memory layouts and prints {"ready": true, ...}. Then it obeys lines:

    run N     N full training steps               -> {"milliseconds": [...]}
    memory    peak resident set of the training   -> {"peakMemoryBytes": ...}
    quit

One line of JSON per answer. `--bits 32-32-32` is plain float training, other bits are simulated (see dorefa.py).

Each layout is probed in a child process, which is this same server with the layout given: the losing layout must leave
neither memory nor warm caches behind. The memory answer is the peak of the process (VmHWM) minus what it held with
everything imported and the input data made, before the model was built; so it is what training itself needs.
"""

import argparse
import json
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

from dorefa import Bits, DorefaSvhn, ResNet20, sgd

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
IMAGE_SIZE = {"dorefa-svhn": 40, "resnet20": 32}
NUM_BATCHES = 4  # with one batch only, the network would learn it and its gradients would fade into slow denormals
PROBE_STEPS = 6


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


def faster_layout(arguments: list[str]) -> str:
    """The layout with the faster step, each tried in a process of its own. The best step counts and not the median:
    another program's load only ever adds time."""
    best = {}
    for layout in LAYOUTS:
        child = subprocess.run(
            [sys.executable, __file__, *arguments, "--memory-format", layout],
            input=f"run 2\nrun {PROBE_STEPS}\nquit\n",  # the first steps pay for compiling kernels
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        best[layout] = min(json.loads(child.stdout.splitlines()[-1])["milliseconds"])
    return min(best, key=best.__getitem__)


class Training:
    """A model, its optimizer and random batches; `step` is what a user's training loop does."""

    def __init__(self, options: argparse.Namespace, layout: torch.memory_format, batches: list):
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
    options = parser.parse_args()

    name = options.memory_format
    if name == "auto":
        name = faster_layout(sys.argv[1:])
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    batches = random_batches(options, LAYOUTS[name])
    reset_peak()
    before = process_bytes("VmRSS")
    training = Training(options, LAYOUTS[name], batches)
    answer({"ready": True, "torch": torch.__version__, "memoryFormat": name})

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
