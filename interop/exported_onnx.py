"""Runs ONNX files that exportOnnx wrote, in Python's onnxruntime. Argument: a JSON file, {name: {path, inputs, outputs}}, inputs
as {name: {file, dtype, shape}}, outputs as {name: file to write}. Prints onnxruntime's version."""

import json
import sys

import numpy as np
import onnxruntime

DTYPES = {"float32": np.float32, "int32": np.int32, "bool": np.bool_}

with open(sys.argv[1]) as file:
    models = json.load(file)
for model in models.values():
    session = onnxruntime.InferenceSession(model["path"], providers=["CPUExecutionProvider"])
    assert {each.name for each in session.get_inputs()} == set(model["inputs"]), model["path"]
    assert {each.name for each in session.get_outputs()} == set(model["outputs"]), model["path"]
    feeds = {
        name: np.fromfile(each["file"], DTYPES[each["dtype"]]).reshape(each["shape"])
        for name, each in model["inputs"].items()
    }
    names = list(model["outputs"])
    for name, value in zip(names, session.run(names, feeds)):
        value.tofile(model["outputs"][name])
print(json.dumps(onnxruntime.__version__))
