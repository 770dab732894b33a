"""What the qonnx package computes of a model: `python imports.py FILE IMAGES H W C OUT` writes f32 logits for bytes / 255; IMAGES: bytes [N, H, W, C]."""
import sys

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model

file, images = sys.argv[1:3]
shape = tuple(map(int, sys.argv[3:6]))
x = np.fromfile(images, np.uint8).reshape(-1, *shape).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
model = cleanup_model(ModelWrapper(file))
name, output = model.graph.input[0].name, model.graph.output[0].name
np.concatenate([execute_onnx(model, {name: each[None]})[output] for each in x]).astype(np.float32).tofile(sys.argv[6])
