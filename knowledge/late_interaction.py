"""Late interaction: how well the words of a query are met, one by one, by the words of a passage.

Each word piece of the query looks for the most similar one in the passage, and the mean of what they find is the
passage's figure (MaxSim: Khattab and Zaharia, "ColBERT", SIGIR 2020). What is met least tells a passage that answers
from one that is only about the same: "Where was Copernicus born?" over a note on him that says nothing of it. The
vectors are those that the encoder has made of the word pieces before it pools them, so they cost nothing more; of a
passage's only the signs are kept.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

#: As many multiplications as OpenBLAS leaves to one thread. Threads wait for each other longer than a product of this
#: size takes where another program is at work.
_AT_ONCE = 2**18
#: How far the smooth minimum looks beyond the least one; chosen on the collections in `answerable/`.
SMOOTH = 0.05


def signs(tokens: "np.ndarray") -> bytes:
    """The signs of vectors of shape (tokens, dimension), a bit each: dimension / 8 bytes a token, a multiple of 8."""
    import numpy as np

    return np.packbits(tokens > 0, axis=1).tobytes()


def met(query: "np.ndarray", passages: Sequence[bytes]) -> "np.ndarray":
    """How well each word piece of a query, of shape (tokens, dimension), is met by each passage, given as `signs`:
    between -1 and 1, of shape (passages, tokens). Where either side has no word pieces, one that is met with 0."""
    import numpy as np

    dimension = query.shape[1]
    tokens = np.array([len(passage) * 8 // dimension for passage in passages], dtype=int)
    figures, filled = np.zeros((len(passages), max(1, len(query)))), tokens > 0
    if len(query) and filled.any():
        unit = query / (np.linalg.norm(query, axis=1, keepdims=True) + 1e-9) / np.sqrt(dimension)
        starts = (np.cumsum(tokens) - tokens)[filled]
        best = np.maximum.reduceat(_sums_over_set_bits(b"".join(passages), unit), starts)
        # a set bit stands for +1 and an unset one for -1
        figures[filled] = 2 * best - unit.sum(axis=1)
    return figures


def least(figures: "np.ndarray") -> "np.ndarray":
    """For each row of `met` how well those are met that are met least, of shape (passages,): a smooth minimum, lower
    where several are met badly."""
    import numpy as np

    return -SMOOTH * np.log(np.exp(-figures / SMOOTH).mean(axis=1))


def _sums_over_set_bits(packed: bytes, vectors: "np.ndarray") -> "np.ndarray":
    """For each row of bits the sums of the coordinates that are set in it, of shape (rows, len(vectors))."""
    import numpy as np

    rows = np.frombuffer(packed, np.uint8).reshape(-1, vectors.shape[1] // 8)
    step = max(1, _AT_ONCE // vectors.size)
    parts = (rows[start : start + step] for start in range(0, len(rows), step))
    return np.concatenate([np.unpackbits(part, axis=1).astype(np.float32) @ vectors.T for part in parts])
