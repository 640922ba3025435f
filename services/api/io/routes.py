"""The interface for programs: queries with keyset pages and entity tags, commands, corrections, exports.

Endpoints parse, delegate, answer. What customers wrote is data here; escaping is the page's business, but a CSV file is
opened by spreadsheets, so its cells are guarded.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.api import shapes
from services.api.answers import body_of, cell, etag_of, matches, next_link
from services.api.ask import CommandBody, CorrectionBody, expected_revision
from services.api.io import actions as read_actions
from services.api.io import feedback as read_feedback
from services.api.io.bodies import json_body
from services.api.io.desk import Commanded, Desk
from services.api.io.not_ours import NotOurs
from services.api.io.people import caller_of
from services.api.io.policy import PolicyWatcher
from services.api.io.store import Store
from services.api.names import Names
from services.api.queries import Cursor, FeedbackFilter, action_filter, after_of, feedback_filter, limit_of
from services.contracts.events import Pseudonym
from services.kit.http import json_response, problem

_MAX_EXPORT = 50_000
_EXPORTED = (
    "id",
    "source",
    "source_id",
    "channel",
    "occurred_at",
    "received_at",
    "status",
    "stage",
    "areas",
    "sentiment",
    "intent",
    "severity",
    "text",
)


Base = Callable[[Request], str]
"""The address that a request came to, for absolute links."""


def feedback_routes(store: Store, desk: Desk, watcher: PolicyWatcher, base: Base) -> APIRouter:
    """Feedback: lists, one, corrections, timelines, exports."""
    router = APIRouter(prefix="/v1", default_response_class=Response)

    @router.get("/feedback", summary="Feedback, newest first")
    def feedback(request: Request) -> Response:
        asked, names = feedback_filter(request.query_params), watcher.names()
        with store.reading() as connection:
            page = read_feedback.list_feedback(
                connection,
                store,
                asked,
                limit=limit_of(request.query_params),
                after=after_of(request.query_params),
                parts=True,
                names=names,
            )
        items = [shapes.feedback_item(voice) for voice in page.items]
        return _listed(request, f"{base(request)}/v1/feedback", items, page.next)

    @router.get("/feedback.csv", summary="Feedback as a file for spreadsheets")
    def feedback_csv(request: Request) -> Response:
        asked = feedback_filter(request.query_params)
        rows = _export(store, asked, watcher.names())
        return Response(
            rows,
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="feedback.csv"'},
        )

    @router.get("/feedback/{name}", summary="One event whole")
    def one_feedback(request: Request, name: str) -> Response:
        with store.reading() as connection:
            voice = read_feedback.get_voice(connection, name)
            if voice is None:
                return _not_found()
            head = read_feedback.head_of(connection, voice)
            named = read_actions.actions_of(connection, [name]).get(name, [])
        return tagged(request, shapes.feedback_detail(voice, actions=named, head=head), {})

    @router.post("/feedback/{name}/corrections", summary="Say that a tag is wrong")
    def correct(request: Request, name: str, raw: Annotated[bytes, Depends(json_body)]) -> Response:
        with store.reading() as connection:
            voice = read_feedback.get_voice(connection, name)
        if voice is None:
            return _not_found()
        done = desk.correct(voice, body_of(raw, CorrectionBody), names=watcher.names(), caller=caller_of(request))
        if done.state == "untagged":
            return problem(409, "Not tagged yet", code="untagged", detail="There is nothing to correct so far.")
        if done.state == "taken":
            return problem(
                409, "Corrected already", code="corrected", detail="These tags have changed; look at the newest."
            )
        with store.reading() as connection:
            named = read_actions.actions_of(connection, [name]).get(name, [])
        body = {"id": done.id, "state": done.state, "feedback": shapes.feedback_detail(done.voice, actions=named)}
        where = {"Location": f"{base(request)}/v1/feedback/{name}"}
        return json_response(body, status=200 if done.state == "done" else 202, headers=where)

    @router.get("/customers/{pseudonym}/timeline", summary="What one customer said")
    def customer(request: Request, pseudonym: str) -> Response:
        with store.reading() as connection:
            page = read_feedback.timeline(
                connection,
                Pseudonym(pseudonym),
                limit=limit_of(request.query_params),
                after=after_of(request.query_params),
            )
            named = read_actions.actions_of(connection, [voice.event.id for voice in page.items])
        items = [shapes.feedback_item(v) | {"actions": named.get(v.event.id, [])} for v in page.items]
        return _listed(request, f"{base(request)}/v1/customers/{pseudonym}/timeline", items, page.next)

    return router


def action_routes(store: Store, desk: Desk, not_ours: NotOurs, watcher: PolicyWatcher, base: Base) -> APIRouter:
    """Actions: lists, one, members, commands; and the teams that own them."""
    router = APIRouter(prefix="/v1", default_response_class=Response)

    @router.get("/actions", summary="Actions, highest priority first")
    def actions(request: Request) -> Response:
        asked, names = action_filter(request.query_params), watcher.names()
        with store.reading() as connection:
            page = read_actions.list_actions(
                connection,
                asked,
                limit=limit_of(request.query_params),
                after=after_of(request.query_params),
                names=names,
            )
        items = [shapes.action_item(action) for action in page.items]
        return _listed(request, f"{base(request)}/v1/actions", items, page.next)

    @router.get("/actions/{name}", summary="One action with its history and verbatims")
    def one_action(request: Request, name: str) -> Response:
        with store.reading() as connection:
            action = read_actions.get_action(connection, name)
            if action is None:
                return _not_found()
            changes = read_actions.history(connection, name)
            worst = read_feedback.voices_by_id(connection, action.worst)
            told = read_actions.deliveries(connection, name)
        body = shapes.action_item(action) | {
            "history": [shapes.change_item(change) for change in changes],
            "verbatims": [shapes.feedback_item(worst[event]) for event in action.worst if event in worst],
            "deliveries": [msgspec.structs.asdict(outcome) for outcome in told],
            "members": f"{base(request)}/v1/actions/{name}/members",
        }
        return json_response(body, headers={"ETag": f'"{action.revision}"', "Cache-Control": "no-cache"})

    @router.get("/actions/{name}/members", summary="The feedback that counts in an action")
    def members(request: Request, name: str) -> Response:
        with store.reading() as connection:
            if read_actions.get_action(connection, name) is None:
                return _not_found()
            page = read_feedback.members(
                connection, name, limit=limit_of(request.query_params), after=after_of(request.query_params)
            )
        items = [shapes.feedback_item(voice) for voice in page.items]
        return _listed(request, f"{base(request)}/v1/actions/{name}/members", items, page.next)

    @router.post("/actions/{name}/commands", summary="Acknowledge, assign, start, comment, resolve, reopen, not_ours")
    def command(request: Request, name: str, raw: Annotated[bytes, Depends(json_body)]) -> Response:
        with store.reading() as connection:
            action = read_actions.get_action(connection, name)
        if action is None:
            return _not_found()
        body, key = body_of(raw, CommandBody), request.headers.get("idempotency-key")
        expected, caller = expected_revision(request.headers.get("if-match")), caller_of(request)
        done = not_ours.command(
            action,
            body,
            names=watcher.names(),
            key=key,
            expected_revision=expected,
            rehearsal=request.headers.get("palette-mode") == "rehearsal",
            caller=caller,
        )
        return _command_answer(done, f"{base(request)}/v1/actions/{name}/commands/{done.id}")

    @router.get("/actions/{name}/commands/{command_id}", summary="What became of a command")
    def command_state(request: Request, name: str, command_id: str) -> Response:
        done = desk.outcome(command_id, name)
        if done is None:
            with store.reading() as connection:
                action = read_actions.get_action(connection, name)
            if action is None or desk.pending(command_id) is None:
                return _not_found()
            done = Commanded(command_id, "pending", action)
        return _command_answer(done, f"{base(request)}/v1/actions/{name}/commands/{command_id}")

    @router.get("/teams", summary="Teams, what is theirs, and what they are working on")
    def teams(request: Request) -> Response:
        policy = watcher.names().policy
        with store.reading() as connection:
            counts = read_actions.open_counts(connection)
        items = [
            {
                "id": team.id,
                "name": team.name,
                "areas": list(team.areas),
                "themes": list(team.themes),
                "actions": {row.state: row.n for row in _by_state(counts, team.id)},
            }
            for team in (policy.teams.values() if policy else ())
        ]
        return tagged(request, {"policy": policy.version if policy else None, "items": items}, {})

    return router


def tagged(request: Request, body: Any, headers: Mapping[str, str]) -> Response:
    """A JSON answer with its entity tag, or 304 when the caller has it already."""
    raw = msgspec.json.encode(body)
    etag = etag_of(raw)
    every = {"ETag": etag, "Cache-Control": "no-cache", **headers}
    if matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=every)
    return Response(raw, headers=every, media_type="application/json")


def _listed(request: Request, url: str, items: list[Any], after: Cursor | None) -> Response:
    """One page of a list, with the link to the next."""
    return tagged(request, {"items": items}, next_link(url, request.query_params, after))


def _command_answer(done: Commanded, url: str) -> Response:
    if done.state == "key_reused":
        return problem(
            422, "Key used before", code="key_reused", detail="This Idempotency-Key belongs to another command."
        )
    if done.state == "refused" and done.change is not None:
        return problem(
            409,
            "Refused",
            code=done.change.reason,
            detail=done.change.comment or "The action's state does not allow it.",
            headers={"ETag": f'"{done.action.revision}"'},
        )
    body: dict[str, Any] = {"id": done.id, "state": done.state, "url": url}
    if done.state == "done":
        body |= {"revision": done.action.revision, "action": shapes.action_item(done.action)}
        return json_response(body, headers={"ETag": f'"{done.action.revision}"'})
    return json_response(body, status=202, headers={"Location": url, "Retry-After": "1"})


def _by_state(counts: Iterable[Any], team: str) -> Iterable[Any]:
    return (row for row in counts if row.team == team)


def _not_found() -> Response:
    return problem(404, "Not found", code="not_found", detail="Nothing is stored under this id.")


def _export(store: Store, asked: FeedbackFilter, names: Names) -> str:
    out = io.StringIO()
    # every cell: where a semicolon separates, what follows one in an unquoted cell would be a cell of its own
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(_EXPORTED)
    after, left = None, _MAX_EXPORT
    with store.reading() as connection:
        while left > 0:
            page = read_feedback.list_feedback(
                connection, store, asked, limit=min(1_000, left), after=after, names=names
            )
            for voice in page.items:
                item = shapes.feedback_item(voice)
                item["areas"] = " ".join(area["area"] for area in item["areas"])
                for name in ("occurred_at", "received_at"):
                    item[name] = item[name].isoformat()
                writer.writerow([cell(item[name]) for name in _EXPORTED])
            left -= len(page.items)
            after = page.next
            if after is None:
                break
    return out.getvalue()
