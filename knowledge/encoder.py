"""Encoders: text in, unit vectors out.

`sentence-transformers` is the reference and serves any model. A model folder that holds ONNX_FILE
(`build_onnx`, made at set-up and checked against the reference) is run by ONNX Runtime instead, so that indexing and
searching never import torch. Beside it may stand a form with 8-bit weights (`choose_precision`).
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from knowledge.errors import NotesError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from sentence_transformers import SentenceTransformer

ONNX_FILE = "encoder-tokens.onnx"
INT8_FILE = "encoder-tokens-int8.onnx"
#: Which of the two serves on this machine, and why: `{"precision": "int8" | "float32", "reason": ...}`.
CHOICE_FILE = "encoder.json"
#: How far a vector of the ONNX graph may stand from the reference, in any coordinate.
TOLERANCE = 1e-4
#: The least cosine of an 8-bit vector to its float32 one. At this distance nDCG@10 on Cranfield is the same to a
#: thousandth (tests/benchmarks/README.md); processors without the instructions for it can fall well below.
INT8_COSINE = 0.97

_INT8 = " (int8)"

_BATCH = 32
#: As much as stays in the processor's cache between two layers: more at once is slower.
_TOKENS_AT_ONCE = 1024


class Encoder(Protocol):
    """What the store and ingest need of an encoder."""

    #: word pieces that fit beside the special tokens; text beyond them is not seen
    max_tokens: int

    def encode(self, texts: Sequence[str]) -> "np.ndarray":
        """Unit vectors of shape (len(texts), dimension), float32."""
        ...

    def encode_with_tokens(self, texts: Sequence[str]) -> "tuple[np.ndarray, list[np.ndarray]]":
        """As `encode`; and for each text the vectors of its word pieces, of shape (pieces, dimension) and any length.

        Pieces without a letter or a digit are left out.
        """
        ...

    def token_starts(self, text: str) -> list[int]:
        """Character offsets at which the word pieces of `text` start, ascending."""
        ...


def encoder_name(model: str, models: Path) -> str:
    """What an index is recorded to be made with: the model, and its precision where that is not float32."""
    return model + _INT8 if _chosen_precision(model_folder(model, models)) == "int8" else model


def load_encoder(name: str, models: Path) -> Encoder:
    """The encoder of this name (`encoder_name`): a model in `models/`, a folder, or a sentence-transformers name that
    is on this machine.

    Raises NotesError where there is none, with the command that mends it.
    """
    model = model_of(name)
    folder = model_folder(model, models)
    if (folder / ONNX_FILE).is_file():
        return OnnxEncoder(folder, INT8_FILE if name.endswith(_INT8) else ONNX_FILE)
    from knowledge.settings import DEFAULT_EMBEDDING_MODEL

    if model == DEFAULT_EMBEDDING_MODEL:
        raise NotesError("the embedding model is not installed: run `askmynotes models install`")
    return SentenceTransformersEncoder(str(folder) if folder.is_dir() else model)


def model_of(name: str) -> str:
    """The model that an encoder of this name (`encoder_name`) runs, in whatever precision."""
    return name.removesuffix(_INT8)


def model_folder(model: str, models: Path) -> Path:
    """The folder of a model: in `models/`, else at this path, where there need be none."""
    return models / model if (models / model).is_dir() else Path(model).expanduser()


def _chosen_precision(folder: Path) -> str:
    try:
        return json.loads((folder / CHOICE_FILE).read_text(encoding="utf-8"))["precision"]
    except (OSError, ValueError, KeyError):
        return "float32"


class OnnxEncoder:
    """Runs an ONNX graph with the tokenizer of the same folder."""

    def __init__(self, folder: Path, file: str = ONNX_FILE) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._session = onnxruntime.InferenceSession(folder / file, providers=["CPUExecutionProvider"])
        except Exception as error:  # both libraries raise bare Exception on a damaged file
            raise NotesError(
                f"{folder}: the embedding model is damaged: run `askmynotes models install --force`"
            ) from error
        limit = _sequence_length(folder)
        self.max_tokens = limit - self._tokenizer.num_special_tokens_to_add(is_pair=False)
        self._tokenizer.enable_truncation(limit)
        self._tokenizer.no_padding()
        self._counter = Tokenizer.from_str(self._tokenizer.to_str())
        self._counter.no_truncation()

    def encode(self, texts: Sequence[str]) -> "np.ndarray":
        import numpy as np

        vectors = np.zeros((len(texts), self._dimension), dtype=np.float32)
        for rows, _, (batch,) in self._run_batches(texts, ["embedding"]):
            vectors[rows] = batch
        return vectors

    def encode_with_tokens(self, texts: Sequence[str]) -> "tuple[np.ndarray, list[np.ndarray]]":
        import numpy as np

        vectors = np.zeros((len(texts), self._dimension), dtype=np.float32)
        tokens: list[np.ndarray] = [vectors[:0]] * len(texts)
        for rows, encodings, (batch, states) in self._run_batches(texts, ["embedding", "tokens"]):
            vectors[rows] = batch
            for row, encoding, of_text in zip(rows, encodings, states, strict=True):
                tokens[row] = of_text[_words_among(encoding.tokens, encoding.special_tokens_mask)]
        return vectors, tokens

    @property
    def _dimension(self) -> int:
        return self._session.get_outputs()[0].shape[1]

    def _run_batches(self, texts: Sequence[str], outputs: list[str]) -> "Iterator[tuple[list[int], list, list]]":
        """Rows of `texts`, their encodings and the outputs for them, a batch at a time."""
        encodings = self._tokenizer.encode_batch([encodable(text) for text in texts])
        # neighbours of like length share a batch, so that little of it is padding
        order = sorted(range(len(encodings)), key=lambda index: -len(encodings[index]))
        start = 0
        while start < len(order):
            longest = len(encodings[order[start]])
            rows = order[start : start + max(1, _TOKENS_AT_ONCE // longest)]
            batch = [encodings[row] for row in rows]
            yield rows, batch, self._run([encoding.ids for encoding in batch], outputs)
            start += len(rows)

    def _run(self, ids: list[list[int]], outputs: list[str]) -> "list[np.ndarray]":
        import numpy as np

        longest = max(map(len, ids))
        input_ids = np.zeros((len(ids), longest), dtype=np.int64)
        attention_mask = np.zeros_like(input_ids)
        for row, tokens in enumerate(ids):
            input_ids[row, : len(tokens)] = tokens
            attention_mask[row, : len(tokens)] = 1
        return self._session.run(outputs, {"input_ids": input_ids, "attention_mask": attention_mask})

    def token_starts(self, text: str) -> list[int]:
        return [start for start, _ in self._counter.encode(encodable(text), add_special_tokens=False).offsets]


class SentenceTransformersEncoder:
    """Any sentence-transformers model: a folder, or a name that is in this machine's cache."""

    def __init__(self, model: str) -> None:
        from sentence_transformers import SentenceTransformer

        try:
            self._model: SentenceTransformer = SentenceTransformer(
                model, device="cpu", local_files_only=True, model_kwargs={"use_safetensors": True}
            )
        except (OSError, ValueError) as error:
            if Path(model).is_dir():
                reason = str(error).strip().splitlines()[0]
                raise NotesError(f"{model}: the embedding model cannot be loaded ({reason})") from error
            raise NotesError(
                f"the embedding model {model!r} is not on this machine: give a folder, or set embedding_model back"
            ) from error
        self.max_tokens = (self._model.max_seq_length or 512) - self._model.tokenizer.num_special_tokens_to_add()

    def encode(self, texts: Sequence[str]) -> "np.ndarray":
        return self._model.encode(
            [encodable(text) for text in texts], batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False
        )

    def encode_with_tokens(self, texts: Sequence[str]) -> "tuple[np.ndarray, list[np.ndarray]]":
        import numpy as np

        outputs: Any = self._model.encode(
            [encodable(text) for text in texts], batch_size=_BATCH, output_value=None, show_progress_bar=False
        )
        vectors = np.stack([output["sentence_embedding"].float().numpy() for output in outputs])
        tokenizer = self._model.tokenizer
        around = {tokenizer.cls_token, tokenizer.sep_token, tokenizer.pad_token}
        tokens = []
        for output in outputs:
            pieces = tokenizer.convert_ids_to_tokens(output["input_ids"])
            special = [piece in around for piece in pieces]
            tokens.append(output["token_embeddings"].float().numpy()[_words_among(pieces, special)])
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), tokens

    def token_starts(self, text: str) -> list[int]:
        tokens = self._model.tokenizer(encodable(text), add_special_tokens=False, return_offsets_mapping=True)
        return [start for start, _ in tokens["offset_mapping"]]


def _words_among(pieces: Sequence[str], special: Sequence[int | bool]) -> list[int]:
    """The places of the pieces that hold a letter or a digit, special tokens and padding aside."""
    return [
        place
        for place, (piece, is_special) in enumerate(zip(pieces, special, strict=True))
        if not is_special and any(map(str.isalnum, piece))
    ]


def build_onnx(folder: Path) -> float:
    """Write ONNX_FILE into a sentence-transformers folder of a BERT with mean pooling.

    Returns the largest difference between its vectors and the reference's. Raises NotesError where that is over
    TOLERANCE; the file is then not kept.
    """
    import logging
    import warnings

    import numpy as np
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    # eager attention is the one that traces to plain matrix products
    reference = SentenceTransformer(str(folder), device="cpu", model_kwargs={"attn_implementation": "eager"})
    sample = {"input_ids": torch.ones(2, 8, dtype=torch.long), "attention_mask": torch.ones(2, 8, dtype=torch.long)}
    axes = {0: "texts", 1: "tokens"}
    partial = folder / (ONNX_FILE + ".partial")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing; the comparison below is the check
        torch.onnx.export(
            _pooled(reference),
            tuple(sample.values()),
            partial,
            input_names=list(sample),
            output_names=["embedding", "tokens"],
            dynamic_axes={**dict.fromkeys([*sample, "tokens"], axes), "embedding": {0: "texts"}},
            opset_version=17,
            dynamo=False,
        )
    os.replace(partial, folder / ONNX_FILE)
    expected = reference.encode(_SAMPLES, normalize_embeddings=True, show_progress_bar=False)
    difference = float(np.abs(OnnxEncoder(folder).encode(_SAMPLES) - expected).max())
    if difference > TOLERANCE:
        (folder / ONNX_FILE).unlink()
        raise NotesError(f"{folder}: the ONNX encoder differs from its reference by {difference:.1e}: not used")
    return difference


def choose_precision(folder: Path) -> str:
    """Make the 8-bit form of ONNX_FILE, choose between the two for this machine, and return the reason.

    The weights are quantised once, for each output channel; the activations as they come (dynamic quantisation:
    https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html).
    """
    import logging

    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.disable(logging.WARNING)  # it recommends a step that changes nothing here
    try:
        quantize_dynamic(folder / ONNX_FILE, folder / INT8_FILE, per_channel=True, weight_type=QuantType.QInt8)
    finally:
        logging.disable(logging.NOTSET)
    exact, small = OnnxEncoder(folder), OnnxEncoder(folder, INT8_FILE)
    cosine = float((exact.encode(_SAMPLES) * small.encode(_SAMPLES)).sum(axis=1).min())
    speed = _speed(small, exact)
    chosen = "int8" if cosine >= INT8_COSINE and speed > 1.2 else "float32"
    reason = f"8-bit weights are {speed:.1f} times as fast here, least cosine to float32 {cosine:.3f}: {chosen} is used"
    if chosen == "float32":
        (folder / INT8_FILE).unlink()
    (folder / CHOICE_FILE).write_text(json.dumps({"precision": chosen, "reason": reason}), encoding="utf-8")
    return reason


def _speed(small: OnnxEncoder, exact: OnnxEncoder) -> float:
    """How many times as fast `small` is, over texts of a passage's length; in processor time, whatever else runs."""
    texts = _SAMPLES * 6
    spent: dict[OnnxEncoder, list[float]] = {small: [], exact: []}
    for _ in range(4):
        for encoder, times in spent.items():
            started = time.process_time()
            encoder.encode(texts)
            times.append(time.process_time() - started)
    return min(spent[exact]) / min(spent[small])


_SAMPLES = [
    "a",
    "How do I mend broken unicode?",
    "Notes, links and lists. " * 40,
    "The kettle boils at a lower temperature on a mountain, because the air presses less on the water there. " * 8,
    "فارسی and 日本語",
    "x = [1, 2]\n" * 300,
]


def _pooled(reference: "SentenceTransformer") -> "torch.nn.Module":
    """The transformer with the mean pooling and normalising that sentence-transformers does behind it, and with what
    it pools."""
    import torch

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert: torch.nn.Module = reference[0].auto_model  # type: ignore[assignment]

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            states = self.bert(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=torch.zeros_like(input_ids)
            ).last_hidden_state
            mask = attention_mask.unsqueeze(-1).to(states.dtype)
            return torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1), states

    return Pooled().eval()


def _sequence_length(folder: Path) -> int:
    return int(json.loads((folder / "sentence_bert_config.json").read_text(encoding="utf-8"))["max_seq_length"])


def encodable(text: str) -> str:
    """`text` without lone surrogates, which tokenizers refuse."""
    return text.encode("utf-8", "replace").decode("utf-8")
