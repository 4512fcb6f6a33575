"""The intent bot on CLINC150: fitted on the training part, scored on the validation part. The test part is not here.

Published figures are on the test part (Larson et al. 2019, https://aclanthology.org/D19-1131).
"""

import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from chatbot.intents import IntentBot
from knowledge.encoder import Encoder, encoder_name, load_encoder
from knowledge.settings import DEFAULT_EMBEDDING_MODEL
from tests.benchmarks.speed import seconds

PUBLISHED = "SVM 91.0/14.5, MLP 93.5/47.4, Rasa 91.5/45.3, BERT 96.9/40.3 (96.2/52.3 with a threshold)"


class _Timed:
    """An encoder that keeps how many seconds it took in all."""

    def __init__(self, encoder):
        self._encoder, self.seconds = encoder, 0.0

    def encode(self, texts):
        started = time.perf_counter()
        vectors = self._encoder.encode(texts)
        self.seconds += time.perf_counter() - started
        return vectors


class _NoEncoder:
    """Stands for an encoder that is not there: no columns."""

    def encode(self, texts):
        import numpy as np

        return np.zeros((len(texts), 0), dtype=np.float32)


def clinc(data: Path, models: Path) -> Iterator[str]:
    parts = json.loads((data / "clinc150_train_val.json").read_text(encoding="utf-8"))
    train = _examples(parts["train"]) + _examples(parts["oos_train"])
    baseline = seconds(lambda: _logistic_regression(train))
    yield f"published, test part, in-scope accuracy / out-of-scope recall: {PUBLISHED}"
    encoder = load_encoder(encoder_name(DEFAULT_EMBEDDING_MODEL, models), models)
    for name, used in (("words alone", _NoEncoder()), ("with the embedding", encoder)):
        yield _score(name, used, train, parts, baseline)


def _score(name: str, encoder: Encoder, train: list, parts: dict, baseline: float) -> str:
    timed = _Timed(encoder)
    bot = IntentBot(timed)
    whole = seconds(lambda: bot.fit(train))
    embedding = timed.seconds
    fit = whole - embedding
    inside, outside = _examples(parts["val"]), _examples(parts["oos_val"])
    accuracy = sum(bot.predict(text).intent == intent for text, intent in inside) / len(inside)
    recall = sum(bot.predict(text).intent is None for text, _ in outside) / len(outside)
    one = statistics.median(seconds(lambda text=text: bot.predict(text)) for text, _ in inside[:200])
    return (
        f"{name}, validation part: {100 * accuracy:.1f}/{100 * recall:.1f}; fit {fit / baseline:.2f} x "
        f"LogisticRegression on tf-idf ({fit:.1f} s, {baseline:.1f} s) and {embedding:.1f} s for the embedding; "
        f"median predict {1000 * one:.1f} ms"
    )


def _examples(part: list) -> list[tuple[str, str | None]]:
    return [(text, None if intent == "oos" else intent) for text, intent in part]


def _logistic_regression(train: list) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectors = TfidfVectorizer().fit_transform(text for text, _ in train)
    LogisticRegression(max_iter=1000).fit(vectors, [intent or "" for _, intent in train])
