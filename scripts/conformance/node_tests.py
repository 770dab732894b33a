"""ONNX's own tests of single operators (onnx.backend.test): `python node_tests.py FOLDER OPERATOR ..` writes, for every case of these operators,
NAME.onnx, and NAME.data.onnx whose stored tensors are the inputs (in0, ..) and expected outputs (out0, ..); prints a line "OPERATOR NAME" for each.

Left out are operators that are written out as others ("expanded").
"""
import sys
import warnings

import numpy as np
from onnx import TensorProto, helper, numpy_helper

warnings.filterwarnings('ignore')
from onnx.backend.test.case.node import collect_testcases  # noqa: E402

folder, operators = sys.argv[1], set(sys.argv[2:])


def stored(name: str, value) -> TensorProto:
    if isinstance(value, TensorProto):
        tensor = TensorProto()
        tensor.CopyFrom(value)
        tensor.name = name
        return tensor
    return numpy_helper.from_array(np.asarray(value), name)


for case in collect_testcases(None):
    nodes = case.model.graph.node
    if len(nodes) != 1 or nodes[0].op_type not in operators or nodes[0].domain != '' or 'expanded' in case.name:
        continue
    inputs, outputs = case.data_sets[0]
    # Sequences and what may be absent are no tensors; our reader refuses the model by its types.
    if not any(isinstance(value, (list, tuple)) or value is None for value in [*inputs, *outputs]):
        tensors = [stored(f'in{i}', value) for i, value in enumerate(inputs)]
        tensors += [stored(f'out{i}', value) for i, value in enumerate(outputs)]
        data = helper.make_model(helper.make_graph([], 'data', [], [], tensors))
        with open(f'{folder}/{case.name}.data.onnx', 'wb') as file:
            file.write(data.SerializeToString())
    with open(f'{folder}/{case.name}.onnx', 'wb') as file:
        file.write(case.model.SerializeToString())
    print(nodes[0].op_type, case.name)
