"""The classifier beside VADER, TextBlob and a plain TF-IDF with logistic regression, on the same texts in one run.

Texts per CPU second in one thread, of all heads with themes and evidence where the others give a feeling alone; how
often the feeling is right; and the memory of a process that tags. Real texts where they are on the machine.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from textblob import TextBlob
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from services.classify.loading import load_tagger
from services.classify.tagging.tagger import Tagger, TagInput
from services.classify.training.corpus import Example, read_corpus
from services.classify.training.realtexts import REAL, RealText, read_real
from tests.bench.figures import Figure, median
from tests.system.product import ROOT

POLICY = ROOT / "deploy" / "policy"
LIVE_BATCH, IMPORT_BATCH = 32, 256
ROUNDS = 3
VADER_NEUTRAL, TEXTBLOB_NEUTRAL = 0.05, 0.0
"""Up to which polarity a text is neutral: what VADER's authors say, and what serves TextBlob best."""
FAST_FLOOR, CASCADE_FLOOR = 1_200, 100
FAST_GB, CASCADE_GB = 0.4, 0.6

Feelings = Callable[[Sequence[str]], Sequence[str]]

_PROCESS = """
import sys
import psutil
from pathlib import Path
from services.classify.loading import load_tagger
from services.classify.tagging.tagger import TagInput
tagger = load_tagger(Path(sys.argv[1]), full=sys.argv[2] == "cascade")
texts = [f"Parcel {n} never came, nobody answers the phone and I was charged twice for it." for n in range(512)]
for start in range(0, len(texts), 32):
    tagger.tag([TagInput(text=text) for text in texts[start : start + 32]])
print(psutil.Process().memory_info().rss)
"""


def measure(folder: Path, cache: Path) -> Iterator[Figure]:
    """Rates, accuracies and memory, as they are and as ratios."""
    labelled, origin = _labelled()
    texts = [example.text for example in labelled]
    fast, cascade = _ours(load_tagger(POLICY, full=False), IMPORT_BATCH), _ours(load_tagger(POLICY), LIVE_BATCH)
    readers = {
        "fast path": fast,
        "cascade": cascade,
        "VADER": _vader(),
        "TextBlob": _textblob,
        "TF-IDF + logistic regression": _tfidf(read_corpus()),
    }
    rates, right = {}, {}
    for name, read in readers.items():
        rates[name], said = _timed(read, texts, rounds=1 if name == "cascade" else ROUNDS)
        right[name] = sum(feeling == x.sentiment for feeling, x in zip(said, labelled, strict=True)) / len(labelled)
    floors = {"fast path": FAST_FLOOR, "cascade": CASCADE_FLOOR}
    for name, rate in rates.items():
        floor = floors.get(name)
        aim, reached = (f"at least {floor:,}", rate >= floor) if floor else ("", None)
        yield Figure(f"{name}, one thread", rate, "texts/s", aim, reached)
    for ours in ("fast path", "cascade"):
        for other in ("VADER", "TextBlob", "TF-IDF + logistic regression"):
            yield Figure(f"rate of the {ours} ÷ {other}", rates[ours] / rates[other], "")
    for name, share in right.items():
        yield Figure(f"sentiment right, {name}", share, "", f"{len(labelled)} {origin}")
    for ours in ("fast path", "cascade"):
        for other in ("VADER", "TextBlob", "TF-IDF + logistic regression"):
            ratio = right[ours] / right[other]
            yield Figure(f"sentiment right, {ours} ÷ {other}", ratio, "", "above 1", ratio > 1)
    for path, limit in (("fast", FAST_GB), ("cascade", CASCADE_GB)):
        gigabytes = _memory(path)
        yield Figure(f"memory of a process, {path}", gigabytes, "GB", f"at most {limit}", gigabytes <= limit)


def _labelled() -> tuple[Sequence[RealText] | Sequence[Example], str]:
    """Texts with their feelings, and what they are."""
    if REAL.is_file():
        return read_real(), "real texts"
    return read_corpus()[::10], "texts of the corpus, which the classifier and TF-IDF learnt from"


def _ours(tagger: Tagger, batch: int) -> Feelings:
    def read(texts: Sequence[str]) -> list[str]:
        inputs = [TagInput(text=text) for text in texts]
        return [tags.sentiment for at in range(0, len(inputs), batch) for tags in tagger.tag(inputs[at : at + batch])]

    return read


def _vader() -> Feelings:
    analyzer = SentimentIntensityAnalyzer()
    return lambda texts: [_by_polarity(analyzer.polarity_scores(text)["compound"], VADER_NEUTRAL) for text in texts]


def _textblob(texts: Sequence[str]) -> list[str]:
    return [_by_polarity(TextBlob(text).sentiment.polarity, TEXTBLOB_NEUTRAL) for text in texts]


def _tfidf(examples: Sequence[Example]) -> Feelings:
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True), LogisticRegression(C=10, max_iter=1000)
    )
    model.fit([example.text for example in examples], [example.sentiment for example in examples])
    return lambda texts: list(model.predict(texts))


def _by_polarity(polarity: float, neutral: float) -> str:
    if abs(polarity) <= neutral:
        return "neutral"
    return "positive" if polarity > 0 else "negative"


def _timed(read: Feelings, texts: Sequence[str], *, rounds: int) -> tuple[float, Sequence[str]]:
    """Texts per CPU second, the middle of some rounds, after a first one on a part; and what was said."""
    read(texts[:64])
    rates = []
    for _ in range(rounds):
        began = time.process_time()
        said = read(texts)
        rates.append(len(texts) / (time.process_time() - began))
    return median(rates), said


def _memory(path: str) -> float:
    """Resident gigabytes of a process of its own that loaded the tagger and tagged."""
    done = subprocess.run(
        [sys.executable, "-c", _PROCESS, str(POLICY), path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return int(done.stdout) / 1e9
