"""Texts in, tags out: the whole classifier as one pure object. Knows no Kafka, no files.

What is decided here: which label, how sure, and whether to rather not say. How probable each label is, `model` says;
which texts get the slow look, `cascade`; which words earned a label, `evidence`.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Protocol, cast, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.classify.model.cascade import Cascade, together
from services.classify.model.probabilities import Model, PathName, probabilities
from services.classify.reading.features import Featuriser, Floats
from services.classify.reading.language import ENGLISH, language_of
from services.classify.reading.language import UNKNOWN as NO_LANGUAGE
from services.classify.reading.lexicon import Hit, Lexicon
from services.classify.reading.phrases import Phrase, digest_of, sequences_of
from services.classify.reading.text import Clean, clean
from services.classify.reading.tokens import Stems, Tokenizer
from services.classify.tagging.doubt import Reason, doubts
from services.classify.tagging.evidence import Decided, Evidencer, Reading
from services.classify.tagging.likeness import Alike, ThemeExamples
from services.classify.tagging.passages import Passage, Passages
from services.classify.tagging.ratings import favour, sentiment_of
from services.classify.tagging.retiring import Retirement
from services.classify.tagging.severity import severity_of
from services.classify.tagging.themes import MOST_THEMES, Themes, silent_kind
from services.classify.taxonomy.labels import UNKNOWN, Taxonomy, Theme
from services.contracts.events import AreaTag, Author, Evidence, Intent, Rating, Sentiment, Tags, Unsure, Versions

MOST_AREAS = 3
MOST_SECONDARY = 2
_SECONDARY_FROM = 0.2
_FEWEST_WORDS = 2
_OWN_WORK_FAVOUR = 3.0
_SAID_OWN_WORK_FAVOUR = 60.0
_BATCH = 256
_NOTHING_TOLD = 0.25
_SENTIMENTS: tuple[Sentiment, ...] = get_args(Sentiment)


class TagInput(msgspec.Struct, frozen=True):
    """What tagging looks at. `further` are texts of answers: they count, but no evidence points into them. `hurry`:
    one of many that were imported; it takes the fast path."""

    text: str | None = None
    rating: Rating | None = None
    language: str | None = None
    author: Author = "customer"
    further: tuple[str, ...] = ()
    hurry: bool = False


class Encoder(Protocol):
    """Texts -> vectors of length 1, texts × width."""

    def encode(self, texts: Sequence[str]) -> Floats:
        """The vectors, in the order of the texts."""
        ...


class Tagger:
    """Tags batches. Not thread-safe; give each thread its own. Without a `full` encoder all take the fast path."""

    def __init__(
        self,
        model: Model,
        phrases: Sequence[Phrase],
        taxonomy: Taxonomy,
        *,
        static: Encoder,
        full: Encoder | None = None,
        cascade: Cascade | None = None,
    ) -> None:
        stems = stems_of(phrases, model.vocabulary.ngrams)
        self.versions = Versions(model=model.version, taxonomy=taxonomy.version, lexicon=digest_of(phrases))
        self.model = model
        self.taxonomy = taxonomy
        self.phrases = phrases
        self._static = static
        self._full = full
        self._cascade = cascade or Cascade()
        self._tokenizer = Tokenizer(stems)
        self._lexicon = Lexicon(phrases, stems)
        self._featuriser = Featuriser(model.vocabulary, stems, self._lexicon, taxonomy)
        self._evidencer = Evidencer(model, self._lexicon, stems, taxonomy)
        self._retirement = Retirement(model, taxonomy)
        self._themes = Themes(model, self._lexicon, taxonomy)
        self._passages = Passages(model.themes, static.encode)
        self._theme_examples = ThemeExamples(taxonomy, static.encode, model.fast.near)
        self._sentiment_order = [model.head("sentiment").labels.index(name) for name in _SENTIMENTS]

    def tag(self, batch: Sequence[TagInput]) -> list[Tags]:
        """Tags in the order of the inputs. Never raises for what is in a text."""
        results: list[Tags | None] = [None] * len(batch)
        places = []
        for place, item in enumerate(batch):
            if (item.text and not item.text.isspace()) or item.further:
                places.append(place)
            else:
                results[place] = self._without_text(item)
        for begin in range(0, len(places), _BATCH):
            part = places[begin : begin + _BATCH]
            for place, tags in zip(part, self._with_text([batch[p] for p in part]), strict=True):
                results[place] = tags
        return cast(list[Tags], results)

    @property
    def has_full(self) -> bool:
        """Whether it can take the slow look."""
        return self._full is not None

    def vectors(self, texts: Sequence[str], path: PathName) -> Floats:
        """Dense vectors of texts for a path. Raises LookupError for the full path of a tagger that has none."""
        encoder = self._static if path == "fast" else self._full
        if encoder is None:
            raise LookupError("this tagger was made without MiniLM")
        return encoder.encode([clean(text).text for text in texts])

    def with_model(self, model: Model) -> "Tagger":
        """A tagger with another model and the same phrases, taxonomy and encoders."""
        return Tagger(model, self.phrases, self.taxonomy, static=self._static, full=self._full, cascade=self._cascade)

    def read(self, texts: Sequence[str]) -> Reading:
        """Texts as the model sees them."""
        cleaned = [clean(text) for text in texts]
        tokens = self._tokenizer.read([c.text for c in cleaned])
        hits = self._lexicon.find(tokens)
        return Reading(cleaned, tokens, hits, self._featuriser(tokens, hits))

    def _with_text(self, batch: Sequence[TagInput]) -> list[Tags]:
        reading = self.read(["\n\n".join([item.text or "", *item.further]) for item in batch])
        chances, paths = self._chances(reading, [item.hurry for item in batch])
        words = np.bincount(reading.tokens.doc[reading.tokens.stem > 0], minlength=len(batch))
        _nothing_told(chances, self.model, words == 0)
        chances["sentiment"] = favour(
            chances["sentiment"][:, self._sentiment_order], [item.rating for item in batch], _SENTIMENTS
        )
        hits: dict[int, list[Hit]] = defaultdict(list)
        for hit in reading.hits:
            if not hit.negated and self._lexicon.labels[hit.label][0] in {"theme", "severity_kind"}:
                hits[hit.doc].append(hit)
        own_work = {doc for doc, found in hits.items() if any(self._themes.is_own_work(hit) for hit in found)}
        _favour_own_work(chances["stage"], self.model.head("stage").labels.index(UNKNOWN), batch, own_work)
        orphaned = self._retirement(chances)
        alike = self._theme_examples.find([c.text for c in reading.texts])
        drafts = []
        for doc, item in enumerate(batch):
            language = language_of(reading.texts[doc].text, item.language)
            row = {head: chances[head][doc] for head in chances}
            gone = [head for head, found in orphaned.items() if found[doc]]
            tags, decided = self._decided(
                item, row, path=paths[doc], hits=hits[doc], words=int(words[doc]), language=language, gone=gone
            )
            drafts.append((self._with_alike(tags, alike[doc], item, reading.texts[doc]), decided))
        evidence = self._evidence(reading, [decided for _, decided in drafts])
        return [
            msgspec.structs.replace(
                tags, evidence=tuple(e for e in (*found, *tags.evidence) if e.end <= len(item.text or ""))
            )
            for (tags, _), found, item in zip(drafts, evidence, batch, strict=True)
        ]

    def _evidence(self, reading: Reading, decided: Sequence[Decided]) -> list[tuple[Evidence, ...]]:
        """The words that earned each label; for a theme that no phrase found, the passage that tells of it."""
        found = self._evidencer(reading, decided)
        wanted = [[told.theme for told in one.themes if told.hit is None] for one in decided]
        passages = self._passages.find([c.text for c in reading.texts], wanted)
        return [
            (*spans, *(_passage(p, read) for p in told))
            for spans, told, read in zip(found, passages, reading.texts, strict=True)
        ]

    def _with_alike(self, tags: Tags, alike: Sequence[Alike], item: TagInput, read: Clean) -> Tags:
        """Tags with the themes that sentences are like, after those that phrases found, and with these sentences."""
        if not alike:
            return tags
        silent = silent_kind(tags.sentiment, tags.sentiment_confidence)
        own_work = tags.stage == UNKNOWN or item.author == "employee"
        room = MOST_THEMES - len(tags.themes)
        added = [
            found
            for found in alike
            if found.theme not in tags.themes and self._themes.is_meant(found.theme, silent=silent, own_work=own_work)
        ][:room]
        spans = [(found, *read.stored(found.start, found.end)) for found in added]
        return msgspec.structs.replace(
            tags,
            themes=(*tags.themes, *(found.theme for found in added)),
            evidence=tuple(
                Evidence(head="theme", label=found.theme, start=start, end=end, like=found.example)
                for found, start, end in spans
            ),
        )

    def _chances(self, reading: Reading, hurry: Sequence[bool]) -> tuple[dict[str, Floats], list[PathName]]:
        """Probabilities per head, by the path that each text took."""
        texts = [c.text for c in reading.texts]
        chances = probabilities(self.model, reading.features, self._static.encode(texts), "fast")
        paths: list[PathName] = ["fast"] * len(texts)
        if self._full is None:
            return chances, paths
        places = self._cascade.least_sure(chances["stage"].max(axis=1), chances["areas"].max(axis=1), hurry)
        if places:
            part = reading.features.of(places)
            slow = probabilities(self.model, part, self._full.encode([texts[p] for p in places]), "full")
            for head, rows in slow.items():
                # the judge of themes learnt what to make of the full path alone
                chances[head][places] = rows if head == "themes" else together(chances[head][places], rows)
            for place in places:
                paths[place] = "full"
        return chances, paths

    def _decided(
        self,
        item: TagInput,
        chances: dict[str, Floats],
        *,
        path: PathName,
        hits: Sequence[Hit],
        words: int,
        language: str,
        gone: Collection[str],
    ) -> tuple[Tags, Decided]:
        """`gone`: heads of which the most probable label is retired, without successor."""
        model = self.model
        stage_head, area_head = model.head("stage"), model.head("areas")
        order = np.argsort(-chances["stage"])
        stage, stage_confidence = stage_head.labels[order[0]], float(chances["stage"][order[0]])
        secondary = tuple(
            stage_head.labels[n]
            for n in order[1 : MOST_SECONDARY + 1]
            if chances["stage"][n] >= _SECONDARY_FROM and stage_head.labels[n] != UNKNOWN
        )
        areas = _areas(area_head.labels, chances["areas"], model.area_from)
        feeling = int(chances["sentiment"].argmax())
        sentiment, sentiment_confidence = _SENTIMENTS[feeling], float(chances["sentiment"][feeling])
        intent_head = model.head("intent")
        wish = int(chances["intent"].argmax())
        named = [label for head, label, _ in (self._lexicon.labels[hit.label] for hit in hits) if head != "theme"]
        kind, severity, severity_confidence = severity_of(model, chances, named, sentiment)
        silent = silent_kind(sentiment, sentiment_confidence)
        own_work = stage == UNKNOWN or item.author == "employee"
        themes = self._themes.chosen(
            hits, chances, stage=stage, areas=[a.area for a in areas], silent=silent, own_work=own_work
        )
        lead = self.taxonomy.theme[themes[0].theme] if themes and themes[0].hit is not None else None
        sure = {
            "stage": stage_confidence,
            "areas": areas[0].confidence,
            "sentiment": sentiment_confidence,
            "intent": float(chances["intent"][wish]),
            "severity": severity_confidence,
        }
        # a theme that people wrote phrases for, in the very place where the model looks, is a second witness
        places = {"stage": stage, "areas": areas[0].area}
        witnessed = {head for head, label in places.items() if lead is not None and _place(lead, head) == label}
        unsure = doubts(
            sure,
            self.taxonomy,
            witnessed=witnessed,
            retired=gone,
            short=words < _FEWEST_WORDS,
            foreign=language not in {ENGLISH, NO_LANGUAGE},
            contradicted=item.rating is not None and sentiment_of(item.rating) != sentiment,
        )
        tags = Tags(
            stage=stage,
            stage_confidence=_rounded(stage_confidence),
            secondary=secondary,
            areas=areas,
            themes=tuple(told.theme for told in themes),
            sentiment=sentiment,
            sentiment_confidence=_rounded(sentiment_confidence),
            intent=cast(Intent, intent_head.labels[wish]),
            intent_confidence=_rounded(sure["intent"]),
            severity=severity,
            severity_confidence=_rounded(severity_confidence),
            severity_kind=kind,
            status="unsure" if any(u.head in {"stage", "areas"} for u in unsure) else "tagged",
            unsure=unsure,
            versions=self.versions,
            path=path,
        )
        labels = {
            "stage": (stage,),
            "areas": tuple(a.area for a in areas),
            "sentiment": (sentiment,),
            "intent": (tags.intent,),
            "severity": (str(severity),) if severity else (),
            "severity_kind": (kind,) if kind else (),
        }
        return tags, Decided(labels, themes, path)

    def _without_text(self, item: TagInput) -> Tags:
        """A bare rating is tagged from the rating: nobody who looked at it could say more. Nothing at all is unsure."""
        rated = item.rating is not None
        sentiment: Sentiment = sentiment_of(item.rating) if item.rating is not None else "neutral"
        reason = Reason.RATING_ONLY if rated else Reason.NO_TEXT
        return Tags(
            stage=UNKNOWN,
            stage_confidence=1.0 if rated else 0.0,
            areas=(AreaTag(area=UNKNOWN, confidence=1.0 if rated else 0.0),),
            sentiment=sentiment,
            sentiment_confidence=0.9 if rated else 0.0,
            intent="other",
            intent_confidence=0.5 if rated else 0.0,
            severity=1 if sentiment == "negative" else 0,
            severity_confidence=0.6 if rated else 0.0,
            status="tagged" if rated else "unsure",
            unsure=(Unsure(head="stage", reason=reason), Unsure(head="areas", reason=reason)),
            versions=self.versions,
        )


def stems_of(phrases: Sequence[Phrase], ngrams: Sequence[str]) -> Stems:
    """The stems that a lexicon and a vocabulary need."""
    names = {part for ngram in ngrams for part in ngram.split(" ")}
    for phrase in phrases:
        for sequence in sequences_of(phrase):
            for step in sequence:
                if not isinstance(step, str):
                    names.update(name for alternative in step for name in alternative)
    return Stems(names)


def _areas(labels: Sequence[str], chances: Floats, area_from: float) -> tuple[AreaTag, ...]:
    order = np.argsort(-chances)
    found = [AreaTag(area=labels[order[0]], confidence=_rounded(float(chances[order[0]])))]
    if found[0].area == UNKNOWN:
        return tuple(found)
    for number in order[1:MOST_AREAS]:
        if chances[number] >= area_from and labels[number] != UNKNOWN:
            found.append(AreaTag(area=labels[number], confidence=_rounded(float(chances[number]))))
    return tuple(found)


def _nothing_told(chances: dict[str, Floats], model: Model, wordless: NDArray[np.bool_]) -> None:
    """A text without one known word tells no stage and no area; what the model makes of nothing is its bias."""
    for name in ("stage", "areas"):
        head = model.head(name)
        chances[name][wordless] = 0.0
        chances[name][wordless, head.labels.index(UNKNOWN)] = _NOTHING_TOLD


def _favour_own_work(stage: Floats, unknown: int, batch: Sequence[TagInput], said: Collection[int]) -> None:
    """Employees mostly write about their own work, which is outside the journey; where a phrase of it stands in the
    text (`said`) there is hardly a doubt. It matters: outside the journey nobody is shown in groups below five."""
    own = np.array([item.author == "employee" for item in batch])
    favour = np.full(len(batch), _OWN_WORK_FAVOUR)
    favour[list(said)] = _SAID_OWN_WORK_FAVOUR
    stage[own, unknown] *= favour[own]
    stage[own] /= stage[own].sum(axis=1, keepdims=True)


def _place(theme: Theme, head: str) -> str:
    return theme.stage if head == "stage" else theme.area


def _passage(passage: Passage, read: Clean) -> Evidence:
    start, end = read.stored(passage.start, passage.end)
    return Evidence(head="theme", label=passage.theme, start=start, end=end)


def _rounded(confidence: float) -> float:
    return round(confidence, 3)
