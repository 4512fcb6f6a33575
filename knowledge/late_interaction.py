"""Late interaction: how well the words of a query are met, one by one, by the words of a passage.

Each word piece of the query looks for the most similar one in the passage, and the mean of what they find is the
passage's figure (MaxSim: Khattab and Zaharia, "ColBERT", SIGIR 2020). The vectors are those that the encoder has made
of the word pieces before it pools them, so they cost nothing more; of a passage's only the signs are kept.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def signs(tokens: "np.ndarray") -> bytes:
    """The signs of vectors of shape (tokens, dimension), a bit each: dimension / 8 bytes a token, a multiple of 8."""
    import numpy as np

    return np.packbits(tokens > 0, axis=1).tobytes()


def similarities(query: "np.ndarray", passages: Sequence[bytes]) -> list[float]:
    """The figure of each passage, given as `signs`, for the word pieces of a query, of shape (tokens, dimension).

    It lies between -1 and 1; 0 where either side has no word pieces.
    """
    import numpy as np

    dimension = query.shape[1]
    tokens = [len(passage) * 8 // dimension for passage in passages]
    if not len(query) or not any(tokens):
        return [0.0] * len(passages)
    bits = np.unpackbits(np.frombuffer(b"".join(passages), np.uint8)).reshape(-1, dimension)
    unit = query / (np.linalg.norm(query, axis=1, keepdims=True) + 1e-9) / np.sqrt(dimension)
    # a set bit stands for +1 and an unset one for -1
    cosines = 2 * (bits.astype(np.float32) @ unit.T) - unit.sum(axis=1)
    ends = np.cumsum(tokens)
    parts = zip(ends - tokens, ends, strict=True)
    return [float(cosines[start:end].max(axis=0).mean()) if end > start else 0.0 for start, end in parts]
