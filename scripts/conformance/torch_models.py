"""Float networks as PyTorch exports them, for `train --from`: `python torch_models.py FOLDER IMAGES` writes NAME.onnx and NAME.logits.

IMAGES holds bytes [N, 32, 32, 3]; the logits, f32, are those of ONNX Runtime for bytes / 255.
"""
import sys

import numpy as np
import onnxruntime
import torch
from torch import nn


def conv(inputs: int, outputs: int, size: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs))


class Normalized(nn.Module):
    """ImageNet's mean and deviation per channel, inside the model."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body
        self.register_buffer('mean', torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer('deviation', torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, x):
        return self.body((x - self.mean) / self.deviation)


class Basic(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.first, self.second = conv(inputs, outputs, 3, stride), conv(outputs, outputs)
        self.down = nn.Identity() if stride == 1 else conv(inputs, outputs, 1, stride)

    def forward(self, x):
        return torch.relu(self.second(torch.relu(self.first(x))) + self.down(x))


class Inverted(nn.Module):
    """MobileNetV2's block: Relu6, a depthwise convolution, no activation behind."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.isResidual = stride == 1 and inputs == outputs
        wide = 3 * inputs
        self.body = nn.Sequential(
            conv(inputs, wide, 1), nn.ReLU6(), conv(wide, wide, 3, stride, wide), nn.ReLU6(), conv(wide, outputs, 1))

    def forward(self, x):
        return x + self.body(x) if self.isResidual else self.body(x)


class Fire(nn.Module):
    """SqueezeNet's block: two branches side by side."""

    def __init__(self, inputs: int, squeezed: int, outputs: int):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.narrow, self.wide = nn.Conv2d(squeezed, outputs, 1), nn.Conv2d(squeezed, outputs, 3, padding=1)

    def forward(self, x):
        x = torch.relu(self.squeeze(x))
        return torch.cat([torch.relu(self.narrow(x)), torch.relu(self.wide(x))], 1)


def head(channels: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]


models = {
    'resnet': lambda: Normalized(nn.Sequential(
        conv(3, 8), nn.ReLU(), Basic(8, 8, 1), Basic(8, 16, 2), Basic(16, 16, 1), *head(16))),
    'mobilenet': lambda: Normalized(nn.Sequential(
        conv(3, 8, 3, 2), nn.ReLU6(), Inverted(8, 8, 1), Inverted(8, 12, 2), Inverted(12, 12, 1),
        conv(12, 32, 1), nn.ReLU6(), *head(32)[:2], nn.Dropout(), head(32)[2])),
    'squeezenet': lambda: nn.Sequential(
        nn.Conv2d(3, 12, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=False), Fire(12, 4, 8), Fire(16, 4, 8),
        nn.Conv2d(16, 10, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    'vgg': lambda: nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1024, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, 10)),
}

if __name__ == '__main__':
    folder, images = sys.argv[1:3]
    x = np.fromfile(images, np.uint8).reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    for name, build in models.items():
        torch.manual_seed(0)
        model = build()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.3, 0.3)
        model.train()
        with torch.no_grad():
            for _ in range(20):
                model(torch.rand(16, 3, 32, 32))
        model.eval()
        # The older exporter folds batch norms into convolutions, the newer one keeps names of modules.
        for exporter, options in {'': dict(dynamo=True), '-folded': dict(dynamo=False, do_constant_folding=True)}.items():
            file = f'{folder}/{name}{exporter}.onnx'
            torch.onnx.export(model, (torch.zeros(1, 3, 32, 32),), file, opset_version=18, external_data=False, **options)
            session = onnxruntime.InferenceSession(file)
            feed = session.get_inputs()[0].name
            np.concatenate([session.run(None, {feed: each[None]})[0] for each in x]).tofile(f'{folder}/{name}{exporter}.logits')
