"""QKeras models for conformance checks, exported by the converter of qonnx 0.4: `python qkeras_models.py FOLDER` writes NAME.onnx of each.

Weights and statistics are random, from a fixed seed.
"""
import os
import sys

os.environ['TF_USE_LEGACY_KERAS'] = '1'
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
import numpy as np
import onnx
import tensorflow as tf
from qkeras import QActivation, QConv2D, QDense, binary, quantized_bits, quantized_relu
from qonnx.converters import from_keras
from tensorflow.keras.layers import Activation, BatchNormalization, Flatten, Input, MaxPooling2D
from tensorflow.keras.models import Sequential


def cnn(weights, activations):
    return Sequential(
        [
            Input((32, 32, 3)),
            QConv2D(16, 3, kernel_quantizer=quantized_bits(8, 0, alpha=1), use_bias=False, name='conv0'),
            BatchNormalization(name='bn0'),
            QActivation(activations(), name='act0'),
            QConv2D(32, 3, strides=2, padding='same', kernel_quantizer=weights(), use_bias=False, name='conv1'),
            BatchNormalization(name='bn1'),
            QActivation(activations(), name='act1'),
            MaxPooling2D(2, name='pool'),
            QConv2D(32, 3, kernel_quantizer=weights(), use_bias=False, name='conv2'),
            BatchNormalization(name='bn2'),
            QActivation(activations(), name='act2'),
            Flatten(name='flat'),
            QDense(10, kernel_quantizer=quantized_bits(8, 0, alpha=1), use_bias=False, name='fc'),
        ]
    )


models = {
    'qkeras-4-4': cnn(lambda: quantized_bits(4, 0, alpha=1), lambda: quantized_relu(4)),
    'qkeras-2-2': cnn(lambda: quantized_bits(2, 0, alpha=1), lambda: quantized_relu(2)),
    'qkeras-1-3': cnn(lambda: binary(alpha=1), lambda: quantized_relu(3)),
}
rng = np.random.default_rng(1)
for name, model in models.items():
    for layer in model.layers:
        if isinstance(layer, BatchNormalization):
            n = layer.weights[0].shape[0]
            layer.set_weights([rng.uniform(0.5, 1.5, n), rng.normal(0.3, 0.2, n), rng.normal(0, 0.2, n), rng.uniform(0.5, 2, n)])
        elif layer.get_weights():
            layer.set_weights([rng.normal(0, 0.4, w.shape) for w in layer.get_weights()])
    signature = (tf.TensorSpec((1, 32, 32, 3), tf.float32, name='images'),)
    proto, _ = from_keras(model, name, input_signature=signature, opset=13)
    onnx.save(proto, f'{sys.argv[1]}/{name}.onnx')
    noise = np.array([(i * 7919) % 256 for i in range(4 * 32 * 32 * 3)], np.uint8).reshape(4, 32, 32, 3)
    model.predict(noise.astype(np.float32) / np.float32(255), verbose=0).astype(np.float32).tofile(f'{sys.argv[1]}/{name}.logits')
