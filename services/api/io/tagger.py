"""Asks the classifier for the tags of one sentence."""

import msgspec

from services.api.io.classifier import ClassifierPort
from services.api.trial import TrialBody, tags_from
from services.contracts.errors import Unavailable
from services.contracts.events import Tags


class Tagger(ClassifierPort):
    """`POST /internal/tag`: one line as of `palette tag` in, one out."""

    name = "the tagger"

    def tag(self, body: TrialBody) -> Tags:
        """The tags of a sentence. Raises Unavailable while the classifier is away."""
        asked = {"text": body.text, "author": "employee" if body.channel == "employee" else "customer"}
        headers = {"content-type": "application/json"}
        status, found = self._asked("POST", "/internal/tag", content=msgspec.json.encode(asked), headers=headers)
        if status != 200 or "stage" not in found:
            raise Unavailable(f"the tagger answered {status}", retry_after=5)
        return tags_from(found)
