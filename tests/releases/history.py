"""A history that leaves jobs of every kind in the store: some in each state, with each kind of key beside them."""

from __future__ import annotations

from jobd.domain.keep import Keep
from jobd.domain.settle import Verdict
from jobd.domain.state import State
from jobd.store.shard import Shard
from tests.store.hands import Hands, done, ended, failed, new_job, retried


async def live(hands: Hands, shard: Shard) -> None:
    """Enqueues, works, waits, fails; at the end a worker holds two jobs, and is not heard of any more."""
    await hands.join("w1")
    await hands.monitor()
    await hands.put(new_job("completed", payload=b'{"a":[1,2.5,"\xc3\xa4"]}', metadata={"m": 1}))
    await hands.settle(*[done(each, b'{"r":1}') for each in await hands.fetch()])
    await hands.put(new_job("failed"))
    await hands.settle(*[failed(each) for each in await hands.fetch()])
    await hands.put(new_job("cancelled"), new_job("gone"))
    await shard.cancel(["cancelled", "gone"], {"reason": "no more"})
    await shard.delete(["gone"], [State.CANCELLED])
    await hands.put(new_job("retried"))
    await hands.settle(*[retried(each, 5_000) for each in await hands.fetch()])
    await hands.put(new_job("kept", keep_completed=Keep(3)))
    await hands.settle(*[done(each) for each in await hands.fetch()])
    await hands.put(new_job("suspect"))
    suspect = Verdict(State.WAITING, spent=False, suspect=True)
    await hands.settle(*[ended(each, suspect, "lost") for each in await hands.fetch()])
    await hands.put(new_job("active", timeout_ms=60_000), new_job("held", lane_key="c=key:1", unique="k:s:wdba:0"))
    for each in await hands.fetch():
        await shard.say(each, "log", b'"attempt":1,"level":"info","text":"here","fields":{}')
        await shard.say(each, "progress", b'"done":1,"total":3')
    await hands.put(
        new_job("waiting"),
        new_job("urgent", priority=1),
        new_job("other", queue="other"),
        new_job("odd", type="odd"),
        new_job("gated", lane_key="c=key:1"),
        new_job("ordered-1", lane_key="o=line"),
        new_job("ordered-2", lane_key="o=line"),
        new_job("tenant", lane_key="g=a"),
        new_job("delayed", due="+60000"),
        new_job("dated", due="+90000", unique="d:s:wdba:0"),
        new_job("limited", queue_timeout_ms=3_600_000),
    )
    await shard.stage("batch", [new_job("staged-1"), new_job("staged-2")])
    await shard.stage("left", [new_job("staged-3")])
    await shard.commit("batch", 2)
