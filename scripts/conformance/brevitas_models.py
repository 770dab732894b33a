"""Networks as Brevitas defines and exports them, for the importer: `python brevitas_models.py FOLDER` writes NAME.onnx and NAME.npz (inputs, outputs)."""
import sys

import brevitas.nn as qnn
import numpy as np
import onnxruntime
import torch
from brevitas.core.quant import QuantType
from brevitas.core.scaling import ScalingImplType
from brevitas.export import export_onnx_qcdq, export_qonnx
from brevitas.quant import Int8WeightPerChannelFloat, Uint8ActPerTensorFloat
from torch import nn


class Binarized:
    """CNV of FINN: 3x3 convolutions without padding, batch norms, quantized identities; small here."""

    @staticmethod
    def build(weight_bits: int, activation_bits: int) -> nn.Module:
        quant = lambda bits: dict(
            quant_type=QuantType.BINARY if bits == 1 else QuantType.INT,
            bit_width=bits,
            scaling_impl_type=ScalingImplType.CONST,
            min_val=-1.0,
            max_val=1.0,
        )
        act = lambda: qnn.QuantIdentity(**{**quant(activation_bits), 'narrow_range': True}, return_quant_tensor=False)
        conv = lambda a, b: qnn.QuantConv2d(
            a, b, 3, bias=False, weight_quant_type=quant(weight_bits)['quant_type'], weight_bit_width=weight_bits,
            weight_scaling_impl_type=ScalingImplType.CONST, weight_scaling_init=0.03, weight_narrow_range=True)
        dense = lambda a, b: qnn.QuantLinear(
            a, b, bias=False, weight_quant_type=quant(weight_bits)['quant_type'], weight_bit_width=weight_bits,
            weight_scaling_impl_type=ScalingImplType.CONST, weight_scaling_init=0.03, weight_narrow_range=True)
        layers = [qnn.QuantIdentity(bit_width=8, min_val=-1.0, max_val=1.0 - 2.0**-7, narrow_range=False,
                                    scaling_impl_type=ScalingImplType.CONST, return_quant_tensor=False)]
        channels = 3
        for block in (16, 32):
            for _ in range(2):
                layers += [conv(channels, block), nn.BatchNorm2d(block, eps=1e-4), act()]
                channels = block
            layers += [nn.MaxPool2d(2)]
        layers += [nn.Flatten(), dense(32 * 25, 64), nn.BatchNorm1d(64, eps=1e-4), act(), dense(64, 10)]
        return nn.Sequential(*layers)


class Block(nn.Module):
    def __init__(self, channels: int, out: int, stride: int):
        super().__init__()
        conv = lambda a, b, k, s: qnn.QuantConv2d(
            a, b, k, stride=s, padding=k // 2, bias=False, weight_quant=Int8WeightPerChannelFloat, weight_bit_width=4)
        relu = lambda: qnn.QuantReLU(act_quant=Uint8ActPerTensorFloat, bit_width=4, return_quant_tensor=True)
        self.conv1, self.bn1, self.relu1 = conv(channels, out, 3, stride), nn.BatchNorm2d(out), relu()
        self.conv2, self.bn2 = conv(out, out, 3, 1), nn.BatchNorm2d(out)
        self.down = nn.Identity() if stride == 1 else nn.Sequential(conv(channels, out, 1, stride), nn.BatchNorm2d(out))
        self.relu2 = relu()

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        shortcut = self.down(x)
        return self.relu2(y + (shortcut if isinstance(shortcut, torch.Tensor) else shortcut.value))


class Residual(nn.Module):
    """A small residual network with 4-bit weights per channel and unsigned 4-bit activations."""

    def __init__(self):
        super().__init__()
        self.stem = qnn.QuantConv2d(3, 16, 3, padding=1, bias=False, weight_quant=Int8WeightPerChannelFloat, weight_bit_width=8)
        self.bn = nn.BatchNorm2d(16)
        self.relu = qnn.QuantReLU(act_quant=Uint8ActPerTensorFloat, bit_width=4, return_quant_tensor=True)
        self.input = qnn.QuantIdentity(bit_width=8, return_quant_tensor=True)
        self.blocks = nn.Sequential(Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = qnn.QuantLinear(64, 10, bias=True, weight_quant=Int8WeightPerChannelFloat, weight_bit_width=8)

    def forward(self, x):
        x = self.blocks(self.relu(self.bn(self.stem(self.input(x)))))
        x = x if isinstance(x, torch.Tensor) else x.value
        return self.fc(self.pool(x).flatten(1))


def settle(model: nn.Module, shape) -> None:
    """Batch norms and scales as after some training: random statistics and weights, scales from data."""
    torch.manual_seed(1)
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d)):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
    model.train()
    with torch.no_grad():
        for _ in range(20):
            model(torch.rand(16, *shape))
    model.eval()


models = {
    'cnv-1-1': lambda: Binarized.build(1, 1),
    'cnv-2-2': lambda: Binarized.build(2, 2),
    'residual-4-4': Residual,
}

if __name__ == '__main__':
    folder = sys.argv[1]
    shape = (3, 32, 32)
    for name, build in models.items():
        torch.manual_seed(0)
        model = build()
        settle(model, shape)
        x = torch.rand(1, *shape)
        export_qonnx(model, args=x, export_path=f'{folder}/{name}.onnx', opset_version=13, dynamo=False)
        inputs = torch.rand(8, *shape)
        outputs = torch.cat([model(each[None]).detach() for each in inputs])
        np.savez(f'{folder}/{name}.npz', inputs=inputs.numpy(), outputs=outputs.numpy())
        if name != 'cnv-1-1':
            export_onnx_qcdq(model, args=x, export_path=f'{folder}/{name}-qcdq.onnx', opset_version=13, dynamo=False)
