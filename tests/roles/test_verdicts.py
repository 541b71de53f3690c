"""Whose backoff holds for a job, and who takes part in what follows from an outcome."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

import jobd
from jobd.catalog import Catalog
from jobd.domain.backoff import Backoff
from jobd.domain.delivery import Delivery
from jobd.domain.levels import Levels
from jobd.domain.options import Options
from jobd.domain.outcome import Ending, Outcome
from jobd.domain.queue_options import BACKOFF
from jobd.roles.verdicts import Verdicts


@jobd.job("plain")
async def plain() -> None: ...


@jobd.job("patient", backoff="3s", on_error={ValueError: jobd.Cancel})
async def patient() -> None: ...


RAISED = Outcome(Ending.RAISED)
OWN = {"backoff": Backoff.fixed("1s").to_json()}
OF_QUEUE = {BACKOFF: Backoff.fixed("2s").to_json()}


def delivery(job_type: str, options: bytes) -> Delivery:
    told: tuple[Any, ...] = ("j", job_type, "default", b"{}", options, 5, 4, 0, 0.0, 1, 1, 0, False, 1, 10.0, "w")
    return Delivery(*told)


@pytest.mark.parametrize(
    ("job_type", "beside", "pause_ms"),
    [
        ("plain", OWN | OF_QUEUE, 1_000),
        ("patient", OWN | OF_QUEUE, 1_000),
        ("unknown", OWN | OF_QUEUE, 1_000),
        ("plain", OF_QUEUE, 2_000),
        ("unknown", OF_QUEUE, 2_000),
        ("patient", OF_QUEUE, 3_000),
        ("patient", {"tags": ["a"]}, 3_000),
        ("patient", {}, 3_000),
    ],
)
def test_the_pause_is_that_of_the_job_or_else_of_its_type_or_else_of_its_queue(
    job_type: str, beside: dict[str, Any], pause_ms: int
) -> None:
    verdicts = Verdicts(Catalog([plain, patient]), Levels())
    options = orjson.dumps(beside) if beside else b""
    assert verdicts.on(delivery(job_type, options), RAISED).delay_ms == pause_ms


@pytest.mark.parametrize("options", [b"", b'{"tags":["a"]}'])
def test_the_usual_pause_holds_where_nobody_says_one(options: bytes) -> None:
    verdicts = Verdicts(Catalog([plain]), Levels())
    for job_type in ("plain", "unknown"):
        assert 1_500 <= verdicts.on(delivery(job_type, options), RAISED).delay_ms <= 2_000


def test_what_this_process_is_configured_with_holds_before_the_usual_pause() -> None:
    verdicts = Verdicts(Catalog([patient]), Levels(queues={"default": Options(backoff=Backoff.fixed("9s"))}))
    assert verdicts.on(delivery("unknown", b""), RAISED).delay_ms == 9_000
    assert verdicts.on(delivery("patient", b""), RAISED).delay_ms == 3_000


def test_rules_hold_for_jobs_of_their_type_and_where_its_plugin_is_not_installed_there_are_none() -> None:
    verdicts = Verdicts(Catalog([patient]), Levels())
    assert verdicts.ruled(delivery("patient", b""), RAISED, ValueError()).ending is Ending.CANCELLED
    assert verdicts.ruled(delivery("unknown", b""), RAISED, ValueError()) is RAISED
