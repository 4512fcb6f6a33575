"""The intent bot: small talk, and an honest "this is none of mine" for everything else.

Bag of words and word pairs over NLTK stems, and a linear classifier. Out of scope is a class of its own, learnt from
the examples labelled None; on top of it stands a confidence threshold, chosen by cross-validation.
"""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from knowledge.errors import NotesError

if TYPE_CHECKING:
    from nltk.stem import PorterStemmer
    from nltk.tokenize import NLTKWordTokenizer

INTENTS_FILE = Path(__file__).resolve().parent.parent / "knowledge" / "intents.yaml"

_OUT_OF_SCOPE = ""
_UNKNOWN = "<unknown>"
_FOLDS = 4


class Prediction(NamedTuple):
    """`intent` is None for what is out of scope; `confidence` is the probability of what was decided."""

    intent: str | None
    confidence: float


class IntentBot:
    """A text classifier that may say that a text is none of its intents."""

    def fit(self, examples: Iterable[tuple[str, str | None]]) -> "IntentBot":
        """Learn from texts with their intents; None marks texts that are out of scope.

        Raises NotesError where there are fewer than two different labels.
        """
        pairs = list(examples)
        texts = [text for text, _ in pairs]
        labels = [intent or _OUT_OF_SCOPE for _, intent in pairs]
        if len(set(labels)) < 2:
            raise NotesError("an intent bot needs examples of at least two intents (None counts as one)")
        self._known, self._common = _vocabularies(texts, labels)
        self._threshold = self._choose_threshold(texts, labels)
        self._vectorizer, self._classifier = self._train(texts, labels)
        return self

    def predict(self, text: str) -> Prediction:
        features = _features(text, self._known)
        probabilities = self._classifier.predict_proba(self._vectorizer.transform([features]))[0]
        intent, confidence = _decide(self._classifier.classes_, probabilities, self._threshold)
        return Prediction(intent or None, confidence)

    def _train(self, texts: Sequence[str], labels: Sequence[str]) -> tuple[Any, Any]:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        vectorizer = TfidfVectorizer(analyzer=lambda document: document, sublinear_tf=True)
        classifier = LogisticRegression(C=20.0, class_weight="balanced", max_iter=2000)
        # each text twice: as it is, and as if the words seen only in it were unknown, as in a new text they will be
        documents = [_features(text, words) for words in (self._known, self._common) for text in texts]
        classifier.fit(vectorizer.fit_transform(documents), [*labels, *labels])
        return vectorizer, classifier

    def _choose_threshold(self, texts: Sequence[str], labels: Sequence[str]) -> float:
        """The confidence below which an intent is not trusted: the best balanced accuracy, in scope against out of
        it, over folds that the classifier was not trained on."""
        import numpy as np

        order = list(range(len(texts)))
        random.Random(0).shuffle(order)
        outcomes: list[tuple[float, bool, bool]] = []  # confidence in the best intent, right intent, in scope
        for fold in range(_FOLDS):
            held_out = order[fold::_FOLDS]
            kept = [index for index in order if index not in set(held_out)]
            if len({labels[index] for index in kept}) < 2 or not held_out:
                return 0.0
            vectorizer, classifier = self._train([texts[i] for i in kept], [labels[i] for i in kept])
            features = vectorizer.transform([_features(texts[i], self._common) for i in held_out])
            for index, row in zip(held_out, classifier.predict_proba(features), strict=True):
                intent, confidence = _decide(classifier.classes_, row, 0.0)
                in_scope = labels[index] != _OUT_OF_SCOPE
                outcomes.append((confidence if intent else 0.0, intent == labels[index], in_scope))
        inside = [(confidence, right) for confidence, right, in_scope in outcomes if in_scope]
        outside = [confidence for confidence, _, in_scope in outcomes if not in_scope]
        if not inside or not outside:
            return 0.0

        def balanced_accuracy(threshold: float) -> float:
            accepted = sum(right and confidence >= threshold for confidence, right in inside) / len(inside)
            return accepted + sum(confidence < threshold for confidence in outside) / len(outside)

        return float(max(np.linspace(0, 0.95, 20), key=balanced_accuracy))


def _decide(classes: Sequence[str], probabilities: Sequence[float], threshold: float) -> tuple[str, float]:
    best = max(range(len(classes)), key=lambda index: probabilities[index])
    if classes[best] == _OUT_OF_SCOPE or probabilities[best] < threshold:
        return _OUT_OF_SCOPE, float(1 - max(p for c, p in zip(classes, probabilities, strict=True) if c))
    return str(classes[best]), float(probabilities[best])


def _vocabularies(texts: Sequence[str], labels: Sequence[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The stems that occur in examples of intents, and those of them that occur in more than one example."""
    counts: Counter[str] = Counter()
    for text, label in zip(texts, labels, strict=True):
        if label != _OUT_OF_SCOPE:
            counts.update(set(tokens(text)))
    return frozenset(counts), frozenset(stem for stem, count in counts.items() if count > 1)


def _features(text: str, vocabulary: frozenset[str]) -> list[str]:
    """Stems and pairs of neighbours; of stems that tell no intent, only how many there are (up to three)."""
    stems = [stem if stem in vocabulary else _UNKNOWN for stem in tokens(text)]
    padded = ["<start>", *stems, "<end>"]
    known = [stem for stem in stems if stem != _UNKNOWN]
    unknown = [f"{_UNKNOWN} {count}" for count in range(1, min(3, len(stems) - len(known)) + 1)]
    return known + unknown + [f"{a} {b}" for a, b in zip(padded, padded[1:], strict=False)]


def tokens(text: str) -> list[str]:
    """Lower-case stems of the words and marks of `text`, by NLTK's word tokenizer and Porter's stemmer."""
    tokenizer, stemmer = _nltk()
    return [stemmer.stem(token) for token in tokenizer.tokenize(text.lower())]


@cache
def _nltk() -> "tuple[NLTKWordTokenizer, PorterStemmer]":
    from nltk.stem import PorterStemmer
    from nltk.tokenize import NLTKWordTokenizer

    return NLTKWordTokenizer(), PorterStemmer()


@dataclass(frozen=True)
class SmallTalk:
    """The intents shipped with the project: their examples, and what to reply."""

    examples: tuple[tuple[str, str | None], ...]
    responses: dict[str, tuple[str, ...]]

    def reply(self, intent: str, turn: int, facts: dict[str, str]) -> str:
        """The response for the `turn`-th reply of a conversation, with `{names}` in it replaced from `facts`."""
        choices = self.responses[intent]
        response = choices[turn % len(choices)]
        for name, value in facts.items():
            response = response.replace("{" + name + "}", value)
        return response


def load_small_talk(path: Path = INTENTS_FILE) -> SmallTalk:
    """Raises NotesError where the file is not `intent: {patterns: [...], responses: [...]}`."""
    import yaml

    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        examples = [
            (str(pattern), None if intent == "none" else intent)
            for intent, entry in entries.items()
            for pattern in entry["patterns"]
        ]
        responses = {
            intent: tuple(map(str, entry["responses"])) for intent, entry in entries.items() if intent != "none"
        }
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise NotesError(f"{path}: is not a file of intents with patterns and responses ({error!r})") from error
    return SmallTalk(tuple(examples), responses)
