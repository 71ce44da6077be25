"""Writes a GGUF file again with every weight as F32: the same numbers, without the kernels for quantised ones."""
import sys
import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, Keys
from gguf.quants import dequantize

source, target = sys.argv[1:]
reader = GGUFReader(source)
writer = GGUFWriter(target, reader.fields[Keys.General.ARCHITECTURE].contents())
for field in reader.fields.values():
    if field.name == Keys.General.ARCHITECTURE or field.name.startswith("GGUF."):
        continue
    kind = field.types[0]
    element = field.types[-1] if kind == GGUFValueType.ARRAY else None
    value = 0 if field.name == Keys.General.FILE_TYPE else field.contents()
    writer.add_key_value(field.name, value, kind, sub_type=element)
for tensor in reader.tensors:
    weights = tensor.data
    if tensor.tensor_type != GGMLQuantizationType.F32:
        weights = dequantize(weights, tensor.tensor_type).astype(np.float32)
    writer.add_tensor(tensor.name, weights)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
print("{}")
