"""The schedule of faults is that of its seed."""

from __future__ import annotations

import pytest

from tests.chaos.nemesis import KINDS, Blow, draw_up

PLAYERS = {role: [f"{role}-1", f"{role}-2"] for role in ("worker", "monitor", "scheduler", "api", "producer")}


def schedule(seed: str, *names: str) -> list[Blow]:
    def targets(roles: tuple[str, ...]) -> list[str]:
        return [name for role in roles for name in PLAYERS.get(role, [role])]  # the server stands for its fleets

    return draw_up(seed, names or tuple(KINDS), targets, seconds=600, every_s=1, lease_s=4)


def test_a_seed_makes_the_same_schedule_again_and_another_seed_another_one() -> None:
    assert schedule("a") == schedule("a")
    assert schedule("a") != schedule("b")


@pytest.mark.parametrize("name", KINDS)
def test_each_fault_comes_up_and_hits_only_whom_it_may(name: str) -> None:
    hit = {blow.target.partition("-")[0] for blow in schedule("a") if blow.kind.name == name}
    assert hit
    assert hit <= set(KINDS[name].roles)


def test_only_the_faults_that_are_asked_for_come_up() -> None:
    assert {blow.kind.name for blow in schedule("a", "reset", "skew")} == {"reset", "skew"}
    assert draw_up("a", (), lambda roles: [], seconds=60, every_s=1, lease_s=4) == []
