"""
Models of Gemma 3's shape as GGUF: random ones to test with, small ones that were trained here.

FunctionGemma has this shape. A file of it needs no more than its tensors' names and a
vocabulary; the vocabulary here is single characters, so that any text can be written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

Weights = Mapping[str, NDArray[np.float32]]
CONTROLS = (
    "<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>", "<escape>",
    "<start_function_declaration>", "<end_function_declaration>", "<start_function_call>",
    "<end_function_call>", "<start_function_response>", "<end_function_response>",
)  # fmt: skip  # a list of words, not a line for each
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<start_of_turn>{{ message.role }}\n"
    "{{ message.content }}<end_of_turn>\n{% endfor %}"
    "{# <start_function_declaration> <start_function_call> #}<start_of_turn>model\n"
)
_LETTERS = "".join(map(chr, range(33, 127)))


@dataclass(frozen=True, slots=True)
class GemmaShape:
    """Sizes of a Gemma 3; the defaults are as small as llama.cpp takes."""

    layers: int = 2
    width: int = 64
    heads: int = 2
    kv_heads: int = 1
    head: int = 32
    inner: int = 128
    window: int = 512
    context: int = 4096
    vocabulary: tuple[str, ...] = ()
    """Pieces after the control tokens; characters and bytes when empty."""

    @property
    def pieces(self) -> list[str]:
        """The vocabulary in order."""
        spelled = self.vocabulary or ("\u2581", "\n", *_LETTERS)
        return [*CONTROLS, *(f"<0x{byte:02X}>" for byte in range(256)), *spelled]


FUNCTION_GEMMA = GemmaShape(18, 640, 4, 1, 256, 2048, 512, 32_768)
"""The true model's sizes, but for its vocabulary of 262,144."""


def random_weights(shape: GemmaShape, seed: int) -> dict[str, NDArray[np.float32]]:
    """Weights that mean nothing; the same for the same seed."""
    draw = np.random.default_rng(seed)
    sizes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (len(shape.pieces), shape.width),
        "output_norm.weight": (shape.width,),
    }
    for number in range(shape.layers):
        at = f"blk.{number}."
        sizes |= {
            at + "attn_norm.weight": (shape.width,),
            at + "attn_q.weight": (shape.heads * shape.head, shape.width),
            at + "attn_k.weight": (shape.kv_heads * shape.head, shape.width),
            at + "attn_v.weight": (shape.kv_heads * shape.head, shape.width),
            at + "attn_output.weight": (shape.width, shape.heads * shape.head),
            at + "attn_q_norm.weight": (shape.head,),
            at + "attn_k_norm.weight": (shape.head,),
            at + "post_attention_norm.weight": (shape.width,),
            at + "ffn_norm.weight": (shape.width,),
            at + "ffn_gate.weight": (shape.inner, shape.width),
            at + "ffn_up.weight": (shape.inner, shape.width),
            at + "ffn_down.weight": (shape.width, shape.inner),
            at + "post_ffw_norm.weight": (shape.width,),
        }
    return {
        name: np.ones(size, np.float32) if len(size) == 1 else draw.normal(0, 0.05, size).astype(np.float32)
        for name, size in sizes.items()
    }


def export_gemma(
    path: Path,
    shape: GemmaShape,
    weights: Weights,
    *,
    kind: gguf.GGMLQuantizationType | None = None,
    template: str = TEMPLATE,
) -> None:
    """Write a model; `kind` quantises its matrices."""
    out = gguf.GGUFWriter(path, "gemma3")
    out.add_name("tiny function caller")
    out.add_context_length(shape.context)
    out.add_embedding_length(shape.width)
    out.add_block_count(shape.layers)
    out.add_feed_forward_length(shape.inner)
    out.add_head_count(shape.heads)
    out.add_head_count_kv(shape.kv_heads)
    out.add_key_length(shape.head)
    out.add_value_length(shape.head)
    out.add_layer_norm_rms_eps(1e-6)
    out.add_rope_freq_base(10_000.0)
    out.add_sliding_window(shape.window)
    pieces = shape.pieces
    out.add_tokenizer_model("llama")
    out.add_tokenizer_pre("default")
    out.add_token_list(pieces)
    out.add_token_scores([-float(number) for number in range(len(pieces))])
    out.add_token_types([_kind(piece) for piece in pieces])
    out.add_pad_token_id(pieces.index("<pad>"))
    out.add_eos_token_id(pieces.index("<eos>"))
    out.add_bos_token_id(pieces.index("<bos>"))
    out.add_unk_token_id(pieces.index("<unk>"))
    out.add_add_bos_token(value=True)
    out.add_add_space_prefix(value=False)
    out.add_chat_template(template)
    for name, values in weights.items():
        if kind is None or values.ndim == 1:
            out.add_tensor(name, np.ascontiguousarray(values, np.float32))
        else:
            out.add_tensor(
                name, gguf.quants.quantize(np.ascontiguousarray(values, np.float32), kind), raw_dtype=kind
            )
    _finish(out)


def export_adapter(
    path: Path, pairs: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]], alpha: float
) -> None:
    """
    Write a LoRA adapter: for each tensor's name, A (rank, in) and B (out, rank).

    The change is `alpha / rank * B @ A`.
    """
    out = gguf.GGUFWriter(path, "gemma3")
    out.add_type("adapter")
    out.add_string("adapter.type", "lora")
    out.add_float32("adapter.lora.alpha", alpha)
    for name, (down, up) in pairs.items():
        out.add_tensor(f"{name}.lora_a", np.ascontiguousarray(down, np.float32))
        out.add_tensor(f"{name}.lora_b", np.ascontiguousarray(up, np.float32))
    _finish(out)


def _finish(out: gguf.GGUFWriter) -> None:
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def _kind(piece: str) -> int:
    """llama.cpp's kind of a token: 1 usual, 2 unknown, 3 control, 6 byte."""
    if piece == "<unk>":
        return 2
    if piece in CONTROLS:
        return 3
    return 6 if piece.startswith("<0x") else 1
