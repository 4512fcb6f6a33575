"""A cross-encoder of one's own: it reads the question and a passage together, and gives the passage one figure.

It is slow beside all else that a search does, so only the best few passages are read, and none where it is not set.
"""

from collections.abc import Sequence
from pathlib import Path

from knowledge.encoder import encodable, model_folder
from knowledge.errors import NotesError

_ADVICE = "set reranker to the folder of a cross-encoder, or take it out of config.toml"


def load_reranker(name: str, models: Path) -> "Reranker":
    """The cross-encoder of this name: a folder in `models`, any folder, or a sentence-transformers name that is in this
    machine's cache. Raises NotesError where there is none, or it is none."""
    folder = model_folder(name, models)
    return Reranker(str(folder) if folder.is_dir() else name)


class Reranker:
    """Runs a cross-encoder with sentence-transformers."""

    def __init__(self, model: str) -> None:
        from sentence_transformers import CrossEncoder
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        try:
            self._model = CrossEncoder(
                model, device="cpu", local_files_only=True, model_kwargs={"use_safetensors": True}
            )
        except Exception as error:  # what damaged files raise is as manifold as the libraries that read them
            if not Path(model).is_dir():
                raise NotesError(f"the reranker {model!r} is not on this machine: {_ADVICE}") from error
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise NotesError(f"{model}: the reranker cannot be loaded ({reason}): {_ADVICE}") from error
        config = getattr(self._model.model, "config", None)
        made_as = str((getattr(config, "architectures", None) or ["nothing"])[0])
        # any other model would be given a last layer of random numbers
        if self._model.num_labels != 1 or not made_as.endswith(("ForSequenceClassification", "ForCausalLM")):
            raise NotesError(f"{model}: is no reranker, which gives one figure to a question and a passage: {_ADVICE}")

    def figures(self, question: str, passages: Sequence[str]) -> list[float]:
        """How well each passage answers the question, between 0 and 1."""
        import torch

        pairs = [(encodable(question), encodable(passage)) for passage in passages]
        return self._model.predict(pairs, activation_fn=torch.nn.Sigmoid(), show_progress_bar=False).tolist()
