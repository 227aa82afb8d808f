"""Adds LoRA adapters to a model's own weights, so that one file does what two did."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray


class NotMergeable(ValueError):
    """A model and an adapter do not belong together, or one of the files is not what it should be."""


def merge(base: Path, adapters: Mapping[Path, float], out: Path) -> int:
    """
    Write `base` with each adapter added at its weight; how many tensors changed.

    Tensors keep their kind: what was quantised is quantised again after the sum, or kept as
    sixteen bits where that kind cannot be written here. All else stays as it is.

    Raises:
        NotMergeable: an adapter has tensors that the model has not, or of other sizes.
    """
    reader = _open(base)
    changes = _changes(reader, adapters)
    part = out.with_name(f"{out.name}.part")  # `base` is read while this is written, and may be `out`
    writer = gguf.GGUFWriter(part, str(_read(reader, "general.architecture")))
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue
        outer = field.types[0]
        inner = field.types[-1] if outer == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(key, field.contents(), outer, sub_type=inner)
    for tensor in reader.tensors:
        data, kind = tensor.data, tensor.tensor_type
        if tensor.name in changes:
            whole = gguf.quants.dequantize(data, kind).astype(np.float32) + changes[tensor.name]
            data, kind = _quantised(whole, kind)
        writer.add_tensor(tensor.name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    part.replace(out)
    return len(changes)


def _changes(reader: gguf.GGUFReader, adapters: Mapping[Path, float]) -> dict[str, NDArray[np.float32]]:
    sizes = {tensor.name: tuple(int(size) for size in reversed(tensor.shape)) for tensor in reader.tensors}
    out: dict[str, NDArray[np.float32]] = {}
    for path, weight in adapters.items():
        pairs, alpha = _pairs(path)
        for name, (down, up) in pairs.items():
            if sizes.get(name) != (up.shape[0], down.shape[1]):
                raise NotMergeable(f"{path.name} changes {name}, which the model has not in that size")
            change = np.float32(weight * alpha / down.shape[0]) * (up @ down)
            out[name] = out[name] + change if name in out else change
    return out


def _quantised(
    whole: NDArray[np.float32], kind: gguf.GGMLQuantizationType
) -> tuple[NDArray[Any], gguf.GGMLQuantizationType]:
    try:
        return gguf.quants.quantize(whole, kind), kind
    except NotImplementedError:  # gguf reads more kinds than it writes
        return whole.astype(np.float16), gguf.GGMLQuantizationType.F16


def _open(path: Path) -> gguf.GGUFReader:
    try:
        return gguf.GGUFReader(path)
    except (ValueError, IndexError) as cause:
        raise NotMergeable(f"{path.name} is no GGUF") from cause


def _pairs(path: Path) -> tuple[dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]], float]:
    reader = _open(path)
    if _read(reader, "adapter.type") != "lora":
        raise NotMergeable(f"{path.name} is no LoRA adapter")
    found = {
        tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type) for tensor in reader.tensors
    }
    names = [name.removesuffix(".lora_a") for name in found if name.endswith(".lora_a")]
    missing = [name for name in names if f"{name}.lora_b" not in found]
    if missing or not names:
        raise NotMergeable(f"{path.name} lacks a half of {missing or 'everything'}")
    return {name: (found[f"{name}.lora_a"], found[f"{name}.lora_b"]) for name in names}, float(
        _read(reader, "adapter.lora.alpha")
    )


def _read(reader: gguf.GGUFReader, key: str) -> Any:
    field = reader.get_field(key)
    if field is None:
        raise NotMergeable(f"the file has no {key}")
    return field.contents()
