"""The intent bot: small talk, and an honest "this is none of mine" for everything else.

Tf-idf of stems, pairs of stems and letters, reduced by a truncated SVD (latent semantic analysis), beside the sentence
embedding where an encoder is at hand; a logistic regression over them. A second, tiny one decides whether a text is in
scope at all, from how much the first one makes of the text and how near the nearest example is. It is fitted, and its
threshold chosen, on predictions for examples that the classifier had not seen.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from knowledge.errors import NotesError
from knowledge.stemming import stem, tokenizer

if TYPE_CHECKING:
    import numpy as np

    from knowledge.encoder import Encoder

INTENTS_FILE = Path(__file__).resolve().parent.parent / "knowledge" / "intents.yaml"

_OUT_OF_SCOPE = ""
_UNKNOWN = "<unknown>"
_FOLDS = 4
#: The share of in-scope examples that may be given up to turn away more of what is out of scope.
_GIVEN_UP = 0.005
#: Where both kinds of error weigh the same; no threshold is moved beyond it for the sake of fewer errors.
_EVEN = 0.5
#: With fewer examples out of scope than this, whole labels are hidden from the classifier as stand-ins for them.
_FEW = 20
_LABELS_TO_HIDE = 8
_DIMENSIONS = 400
#: How the logistic regression is fitted: examples in a step; at least so many passes over all, and at least so many
#: steps; how far the first steps go; and how little large weights are held back.
_BATCH = 256
_PASSES = 10
_STEPS = 600
_RATE = 0.1
_C = 30.0
#: Of a longer text only the beginning is looked at, in characters.
_LONGEST = 2000


class Prediction(NamedTuple):
    """`intent` is None for what is out of scope; `confidence` is the probability of what was decided."""

    intent: str | None
    confidence: float


class IntentBot:
    """A text classifier that may say that a text is none of its intents.

    `encoder` gives the sentence embeddings. Without one, the embedding model installed in the default home folder is
    used; where there is none, the bot works from words alone.
    """

    def __init__(self, encoder: "Encoder | None" = None) -> None:
        self._encoder = encoder or _installed_encoder()

    def fit(self, examples: Iterable[tuple[str, str | None]]) -> "IntentBot":
        """Learn from texts with their intents; None marks texts that are out of scope.

        Raises NotesError where there are fewer than two different labels, or none but None.
        """
        import numpy as np
        import scipy.linalg  # noqa: F401  has threads of its own, and the limit below holds for what is loaded
        from threadpoolctl import threadpool_limits

        pairs = list(examples)
        labels = np.array([intent or _OUT_OF_SCOPE for _, intent in pairs])
        if len(set(labels)) < 2:
            raise NotesError("an intent bot needs examples of at least two intents (None counts as one)")
        texts = [text[:_LONGEST] for text, _ in pairs]
        embeddings = self._embed(texts)
        # the matrices are small: where another program is at work, threads wait for each other most of the time
        with threadpool_limits(1, "blas"):
            self._words = _Words()
            vectors = np.hstack([self._words.fit(texts, labels), embeddings])
            self._classifier = _Classifier(vectors, labels)
            self._gate = _fit_gate(vectors, labels)
        return self

    def predict(self, text: str) -> Prediction:
        """The intent of a text, or that it has none."""
        import numpy as np

        texts = [text[:_LONGEST]]
        views = self._classifier.look(np.hstack([self._words.transform(texts), self._embed(texts)]))
        inside = float(self._gate.probabilities(views)[0])
        if inside < self._gate.threshold:
            return Prediction(None, 1 - inside)
        return Prediction(str(views.labels[0]), inside * float(views.shares[0]))

    def _embed(self, texts: Sequence[str]) -> "np.ndarray":
        import numpy as np

        return np.zeros((len(texts), 0), dtype=np.float32) if self._encoder is None else self._encoder.encode(texts)


def _installed_encoder() -> "Encoder | None":
    from knowledge.encoder import encoder_name, load_encoder
    from knowledge.settings import DEFAULT_EMBEDDING_MODEL, load_settings

    try:
        models = load_settings().models
        return load_encoder(encoder_name(DEFAULT_EMBEDDING_MODEL, models), models)
    except NotesError:
        return None


# -- classifying -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Views:
    """What a classifier makes of n texts: the best intent, its share among the intents, and the signals of scope."""

    labels: "np.ndarray"
    shares: "np.ndarray"
    signals: "np.ndarray"  # (n, 4)


class _Classifier:
    """A logistic regression over vectors, and the examples themselves for how near the nearest is."""

    def __init__(self, vectors: "np.ndarray", labels: "np.ndarray") -> None:
        import numpy as np

        self._labels, which = np.unique(labels, return_inverse=True)
        self._weights = _fit_softmax(vectors, which)
        unit = _unit(vectors)
        self._examples = {label: unit[labels == label] for label in self._labels}

    def look(self, vectors: "np.ndarray") -> _Views:
        import numpy as np
        from scipy.special import logsumexp

        logits = vectors @ self._weights[:-1] + self._weights[-1]
        inner = self._labels != _OUT_OF_SCOPE
        mass = logsumexp(logits[:, inner], axis=1)
        best = logits[:, inner].argmax(axis=1)
        labels = self._labels[inner][best]
        outer = logits[:, ~inner].sum(axis=1)  # one column, or none
        unit = _unit(vectors)
        near = np.zeros(len(vectors))
        for label in set(labels):
            rows = labels == label
            near[rows] = (unit[rows] @ self._examples[label].T).max(axis=1)
        outside = self._examples.get(_OUT_OF_SCOPE)
        near_outside = np.zeros(len(vectors)) if outside is None else (unit @ outside.T).max(axis=1)
        shares = np.exp(logits[:, inner].max(axis=1) - mass)
        return _Views(labels, shares, np.stack([mass, outer, near, near_outside], axis=1))


def _fit_softmax(vectors: "np.ndarray", which: "np.ndarray") -> "np.ndarray":
    """The weights of a multinomial logistic regression, the intercepts as the last row; all labels weigh the same.

    Adam (https://arxiv.org/abs/1412.6980) with a falling rate, and without its correction of the first steps. On 15,100
    examples of 151 labels it is as right as scikit-learn's LogisticRegression, in a seventh of the time
    (tests/benchmarks/README.md).
    """
    import numpy as np
    from scipy.special import softmax

    rows = np.hstack([vectors, np.ones((len(vectors), 1), dtype=np.float32)])
    truth = np.eye(which.max() + 1, dtype=np.float32)[which]
    importance = (1 / (truth.mean(axis=0) * truth.shape[1]))[which, None]
    weights = np.zeros((rows.shape[1], truth.shape[1]), dtype=np.float32)
    mean, square = np.zeros_like(weights), np.zeros_like(weights)
    batches = _batches(len(rows))
    for step, batch in enumerate(batches):
        errors = importance[batch] * (softmax(rows[batch] @ weights, axis=1) - truth[batch])
        gradient = rows[batch].T @ errors / len(batch) + weights / (_C * len(rows))
        mean += (gradient - mean) / 10
        square += (gradient**2 - square) / 100
        weights -= _RATE * (1 - step / len(batches)) * mean / (np.sqrt(square) + 1e-8)
    return weights


def _batches(examples: int) -> "list[np.ndarray]":
    """The rows of each step: all examples once in each pass, in another order."""
    import numpy as np

    random = np.random.default_rng(0)
    splits = -(-examples // _BATCH)
    passes = max(_PASSES, _STEPS // splits)
    return [batch for _ in range(passes) for batch in np.array_split(random.permutation(examples), splits)]


def _unit(vectors: "np.ndarray") -> "np.ndarray":
    import numpy as np

    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


# -- in scope or not ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Gate:
    """Lets through what is in scope. Without a model, as there was nothing to learn it from, the classifier decides."""

    model: Any = None
    threshold: float = _EVEN

    def probabilities(self, views: _Views) -> "np.ndarray":
        """How probable it is that each text is in scope."""
        from scipy.special import expit

        if self.model is None:
            return expit(views.signals[:, 0] - views.signals[:, 1])
        return self.model.predict_proba(views.signals)[:, 1]


def _fit_gate(vectors: "np.ndarray", labels: "np.ndarray") -> _Gate:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    stand_ins = _hidden_labels(labels)
    views, truth = _unseen(vectors, labels, stand_ins)
    inside = truth != _OUT_OF_SCOPE
    if inside.all() or not inside.any():
        return _Gate()
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    gate = _Gate(model.fit(views.signals, inside))
    probabilities = gate.probabilities(views)
    right, outside = probabilities[views.labels == truth], probabilities[~inside]
    threshold = _giving_up(right, int(_GIVEN_UP * inside.sum()))
    if not stand_ins:  # they are as many as the folds made them
        threshold = max(threshold, min(_EVEN, _fewest_errors(right, outside)))
    return _Gate(model, threshold)


def _hidden_labels(labels: "np.ndarray") -> list[list[str]]:
    """Labels to hide in each fold, as stand-ins for what is out of scope where few such examples were given."""
    intents = sorted(set(labels) - {_OUT_OF_SCOPE})
    if (labels == _OUT_OF_SCOPE).sum() >= _FEW or len(intents) < _LABELS_TO_HIDE:
        return []
    return [intents[fold::_FOLDS] for fold in range(_FOLDS)]


def _unseen(
    vectors: "np.ndarray", labels: "np.ndarray", stand_ins: Sequence[Sequence[str]]
) -> tuple[_Views, "np.ndarray"]:
    """The views of examples by classifiers that were not fitted on them, and their true labels."""
    import numpy as np

    folds = _folds(labels)
    none = np.array([], dtype=labels.dtype)
    seen: list[tuple[_Views, np.ndarray]] = [(_Views(none, np.zeros(0), np.zeros((0, 4))), none)]
    for fold in range(_FOLDS):
        hidden = np.isin(labels, stand_ins[fold] if stand_ins else [])
        asked, kept = folds == fold, (folds != fold) & ~hidden
        if asked.any() and len(set(labels[kept])) > 1:
            views = _Classifier(vectors[kept], labels[kept]).look(vectors[asked])
            seen.append((views, np.where(hidden, _OUT_OF_SCOPE, labels)[asked]))
    parts = zip(*((views.labels, views.shares, views.signals, truth) for views, truth in seen), strict=True)
    labels, shares, signals, truth = (np.concatenate(part) for part in parts)
    return _Views(labels, shares, signals), truth


def _folds(labels: "np.ndarray") -> "np.ndarray":
    """A fold for each example: a stretch of its label's examples in the order given. People write like ones in a row,
    so that drawing at random would test on near copies of what was trained on."""
    import numpy as np

    folds = np.zeros(len(labels), dtype=int)
    for label in set(labels):
        rows = np.flatnonzero(labels == label)
        folds[rows] = np.arange(len(rows)) * _FOLDS // len(rows)
    return folds


def _giving_up(right: "np.ndarray", most: int) -> float:
    """The highest threshold that turns away at most so many of the rightly classified."""
    return float(sorted(right)[most]) if most < len(right) else _EVEN


def _fewest_errors(right: "np.ndarray", outside: "np.ndarray") -> float:
    """The threshold at which fewest examples are turned away or let through wrongly."""
    import numpy as np

    candidates = np.unique(np.concatenate([right, outside]))
    turned_away = np.searchsorted(np.sort(right), candidates)
    let_through = len(outside) - np.searchsorted(np.sort(outside), candidates)
    return float(candidates[(turned_away + let_through).argmin()])


# -- words -------------------------------------------------------------------------------------------------------------


class _Words:
    """Dense vectors of the words and letters of texts."""

    def fit(self, texts: Sequence[str], labels: "np.ndarray") -> "np.ndarray":
        """Learn the vocabulary, its weights and the reduction; returns the vectors of the texts."""
        import numpy as np
        from scipy.sparse import hstack
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        stems = [tokens(text) for text in texts]
        self._counts = Counter(
            stem
            for of_text, label in zip(stems, labels, strict=True)
            if label != _OUT_OF_SCOPE
            for stem in set(of_text)
        )
        rare = 2 if len(texts) > 1000 else 1
        options: dict[str, Any] = {"sublinear_tf": True, "min_df": rare, "dtype": np.float32}
        self._stems = TfidfVectorizer(analyzer=self._grams, **options)
        self._letters = TfidfVectorizer(analyzer=_letters, **options)
        weights = hstack([self._stems.fit_transform(stems), self._letters.fit_transform(texts)], format="csr")
        self._reduction: np.ndarray | None = None
        if min(weights.shape) > _DIMENSIONS:
            components = TruncatedSVD(_DIMENSIONS, n_iter=1, random_state=0).fit(weights).components_
            self._reduction = np.ascontiguousarray(components.T)  # as scipy would copy it for each product
        return self._reduce(weights)

    def transform(self, texts: Sequence[str]) -> "np.ndarray":
        """Vectors of shape (len(texts), dimensions), float32."""
        from scipy.sparse import hstack

        stems = [tokens(text) for text in texts]
        return self._reduce(hstack([self._stems.transform(stems), self._letters.transform(texts)], format="csr"))

    def _reduce(self, weights: Any) -> "np.ndarray":
        return weights.toarray() if self._reduction is None else weights @ self._reduction

    def _grams(self, stems: list[str]) -> list[str]:
        """Stems and pairs of neighbours. A stem that stands in no other example of an intent also counts as unknown,
        as the strange words of a new text will."""
        shown = ["<start>", *(stem if self._counts[stem] > 1 else _UNKNOWN for stem in stems), "<end>"]
        known = [stem for stem in stems if stem in self._counts]
        unknown = [_UNKNOWN] * shown.count(_UNKNOWN)
        return known + unknown + [f"{a} {b}" for a, b in zip(shown, shown[1:], strict=False)]


def _letters(text: str) -> list[str]:
    """Runs of three and four letters within words."""
    words = [f" {word} " for word in text.lower().split()]
    return [word[i : i + n] for word in words for n in (3, 4) for i in range(len(word) - n + 1)] or [""]


def tokens(text: str) -> list[str]:
    """Lower-case stems of the words and marks of `text`, by NLTK's word tokenizer and Porter's stemmer."""
    return [stem(token) for token in tokenizer().tokenize(text.lower())]


@dataclass(frozen=True, eq=False)
class SmallTalk:
    """The intents shipped with the project: their examples, and what to reply."""

    examples: tuple[tuple[str, str | None], ...]
    responses: dict[str, tuple[str, ...]]

    @cache  # noqa: B019  it lives as long as the program
    def words(self, intent: str) -> frozenset[str]:
        """The stems in the examples of an intent."""
        return frozenset(token for text, label in self.examples if label == intent for token in tokens(text))

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
