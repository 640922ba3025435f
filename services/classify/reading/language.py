"""Whether a text is English, cheaply. Answers `unknown` below about twenty letters, which is no reason to be unsure."""

import re
from functools import cache
from typing import Any

ENGLISH = "en"
UNKNOWN = "unknown"
CANDIDATES = (
    "en",
    "de",
    "fr",
    "es",
    "it",
    "nl",
    "pt",
    "pl",
    "sv",
    "da",
    "fi",
    "tr",
    "ru",
    "uk",
    "ar",
    "zh",
    "ja",
    "ko",
    "hi",
)
_FEWEST_LETTERS = 20
_READ = 600
_CERTAIN_SHARE = 0.2
_CERTAIN = 0.9
_FUNCTION_WORDS = re.compile(
    r"\b(?:the|and|you|your|was|were|is|are|not|but|for|with|have|has|had|my|me|it|they|this|that|of|to|i|we|our|no|"
    r"when|what|why|how|from|been|would|will|can|could|on|in|at|a|an|be|so|very|just|don't|didn't|please|thank|thanks)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


def language_of(text: str, declared: str | None = None) -> str:
    """ISO 639-1 code of a clean text. What the sender declared counts unless plain English words contradict."""
    head = text[:_READ]
    letters = sum(map(len, words := _WORD.findall(head)))
    if letters < _FEWEST_LETTERS:
        return UNKNOWN
    if len(_FUNCTION_WORDS.findall(head)) >= _CERTAIN_SHARE * len(words):
        return ENGLISH
    if declared:
        return declared.partition("-")[0].partition("_")[0].lower()
    code, certainty = _identifier().classify(head)
    return str(code) if certainty >= _CERTAIN else UNKNOWN


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # loaded only where a text is not plainly English

    whole = LanguageIdentifier.from_model_file(MODEL_FILE)
    whole.set_languages(list(CANDIDATES))
    # a new one around the part that is used lets 28 MB of other languages go
    tables = (whole.nb_ptc, whole.nb_pc, whole.nb_classes, whole.tk_nextmove, whole.tk_output)
    return LanguageIdentifier(*tables, norm_probs=True, tk_row=whole.tk_row)
