"""How the real store is held against what a test knows: the words of the model in those of the store, and the run."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from jobd.domain.delivery import Met, NewJob
from jobd.domain.settle import Verdict
from jobd.domain.state import State
from jobd.domain.when import When
from jobd.store import link
from jobd.store.shard import Settlement
from tests.real_server import RealServer
from tests.store import model
from tests.store.hands import new_job
from tests.store.model import Order
from tests.store.strict_scripts import strict
from tests.store.unique_model import Answer

verdicts = st.sampled_from(
    [
        model.Verdict(model.COMPLETED),
        model.Verdict(model.COMPLETED),
        model.Verdict(model.FAILED),
        model.Verdict(model.CANCELLED),
        model.Verdict(model.DELAYED, delay_ms=0),
        model.Verdict(model.DELAYED, delay_ms=400),
        model.Verdict(model.DELAYED, spent=False, delay_ms=20),
        model.Verdict(model.WAITING, spent=False),
        model.Verdict(model.WAITING, spent=False),
        model.Verdict(model.WAITING, spent=False, begun=False),
        model.Verdict(model.WAITING, spent=False, begun=False),
        model.Verdict(model.WAITING, spent=False, suspect=True),
        model.Verdict(model.WAITING, spent=False, suspect=True, crashed=True),
        model.Verdict(model.FAILED, suspect=True, crashed=True),
    ]
)


def packed(order: Order) -> NewJob:
    return new_job(
        order.id,
        queue=order.queue,
        priority=order.priority,
        type=order.type,
        due=order.due,
        payload=order.payload,
        timeout_ms=order.timeout_ms,
        unique=order.unique,
        expires=When(after_ms=order.limits.expires) if order.limits.expires else None,
        deadline=When(after_ms=order.limits.deadline) if order.limits.deadline else None,
        queue_timeout_ms=order.limits.patience or None,
    )


def sealed(item: model.Settlement) -> Settlement:
    verdict = Verdict(
        State(item.verdict.state),
        delay_ms=item.verdict.delay_ms,
        spent=item.verdict.spent,
        suspect=item.verdict.suspect,
        crashed=item.verdict.crashed,
        begun=item.verdict.begun,
    )
    facts = {"worker": "w", "outcome": "raised"}
    return Settlement(item.id, item.fence, verdict, item.result, facts, list(map(packed, item.children)))


def told(made: Sequence[bool | Met]) -> list[Answer]:
    """In the words of the model."""
    return [("replaced" if fate.replaced else "existing", fate.id) if isinstance(fate, Met) else fate for fate in made]


def hold(
    machine: type[RuleBasedStateMachine],
    server: RealServer,
    monkeypatch: pytest.MonkeyPatch,
    examples: int,
    steps: int,
) -> None:
    """Runs a machine on this server, with the scripts under watch."""
    monkeypatch.setattr(link, "load", strict)
    monkeypatch.setattr(machine, "server", server, raising=False)
    # the same moves each time, so that what passes once passes again; other ones on request
    same = "JOBD_TEST_EXPLORE" not in os.environ
    phases = [Phase.explicit, Phase.generate, Phase.shrink]
    run_state_machine_as_test(machine, settings=chosen(examples, steps, derandomize=same, phases=phases))


def chosen(examples: int, steps: int, *, derandomize: bool, phases: Collection[Phase]) -> settings:
    """How moves are chosen."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=derandomize,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=phases,
    )
