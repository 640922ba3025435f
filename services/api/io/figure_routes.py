"""The figures for programs: the palette and the journey as the pages show them, and a sentence to try."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.api.answers import body_of
from services.api.figures import NOW_DAYS, Cell, standing
from services.api.io.bodies import json_body
from services.api.io.gather import Gather
from services.api.io.policy import PolicyWatcher
from services.api.io.routes import tagged
from services.api.io.tagger import Tagger
from services.api.queries import share_query
from services.api.rollups import Score
from services.api.shares import LEVEL
from services.api.trial import TrialBody, checked, trial
from services.contracts.errors import Unavailable
from services.kit.clock import Clock
from services.kit.http import json_response


def figure_routes(gather: Gather, watcher: PolicyWatcher, tagger: Tagger, clock: Clock) -> APIRouter:
    """`/v1/palette`, `/v1/journey`, `/v1/shares`, `/v1/try`."""
    router = APIRouter(prefix="/v1", default_response_class=Response)

    @router.get("/palette", summary="How each part of the company is experienced, the last four weeks")
    def palette(request: Request) -> Response:
        found = gather.palette(watcher.names())
        areas = [
            {
                "area": a.area,
                "name": a.name,
                "team": found.owners[a.area] or None,
                "score": _score(a.score),
                "score_before": _score(a.score_before),
                **_cell(a.cell),
                "n_before": a.before.n,
                "weeks": a.weeks,
                "themes": [{"theme": s.theme, "n": s.n, "kind": s.kind} for s in a.said],
                "actions": [s.action.id for s in found.working.get(a.area, [])],
            }
            for a in found.areas
        ]
        body = {
            "days": 28,
            "n": found.total,
            "n_before": found.total_before,
            "channels": dict(found.channels),
            "scores": [_score(s) for s in found.overall],
            "areas": areas,
        }
        return tagged(request, body, {})

    @router.get("/journey", summary="Stage by area, the last four weeks")
    def journey(request: Request) -> Response:
        found = gather.journey(watcher.names())
        cells = [
            {"stage": stage, "area": area, **_cell(cell), "n_before": (b.n if (b := found.before.get(key)) else 0)}
            for key, cell in sorted(found.cells.items())
            for stage, area in [key]
        ]
        return tagged(request, {"days": 28, "cells": cells, "weeks": found.weeks}, {})

    @router.get("/shares", summary="How large a share each stage or area truly has, corrected by what people checked")
    def shares(request: Request) -> Response:
        asked = share_query(request.query_params, today=clock().date(), days=NOW_DAYS)
        found = gather.shares(asked, watcher.names())
        body = {
            "by": asked.by,
            "since": asked.first.isoformat(),
            "until": asked.last.isoformat(),
            "n": found.n,
            "checked": found.checked,
            "reason": found.reason,
            "level": LEVEL,
            "shares": [
                {
                    name: value if isinstance(value, str) else round(value, 4)
                    for name, value in msgspec.structs.asdict(share).items()
                }
                for share in found.shares
            ],
        }
        return tagged(request, body, {})

    @router.post("/try", summary="What would become of a sentence; nothing is stored")
    def try_it(raw: Annotated[bytes, Depends(json_body)]) -> Response:
        body = checked(body_of(raw, TrialBody))
        policy = watcher.names().policy
        if policy is None:
            raise Unavailable("no policy is in force yet", retry_after=2)
        found = trial(body, tagger.tag(body), policy, now=clock())
        return json_response({"tags": found.tags, "rules": found.tried})

    return router


def _score(found: Score | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "kind": found.kind,
        "value": round(found.value, 2),
        "low": round(found.low, 2),
        "high": round(found.high, 2),
        "n": found.n,
        "enough": found.enough,
        "standing": round(standing(found), 3),
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "n": cell.n,
        "main": cell.main,
        "negative": cell.negative,
        "positive": cell.positive,
        "severe": cell.severe,
        "enough": cell.enough,
    }
