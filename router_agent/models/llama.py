"""A user's GGUF in llama.cpp: one text in memory, adapters by name."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from router_agent.models.decoding import CannotDecode, Model
from router_agent.models.dialects import Dialect
from router_agent.models.gguf_header import NotGguf, read_header
from router_agent.models.known_dialects import dialect_of
from router_agent.models.loading import load

_CONTROL = 3
_NUMERIC = re.compile(r"[0-9]+|-|\.")
_READ = {
    "tokenizer.chat_template",
    "tokenizer.ggml.tokens",
    "tokenizer.ggml.token_type",
    "general.architecture",
}


class LlamaModel(Model):
    """
    One model, one context, one thread: its owner sees to that.

    What two prompts share at their beginning, such as the list of tools, is read once.

    Raises:
        NotGguf: llama.cpp cannot load the file, or it has no tokens.
        UnknownDialect: its chat template writes no calls that are known.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path, *, context: int = 4096, threads: int = 2) -> None:
        header = read_header(path, _READ.__contains__)
        self.dialect: Dialect = dialect_of(str(header.get("tokenizer.chat_template", "")))
        spelled: Sequence[str] = header.get("tokenizer.ggml.tokens", ())
        if not spelled:
            raise NotGguf(f"{path.name} does not say what its tokens are")
        kinds = np.array(header.get("tokenizer.ggml.token_type", ()), dtype=np.int64)
        self._controls = kinds == _CONTROL if len(kinds) else np.zeros(len(spelled), dtype=np.bool_)
        self._numeric = np.array(
            [number for number, text in enumerate(spelled) if _NUMERIC.fullmatch(text)], np.int64
        )
        self._ends = np.array(
            [number for number, text in enumerate(spelled) if text[:1] in {",", "}", "]"}], np.int64
        )
        how = llama_cpp.llama_context_default_params()
        how.n_ctx = context
        how.n_batch = how.n_ubatch = min(512, context)
        how.swa_full = True  # a sliding window that forgot its past could not go back to a prefix
        self._model, self._context = load(path, how, threads)
        self._batch_size, self._size = int(how.n_batch), context
        self._vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        self._many = int(llama_cpp.llama_vocab_n_tokens(self._vocabulary))
        self._bos = [int(llama_cpp.llama_vocab_bos(self._vocabulary))]
        if not llama_cpp.llama_vocab_get_add_bos(self._vocabulary):
            self._bos = []
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._read: list[int] = []
        self.adapters = AdapterBank(self)

    def close(self) -> None:
        """Give its memory back; it answers no more."""
        if self._context:
            llama_cpp.llama_free(self._context)
            self.adapters.close()
            llama_cpp.llama_model_free(self._model)
            self._context = None

    @property
    def remembered(self) -> int:
        """How many tokens are in memory."""
        return len(self._read)

    @property
    def controls(self) -> NDArray[np.bool_]:
        return self._controls

    @property
    def numeric(self) -> NDArray[np.int64]:
        return self._numeric

    @property
    def ends(self) -> NDArray[np.int64]:
        return self._ends

    def tokens(self, text: str) -> list[int]:
        raw = text.encode()
        room = len(raw) + 8
        found = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self._vocabulary, raw, len(raw), found, room, False, True)  # noqa: FBT003 - C
        return list(found[:count])

    def spelled(self, token: int) -> bytes:
        if self._controls[token]:
            return b""
        room = ctypes.create_string_buffer(256)
        count = llama_cpp.llama_token_to_piece(self._vocabulary, token, room, 256, 0, False)  # noqa: FBT003 - C
        return room.raw[: max(0, count)]

    def begin(self, tokens: Sequence[int]) -> None:
        wanted = [*self._bos, *tokens]
        if len(wanted) >= self._size:
            raise CannotDecode(f"{len(wanted)} tokens do not fit in {self._size}")
        shared = 0
        while shared < min(len(wanted) - 1, len(self._read)) and wanted[shared] == self._read[shared]:
            shared += 1
        if not llama_cpp.llama_memory_seq_rm(self._memory, 0, shared, -1):
            llama_cpp.llama_memory_clear(self._memory, False)  # noqa: FBT003 - C: what it held stays, and is unreachable
            shared = 0
        self._read = self._read[:shared]
        self.push(wanted[shared:])

    def push(self, tokens: Sequence[int]) -> None:
        if len(self._read) + len(tokens) > self._size:
            raise CannotDecode(f"the text outgrew {self._size} tokens")
        for at in range(0, len(tokens), self._batch_size):
            part = tokens[at : at + self._batch_size]
            array = (llama_cpp.llama_token * len(part))(*part)
            if llama_cpp.llama_decode(self._context, llama_cpp.llama_batch_get_one(array, len(part))):
                raise RuntimeError("llama.cpp did not decode")
        self._read += tokens

    def logits(self) -> NDArray[np.float32]:
        found = llama_cpp.llama_get_logits_ith(self._context, -1)
        return np.ctypeslib.as_array(found, shape=(self._many,))

    def apply(self, pointers: Sequence[Any], scales: Sequence[float]) -> None:
        """Work with these adapters from now on, and forget what was read with others."""
        # An array of any other type ends the process: the type is llama_cpp's own, made here.
        array = (llama_cpp.llama_adapter_lora_p_ctypes * max(1, len(pointers)))(*pointers)
        shares = (ctypes.c_float * max(1, len(scales)))(*scales)
        if llama_cpp.llama_set_adapters_lora(self._context, array, len(pointers), shares):
            raise RuntimeError("llama.cpp did not take the adapters")
        llama_cpp.llama_memory_clear(self._memory, False)  # noqa: FBT003 - C: what it held stays, and is unreachable
        self._read = []

    def open_adapter(self, path: Path) -> Any:
        """
        Load an adapter for this model.

        Raises:
            NotGguf: it is no adapter, or one of another model.
        """
        found = llama_cpp.llama_adapter_lora_init(self._model, str(path).encode())
        if not found:
            raise NotGguf(f"llama.cpp does not load the adapter {path.name}")
        return found


class AdapterBank:
    """LoRA adapters by name, loaded once, swapped in microseconds: one for a domain, or several."""

    def __init__(self, model: LlamaModel) -> None:
        self._model = model
        self._known: dict[str, Any] = {}
        self._used: dict[str, float] = {}

    def add(self, name: str, path: Path) -> None:
        """
        Load an adapter under a name.

        Raises:
            NotGguf: it is no adapter of this model.
            KeyError: the name is taken.
        """
        if name in self._known:
            raise KeyError(name)
        self._known[name] = self._model.open_adapter(path)

    def use(self, weights: Mapping[str, float]) -> bool:
        """Work with these adapters, each with its weight; none is the model alone. False if so already."""
        wanted = {name: weight for name, weight in weights.items() if weight}
        if wanted == self._used:
            return False
        self._model.apply([self._known[name] for name in wanted], list(wanted.values()))
        self._used = wanted
        return True

    def close(self) -> None:
        """Forget the adapters; llama.cpp frees them with their model."""
        self._known.clear()
        self._used.clear()

    def __contains__(self, name: str) -> bool:
        return name in self._known
