"""An exported model against what subbit predicts: `python exports.py FILE IMAGES CLASSES H W C onnxruntime|qonnx COUNT`; prints the share that agrees.

IMAGES holds bytes [N, H, W, C], CLASSES i32 [N].
"""
import sys

import numpy as np
import onnx

file, images, classes = sys.argv[1:4]
shape = tuple(map(int, sys.argv[4:7]))
runner, count = sys.argv[7], int(sys.argv[8])
x = np.fromfile(images, np.uint8).reshape(-1, *shape)[:count]
expected = np.fromfile(classes, np.int32)[:count]
model = onnx.load(file)
onnx.checker.check_model(model, full_check=True)
if runner == 'onnxruntime':
    import onnxruntime

    session = onnxruntime.InferenceSession(file)
    fixed = isinstance(session.get_inputs()[0].shape[0], int)
    batches = [each[None] for each in x] if fixed else [x]
    logits = np.concatenate([session.run(None, {'images': batch})[0] for batch in batches])
else:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.util.cleanup import cleanup_model

    clean = cleanup_model(ModelWrapper(file))
    name, output = clean.graph.input[0].name, clean.graph.output[0].name
    logits = np.concatenate([execute_onnx(clean, {name: each[None]})[output] for each in x])
print((logits.argmax(1) == expected).mean())
