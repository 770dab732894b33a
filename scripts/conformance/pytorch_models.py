"""`export --format safetensors --names pytorch` in PyTorch: `python pytorch_models.py PRESET FILE IMAGES LOGITS ZEROS STEP`.

Builds the preset of real numbers as the usual modules, loads FILE with strict names, and prints the largest difference of its logits from
LOGITS (f32 [N, 10]) for IMAGES (bytes [N, 32, 32, 3]), whose numbers are (byte - ZEROS[c]) * STEP. Modules and names are those of the
pre-activation networks of bearpaw/pytorch-classification.
"""
import sys

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import pad, relu


def conv(inputs, outputs, stride=1):
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride, has_filter):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv(inputs, outputs, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(outputs), conv(outputs, outputs)
        self.stride, self.more = stride, outputs - inputs
        changes = stride != 1
        self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False)) if changes and has_filter else None

    def forward(self, x):
        a = relu(self.bn1(x))
        if self.downsample is not None:
            x = self.downsample(a)
        elif self.stride != 1:
            x = pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))
        return x + self.conv2(relu(self.bn2(self.conv1(a))))


class ResNet(nn.Module):
    def __init__(self, widths, blocks, has_filter):
        super().__init__()
        self.conv1 = conv(3, widths[0])
        inputs = widths[0]
        for stage, width in enumerate(widths):
            layer = []
            for i in range(blocks):
                layer.append(Block(inputs, width, 2 if stage > 0 and i == 0 else 1, has_filter))
                inputs = width
            setattr(self, f'layer{stage + 1}', nn.Sequential(*layer))
        self.layers = len(widths)
        self.bn, self.fc = nn.BatchNorm2d(inputs), nn.Linear(inputs, 10)

    def forward(self, x):
        x = self.conv1(x)
        for stage in range(self.layers):
            x = getattr(self, f'layer{stage + 1}')(x)
        return self.fc(relu(self.bn(x)).mean((2, 3)))


models = {
    'resnet20': lambda: ResNet([16, 32, 64], 3, False),
    'resnet18-cifar': lambda: ResNet([64, 128, 256, 512], 2, True),
}
preset, file, images, logits, zeros, step = sys.argv[1:]
model = models[preset]()
model.load_state_dict(load_file(file), strict=True)
model.eval()
x = np.fromfile(images, np.uint8).reshape(-1, 32, 32, 3).astype(np.float64)
x = ((x - np.array(zeros.split(','), float)) * float(step)).transpose(0, 3, 1, 2)
expected = np.fromfile(logits, np.float32).reshape(len(x), 10)
with torch.no_grad():
    found = model(torch.tensor(np.ascontiguousarray(x), dtype=torch.float32)).numpy()
print(np.abs(found - expected).max())
