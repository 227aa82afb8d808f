"""Writes the encoder as one GGUF: a BERT for llama.cpp, with the heads and the vocabulary among its keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from router_agent.models.heads import Heads

_Type = gguf.GGMLQuantizationType


def export_encoder(
    path: Path,
    weights: Mapping[str, NDArray[np.float32]],
    vocabulary: Sequence[str],
    facts: Mapping[str, str],
    *,
    attention_heads: int = 12,
    places: int = 192,
    words: _Type = _Type.Q4_0,
    attention: _Type = _Type.Q8_0,
    inner: _Type = _Type.Q5_0,
) -> int:
    """
    Write trained weights, as `Encoder.state_dict()` names them; the file's size in bytes.

    `facts` are written as `general.*`: name, licence, author, description. llama.cpp refuses
    tensors that it does not know, so the heads travel as arrays: a row of bytes times a scale.
    """
    count = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("layers."))
    width = weights["words.weight"].shape[1]
    out = gguf.GGUFWriter(path, "bert")
    for key, value in facts.items():
        out.add_string(f"general.{key}", value)
    out.add_context_length(places)
    out.add_embedding_length(width)
    out.add_feed_forward_length(weights["layers.0.up.weight"].shape[0])
    out.add_block_count(count)
    out.add_head_count(attention_heads)
    out.add_layer_norm_eps(1e-12)
    out.add_causal_attention(value=False)
    out.add_pooling_type(gguf.PoolingType.NONE)
    _add_tokenizer(out, vocabulary)
    for head in fields(Heads):
        _add_head(out, head.name, weights)
    _add(out, "token_embd.weight", weights["words.weight"], words)
    _add(out, "position_embd.weight", weights["places.weight"][:places], _Type.Q8_0)
    _add(out, "token_types.weight", weights["kinds.weight"], _Type.F32)
    _add_pair(out, "token_embd_norm", weights, "norm", _Type.F32)
    for number in range(count):
        _add_layer(out, f"blk.{number}.", weights, f"layers.{number}.", attention, inner)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return path.stat().st_size


def _add_tokenizer(out: gguf.GGUFWriter, vocabulary: Sequence[str]) -> None:
    """What llama.cpp wants to load a BERT, and the pieces as this router's own tokenizer reads them."""
    spelled = [
        piece
        if piece[0] == "[" and piece[-1] == "]"
        else piece[2:]
        if piece.startswith("##")
        else "\u2581" + piece
        for piece in vocabulary
    ]
    numbers = {piece: number for number, piece in enumerate(vocabulary)}
    out.add_tokenizer_model("bert")
    out.add_tokenizer_pre("default")
    out.add_token_list(spelled)
    out.add_token_types([3 if piece[0] == "[" and piece[-1] == "]" else 1 for piece in vocabulary])
    out.add_token_type_count(2)
    out.add_unk_token_id(numbers["[UNK]"])
    out.add_sep_token_id(numbers["[SEP]"])
    out.add_pad_token_id(numbers["[PAD]"])
    out.add_uint32("tokenizer.ggml.cls_token_id", numbers["[CLS]"])
    out.add_mask_token_id(numbers["[MASK]"])
    out.add_array("router.vocabulary", list(vocabulary))


def _add_head(out: gguf.GGUFWriter, name: str, weights: Mapping[str, NDArray[np.float32]]) -> None:
    matrix = np.asarray(weights[f"{name}.weight"], dtype=np.float32)
    scales = np.maximum(np.abs(matrix).max(axis=1), 1e-9) / 127
    rows = np.round(matrix / scales[:, None]).astype(np.int8)
    out.add_key_value(
        f"router.heads.{name}.rows",
        rows.flatten().tolist(),
        gguf.GGUFValueType.ARRAY,
        gguf.GGUFValueType.INT8,
    )
    out.add_array(f"router.heads.{name}.scales", scales.tolist())
    out.add_array(f"router.heads.{name}.bias", np.asarray(weights[f"{name}.bias"], dtype=np.float32).tolist())


def _add_layer(
    out: gguf.GGUFWriter,
    to: str,
    weights: Mapping[str, NDArray[np.float32]],
    base: str,
    attention: _Type,
    inner: _Type,
) -> None:
    for part, matrix, bias in zip(
        ("attn_q", "attn_k", "attn_v"),
        np.split(weights[base + "qkv.weight"], 3),
        np.split(weights[base + "qkv.bias"], 3),
        strict=True,
    ):
        _add(out, f"{to}{part}.weight", matrix, attention)
        _add(out, f"{to}{part}.bias", bias, _Type.F32)
    for part, name, kind in (
        ("attn_output", "out", attention),
        ("ffn_up", "up", inner),
        ("ffn_down", "down", inner),
    ):
        _add_pair(out, to + part, weights, base + name, kind)
    _add_pair(out, to + "attn_output_norm", weights, base + "norm", _Type.F32)
    _add_pair(out, to + "layer_output_norm", weights, base + "last_norm", _Type.F32)


def _add_pair(
    out: gguf.GGUFWriter, to: str, weights: Mapping[str, NDArray[np.float32]], name: str, kind: _Type
) -> None:
    _add(out, to + ".weight", weights[name + ".weight"], kind)
    _add(out, to + ".bias", weights[name + ".bias"], _Type.F32)


def _add(out: gguf.GGUFWriter, name: str, values: NDArray[np.float32], kind: _Type) -> None:
    plain = np.ascontiguousarray(values, dtype=np.float32)
    if kind == _Type.F32:
        out.add_tensor(name, plain)
    else:
        out.add_tensor(name, gguf.quants.quantize(plain, kind), raw_dtype=kind)
