"""The engine that runs an adapter as it was trained, with transformers: to try one without exporting it."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chatbot.engines import Engine
from knowledge.errors import NotesError
from knowledge.prompt import Prompt
from knowledge.settings import Settings


class LoraEngine(Engine):
    """A LoRA adapter in safetensors, merged in memory with the base that it names, which lies in `models/`; on a GPU
    where it fits there."""

    name = "lora"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.answer_seconds)
        self._base, self._model = _load(*find(settings))

    def _write(self, prompt: Prompt, max_tokens: int, stop: threading.Event, put: Callable[[str], None]) -> None:
        import torch
        from transformers import StoppingCriteriaList, TextStreamer

        class Pieces(TextStreamer):
            def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
                if text:
                    put(text)

        def stopped(ids: torch.Tensor, scores: object) -> torch.Tensor:
            return torch.full((len(ids),), stop.is_set(), device=ids.device)

        ids = torch.tensor([self._base.prompt_ids(prompt)], device=self._model.device)
        self.prompt_tokens = ids.shape[1]
        end = self._base.tokenizer.eos_token_id
        with torch.no_grad():
            self._model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=max_tokens,
                pad_token_id=end,
                streamer=Pieces(self._base.tokenizer, skip_prompt=True, skip_special_tokens=True),
                stopping_criteria=StoppingCriteriaList([stopped]),
            )


def find(settings: Settings) -> tuple[Path, Path]:
    """The base and the adapter. Raises NotesError where there is no adapter; the base need not be there."""
    from finetune.export import check_format

    inside = settings.adapters / settings.adapter / "adapter"
    adapter = inside if inside.is_dir() else Path(settings.adapter).expanduser()
    try:
        name = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
        base = settings.models / name
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotesError(f"{adapter}: holds no adapter: make one with `askmynotes finetune train`") from error
    check_format(adapter)
    return (base if base.exists() else Path(name)), adapter


def _load(base: Path, adapter: Path) -> tuple[Any, Any]:
    import torch
    from peft import PeftModel
    from safetensors import SafetensorError

    from finetune.base import load_base
    from finetune.device import for_merging

    loaded = load_base(base, torch.float32)
    try:
        adapted: Any = PeftModel.from_pretrained(loaded.model, adapter, local_files_only=True, torch_device="cpu")
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise NotesError(f"{adapter}: is no whole adapter of {base.name} ({reason})") from error
    return loaded, adapted.merge_and_unload().eval().to(for_merging(base).name)
