"""What a reader of the pages meets: the rooms, the words that they see, and words that they must not."""

import re
from html.parser import HTMLParser

from starlette.testclient import TestClient

ROOMS = (
    "/",
    "/palette",
    "/journey",
    "/feedback",
    "/actions",
    "/teach",
    "/review",
    "/models",
    "/try",
    "/health",
    "/keys",
)
INTERNAL = (
    "dead letter",
    "dead-letter",
    "unsure",
    "in_progress",
    "back_to_normal",
    "fulfilment",
    "get_help",
    "set_up",
    "backfill",
    "rehearsal",
    "roll-up",
    "dlq",
    "marked-delivered",
    "palette_",
)


class Shown(HTMLParser):
    """The words that a reader sees, and the tags that a browser makes."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._hidden += tag in {"script", "style", "code"}

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in {"script", "style", "code"}

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def shown(web: TestClient, path: str) -> Shown:
    answer = web.get(path)
    assert answer.status_code == 200, path
    return page_of(answer.text)


def page_of(html: str) -> Shown:
    """A page as it is read."""
    page = Shown()
    page.feed(html)
    return page
