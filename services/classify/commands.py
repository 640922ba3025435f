"""`palette onboard`, `palette learn`, `palette model …`: teaching Palette from a terminal, over the API.

Plain functions: print to stdout, problems to stderr, answer an exit code. What is known stands in the API's store, so
all of it can be left and taken up again, on another machine too.
"""

import getpass
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import httpx2
import msgspec

from services.contracts.errors import Unavailable
from services.kit.settings import Settings, url_host

_LETTERS = "abcdefghijklmnoprtuvwxz"
_DIGITS = "1234567890"
_AHEAD = 30
_TIMEOUT_SECONDS = 60.0
_MAKING_SECONDS = 1_800.0
_STANDING = ("stage_challenger", "stage_champion", "areas_challenger", "areas_champion")


class Heard(msgspec.Struct, frozen=True):
    """What a person answered: labels, or what else to do."""

    stage: str
    areas: tuple[str, ...]


def heard(line: str, *, guess: Heard, stages: Sequence[str], areas: Sequence[str]) -> Heard | None:
    """The labels that an answer names: nothing or `y` confirms the guess, a letter names another stage, digits name the
    areas, the main one first. None when it cannot be read."""
    line = line.strip().lower().replace(" ", "")
    if line in {"", "y"}:
        return guess
    by_letter, by_digit = dict(zip(_LETTERS, stages, strict=False)), dict(zip(_DIGITS, areas, strict=False))
    stage = by_letter.get(line[0], guess.stage)
    rest = line[1:] if line[0] in by_letter else line
    named = tuple(dict.fromkeys(by_digit[c] for c in rest if c in by_digit))
    if any(c not in by_digit for c in rest) or len(named) > 3:
        return None
    return Heard(stage, named or guess.areas)


def _typed(_item: Mapping[str, Any]) -> str:
    return input("> ")


def onboard(by: str | None = None, *, ask: Callable[[Mapping[str, Any]], str] = _typed) -> int:
    """Asks for the first labels, those that teach most first, and brings a model of one's own into force after each
    step. 0 when the last step is reached or the person stops; may be taken up again at any time. `ask` answers for the
    person, given what is asked about."""
    person = by or getpass.getuser()
    with _api() as api:
        seen: set[str] = set()
        told, built = False, 0
        while True:
            page = _get(api, "/v1/review/next", by=person, purpose="onboarding", limit=str(_AHEAD))
            due = max((step for step in page["steps"] if step <= page["labelled"]), default=0)
            if due > built:
                built = due
                _build(api, page["labelled"], due, by=person)
            last = max(page["steps"])
            if page["labelled"] >= last:
                print(f"{page['labelled']} labels: done. Corrections on the page teach further, with `palette learn`.")
                return 0
            items = [item for item in page["items"] if item["id"] not in seen]
            if not items:
                print("There is nothing more to ask. Import some feedback (`palette import FILE`), then come back.")
                return 0
            if not told:
                told = True
                _tell(page["labels"])
            left = min(step for step in page["steps"] if step > page["labelled"]) - page["labelled"]
            for place, item in enumerate(items[:left], start=page["labelled"] + 1):
                seen.add(item["id"])
                if not _asked(api, item, f"{place} of {last}", page["labels"], by=person, ask=ask):
                    print("Stopped; `palette onboard` goes on here.")
                    return 0


def learn(by: str | None = None) -> int:
    """Learns from everything that people said, and brings it into force if it is better. 0 when something came into
    force or nothing had to, 1 when the challenger was refused."""
    with _api() as api:
        made = _make(api, by=by or getpass.getuser(), first=False)
    return 0 if made.get("activated") or _verdict(made).get("reason") in {"nothing_new", "too_few_labels"} else 1


def model_list() -> int:
    """Every version, the newest first, and which one is in force."""
    with _api() as api:
        found = _get(api, "/v1/models")
    for item in found["items"]:
        mark = "*" if item["in_force"] else " "
        judged = item["judged"][-1]["verdict"] if item["judged"] else None
        gain = f"{judged['figures'].get('gain', 0):+.1f} points, {judged['reason']}" if judged else "ships with Palette"
        at = (item["at"] or "")[:16].replace("T", " ")
        print(f"{mark} {item['version']:<24} {at:<17} {item['labels']:>5} labels  {gain}  {item['by']}")
    print(f"in force: {found['in_force']}; before it: {found['before'] or 'nothing'}")
    return 0


def model_promote(version: str, by: str | None = None) -> int:
    """Brings a version into force. 0, or 1 when there is none of that name."""
    with _api() as api:
        return _activate(api, version, by=by or getpass.getuser(), reason="chosen")


def model_rollback(version: str | None = None, by: str | None = None) -> int:
    """Goes back to a version, or to the one before. 0, or 1 when there is none."""
    with _api() as api:
        target = version or _get(api, "/v1/models")["before"]
        if target is None:
            print("There is nothing to go back to: this is the model that ships with Palette.", file=sys.stderr)
            return 1
        return _activate(api, target, by=by or getpass.getuser(), reason="rolled_back")


# ---- asking ---------------------------------------------------------------------------------------------------------


def _tell(labels: Mapping[str, Mapping[str, str]]) -> None:
    print("Is the guess right? Enter says yes. Otherwise a letter for the stage, digits for the areas, main one first:")
    for title, keys, names in (("stage", _LETTERS, labels["stages"]), ("areas", _DIGITS, labels["areas"])):
        print(f"  {title:<6} " + " · ".join(f"{key} {name}" for key, name in zip(keys, names.values(), strict=False)))
    print("  `g12` is stage g with areas 1 and 2; `12` keeps the stage.  - skips, ? says this again, q stops.")


def _asked(
    api: httpx2.Client,
    item: Mapping[str, Any],
    place: str,
    labels: Mapping[str, Mapping[str, str]],
    *,
    by: str,
    ask: Callable[[Mapping[str, Any]], str],
) -> bool:
    """Asks about one text until it is answered or skipped. False when the person stops."""
    guess = Heard(item["guess"]["stage"], tuple(area["area"] for area in item["guess"]["areas"]))
    print(f"\n[{place}] {item['source']}, {item['channel']} ({', '.join(map(_plain, item['reasons']))})")
    print(f"  {item['text']}")
    for line in _told(item, labels):
        print(f"  {line}")
    while True:
        try:
            line = ask(item).strip()
        except EOFError:
            return False
        if line == "q":
            return False
        if line == "-":
            return True
        said = None if line == "?" else heard(line, guess=guess, stages=[*labels["stages"]], areas=[*labels["areas"]])
        if said is None:
            _tell(labels)
            continue
        body = {"by": by, "revision": item["revision"], "stage": said.stage, "areas": said.areas, "asked": "onboarding"}
        answer = _sent(api.post, f"/v1/feedback/{item['id']}/corrections", json=body)
        if answer.status_code == 409:
            print("  Somebody was faster; on to the next.")
        elif answer.status_code not in {200, 202}:
            raise Unavailable(f"the API answered {answer.status_code}")
        return True


def _told(item: Mapping[str, Any], labels: Mapping[str, Mapping[str, str]]) -> Iterable[str]:
    """The guess in words, and the words of the text that earned it."""
    guess = item["guess"]
    stage = labels["stages"].get(guess["stage"], guess["stage"])
    areas = ", ".join(
        f"{labels['areas'].get(area['area'], area['area'])} {area['confidence']:.0%}" for area in guess["areas"]
    )
    yield f"guess: {stage} {guess['stage_confidence']:.0%} · {areas}"
    words = dict.fromkeys(
        f"“{item['text'][span['start'] : span['end']]}”"
        for span in guess["evidence"]
        if span["head"] in {"stage", "areas", "theme"}
    )
    if words:
        yield f"because of {', '.join(words)}"


# ---- making and activating ------------------------------------------------------------------------------------------


def _build(api: httpx2.Client, labelled: int, step: int, *, by: str) -> None:
    """Builds a model for a step, unless it was built before this session."""
    if max((item["labels"] for item in _get(api, "/v1/models")["items"]), default=0) < step:
        print(f"\n{labelled} labels: learning from them …")
        _make(api, by=by, first=True)


def _make(api: httpx2.Client, *, by: str, first: bool) -> dict[str, Any]:
    """Makes a challenger, waits for the verdict, and prints it."""
    answer = _sent(api.post, "/v1/models/challenger", json={"by": by, "first": first})
    deadline = time.monotonic() + _MAKING_SECONDS
    while answer.status_code == 202 and time.monotonic() < deadline:
        time.sleep(1)
        answer = _sent(api.get, "/v1/models/challenger")
    made: dict[str, Any] = answer.json()
    if answer.status_code != 200 or made["state"] != "done":
        raise Unavailable(made.get("detail") or f"the API answered {answer.status_code}")
    verdict = _verdict(made)
    for sentence in verdict["because"]:
        print(f"  {sentence}")
    figures = verdict.get("figures", {})
    if all(name in figures for name in _STANDING):
        print(
            f"  stage right {figures['stage_champion']:.0f} → {figures['stage_challenger']:.0f} %, "
            f"areas {figures['areas_champion']:.0f} → {figures['areas_challenger']:.0f} %"
        )
    version = made["activated"]
    print(f"In force now: {version}." if version else f"The model in force stays ({_plain(verdict['reason'])}).")
    return made


def _verdict(made: Mapping[str, Any]) -> dict[str, Any]:
    return dict((made.get("made") or {}).get("verdict") or {})


def _activate(api: httpx2.Client, version: str, *, by: str, reason: str) -> int:
    answer = _sent(api.post, f"/v1/models/{version}/activate", json={"by": by, "reason": reason})
    if answer.status_code == 404:
        print(f"There is no version {version}; `palette model list` names them.", file=sys.stderr)
        return 1
    state = answer.json()["state"]
    print(
        f"{version} is in force." if state == "in_force" else f"{version} was activated; it is not seen in force yet."
    )
    return 0


# ---- the API --------------------------------------------------------------------------------------------------------


def _api() -> httpx2.Client:
    settings = Settings.load()
    headers = {}
    if settings.api_key_file is not None:
        headers["Authorization"] = f"Bearer {settings.api_key_file.read_text(encoding='utf-8').strip()}"
    return httpx2.Client(
        base_url=settings.api_url or f"http://{url_host(settings.bind)}:{settings.api_port}",
        headers=headers,
        timeout=_TIMEOUT_SECONDS,
        trust_env=False,
    )


def _get(api: httpx2.Client, path: str, **parameters: str) -> dict[str, Any]:
    answer = _sent(api.get, path, params=parameters)
    if answer.status_code != 200:
        raise Unavailable(f"the API answered {answer.status_code}")
    return dict(answer.json())


def _sent(method: Callable[..., httpx2.Response], path: str, **request: Any) -> httpx2.Response:
    try:
        return method(path, **request)
    except httpx2.HTTPError as error:
        raise Unavailable(f"the API does not answer ({type(error).__name__})") from None


def _plain(word: str) -> str:
    return word.replace("_", " ")
