"""Reads a safetensors file of float32 or float16 tensors for the PyTorch peers, without a package that may not be there.

Format: eight bytes of header length, a JSON header with data_offsets, the values. Tensors share the mapped file.
"""
import json
import struct

import numpy
import torch


TYPES = {'F32': torch.float32, 'F16': torch.float16}


def read_tensors(path):
    """Tensors of the file by name, over a copy-on-write mapping of it."""
    with open(path, 'rb') as file:
        (length,) = struct.unpack('<Q', file.read(8))
        header = json.loads(file.read(length))
    mapped = numpy.memmap(path, dtype=numpy.uint8, mode='c', offset=8 + length)
    tensors = {}
    for name, entry in header.items():
        if name == '__metadata__':
            continue
        if entry['dtype'] not in TYPES:
            raise ValueError(f'{path}: {name} is {entry["dtype"]}; this reader takes {", ".join(TYPES)}')
        begin, end = entry['data_offsets']
        values = torch.from_numpy(mapped[begin:end]).view(TYPES[entry['dtype']])
        tensors[name] = values.view(entry['shape'])
    return tensors
