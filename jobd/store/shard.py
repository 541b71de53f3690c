"""The verbs of one shard. One verb is one script is one transition: it happens whole or not at all, and asking twice
is safe. Nobody outside this folder can tell that it is Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, cast

from jobd.domain.delivery import ChangedQueues, Delivery, Lost, Met, NewJob
from jobd.domain.state import State
from jobd.domain.time_limits import EXPIRED, PAST_DEADLINE, WAITED_TOO_LONG
from jobd.errors import EnqueueExpired, LeaseLost, UniqueConflict
from jobd.store.agreement import Outgrown
from jobd.store.codec import LETTERS, delivery_under_way, unpack_deliveries, unpack_delivery
from jobd.store.edits import Edits
from jobd.store.facts import pack_facts
from jobd.store.inbox import Inbox
from jobd.store.intake_words import BATCH as BATCH
from jobd.store.intake_words import changed, full, grouped, made_anew, met, word
from jobd.store.link import PATIENCE_S, Argument, call
from jobd.store.once import AnsweredBefore, Once
from jobd.store.records import Records
from jobd.store.reports import Reports
from jobd.store.retention import Retention as Retention
from jobd.store.rules import Rules
from jobd.store.scripts import load
from jobd.store.settlement import Settlement as Settlement
from jobd.store.settlement import children_anew, in_order, portions, verdict_words
from jobd.store.unique_keys import UniqueKeys

BATCH_BYTES = 8 * 1024 * 1024
"""bytes of jobs in one script, unless one job alone has more; a line of 25 Mbit/s carries them in time"""
ENQUEUE_DEADLINE_S = 60.0
LINGER_MS = 10_000
"""how long an ended job is kept for those who wait for it, whatever its retention says"""
DEADLINE_MARGIN_MS = 15_000
"""how long after its time limit a delivery is taken from a worker that did not end it itself"""


class Shard(Edits, Rules, UniqueKeys, Reports, Records):
    """One shard of the store."""

    # --- jobs come in --------------------------------------------------------------------------------------------

    async def enqueue(
        self, jobs: Sequence[NewJob], *, once: Once | None = None, patience_s: float = PATIENCE_S
    ) -> list[bool | Met]:
        """Takes in up to 1 000 jobs, all or none; if one of them is to be replicated, it is answered when a replica has
        all of them. For each, in order: was it made (False: its id existed already; Met: another job has its unique
        key)? Raises EnqueueExpired, StoreUnavailable (unknown whether it took effect), StoreFull, UniqueConflict,
        AnsweredBefore if something was enqueued under that name, and Outgrown if they may belong elsewhere."""
        first: dict[str, NewJob] = {}
        for job in jobs:
            first.setdefault(job.id, job)
        if len(first) < len(jobs):
            answers = await self.enqueue(list(first.values()), once=once, patience_s=patience_s)
            told: dict[str, bool | Met] = dict(zip(first, answers, strict=True))
            made: list[bool | Met] = []
            for job in jobs:
                made.append(told[job.id])
                told[job.id] = told[job.id] and False  # who comes next is told that it is there, or again whom it met
            return made
        return await self._enqueue(jobs, "", once, patience_s)

    async def stage(
        self, batch: str, jobs: Sequence[NewJob], *, once: Once | None = None, patience_s: float = PATIENCE_S
    ) -> list[bool | Met]:
        """Takes in up to 500 jobs of a larger batch, blocked until the batch is committed. For each: does it stand in
        this batch now (False: its id existed already, outside of it; Met: another job has its unique key)?"""
        return await self._enqueue(jobs, batch, once, patience_s)

    async def _enqueue(
        self, jobs: Sequence[NewJob], batch: str, once: Once | None, patience_s: float
    ) -> list[bool | Met]:
        begun_us = await self.now_us()
        made = await self._send(jobs, batch, once, patience_s, begun_us)
        if isinstance(made, list):
            return made
        # others have changed the options of these queues; those that hold now have held during this call, whatever
        # comes next
        anew = [made_anew(job, made) for job in jobs]
        return cast("list[bool | Met]", await self._send(anew, batch, once, patience_s, begun_us, again="1"))

    async def _send(
        self,
        jobs: Sequence[NewJob],
        batch: str,
        once: Once | None,
        patience_s: float,
        sent_us: int,
        *,
        again: Literal["", "1"] = "",
    ) -> list[bool | Met] | ChangedQueues:
        """`again`: something was sent for this call before."""
        replicated = not batch and any(job.replicated for job in jobs)
        order, groups = grouped([("", job) for job in jobs])
        kept = (once.name, once.digest, ",".join(map(str, order))) if once else ("", "", "")
        for _ in range(2):
            deadline_us = sent_us + round(ENQUEUE_DEADLINE_S * 1e6)
            head = [*self._head(), deadline_us, sent_us]
            tail = [batch, deadline_us // 1_000, *kept, self.among, *groups]
            run = partial(self.link.run_replicated, self.keys.barrier) if replicated else self.link.run_repeating
            reply = await run("enqueue", self._keys("enqueue"), [*head, again, *tail], [*head, "1", *tail], patience_s)
            if reply[0] == b"ok":
                made: list[bool | Met] = [True] * len(jobs)
                for known in reply[1:]:
                    position, what = met(known)
                    made[order[position - 1]] = what
                return made
            if reply[0] == b"answered" and once:
                raise AnsweredBefore(once, reply[1].decode(), reply[2:])
            if reply[0] == b"unique":
                job_id, owner = reply[1].decode(), reply[2].decode()
                raise UniqueConflict(f"job {owner} has the unique key of job {job_id}; nothing was enqueued", owner)
            if reply[0] == b"full":
                raise full(*reply[1:])
            if reply[0] == b"changed":
                return changed(reply)
            if reply[0] == b"grown":
                raise Outgrown(
                    f"the store has grown to {reply[1]} shards, and it could not be found out where these jobs belong; "
                    "nothing was enqueued where they were sent to; try again",
                    *(self.number, reply[1]),
                )
            if reply[1] == b"1":
                break  # an earlier sending may have taken effect, so long ago that the store may have forgotten
            # it was the first: the server's clock may have jumped; ask for its time, and begin anew
            self._ahead_us = None
            sent_us = await self.now_us()
        raise EnqueueExpired(
            f"the enqueue arrived more than {ENQUEUE_DEADLINE_S:g} s after it was first sent; it stored nothing now"
        )

    async def commit(
        self,
        batch: str,
        size: int,
        *,
        once: Once | None = None,
        answers: Sequence[tuple[str, str]] = (),
        replicated: bool = False,
        patience_s: float = PATIENCE_S,
    ) -> bool:
        """Commits a staged batch of `size` jobs, and keeps `answers` to its request; `replicated`: answered when a
        replica has them too. False if it is not there whole (any more). Raises AnsweredBefore."""
        kept = (once.name, once.digest, *map(" ".join, answers)) if once else ("", "")
        words = [*self._head(), batch, size, *kept]
        run = partial(self.link.run_replicated, self.keys.barrier) if replicated else self.link.run_repeating
        reply = await run("commit", self._keys("commit"), words, words, patience_s)
        if reply[0] == b"answered" and once:
            raise AnsweredBefore(once, reply[1].decode(), reply[2:])
        return bool(reply[0] == b"ok")

    async def release(self, batch: str, *, give_up: bool = False) -> int:
        """Releases up to 500 jobs of a committed batch, or gives up those of one that was not committed in time, or, to
        `give_up`, has not been yet. Returns how many are left, -1 if the batch is still being sent."""
        return int(await self._run("release", batch, "1" if give_up else ""))

    async def staged(self) -> list[str]:
        """The batches that are not released yet."""
        return [name.decode() for name in await self.link.command("HKEYS", self.keys.fixed("stages"))]

    # --- jobs are worked on --------------------------------------------------------------------------------------

    async def join(self, member: str, *, lease_ms: int, lines: Sequence[str], about: bytes) -> None:
        """A process joins under a new id: from now on, and as long as it renews its lease, it may hold jobs. `lines`
        are the queues it serves ('*' all), with '!' in front those of suspects; '@scheduler' and '@monitor' for those.
        Raises LeaseLost if the lease of this id has run out before."""
        now_us: bytes = await self._run("join", member, lease_ms, " ".join(lines), about)
        if not now_us:
            raise LeaseLost(f"the lease of {member} has run out; it may join under a new id")
        self._know_time(int(now_us))

    async def describe(self, member: str, about: bytes) -> bool:
        """A member says anew who it is, in JSON. False if it has left."""
        return int(await self._run("describe", member, about)) == 1

    async def renew(self, members_: Sequence[str], lease_ms: int, *, patience_s: float) -> tuple[list[bool], bool]:
        """Prolongs the leases of one or more members. For each: does it go on? And: do suspects wait for a process of
        their own?"""
        reply = await self._run("renew", lease_ms, *members_, patience_s=patience_s)
        return [flag == 1 for flag in reply[1:]], reply[0] == 1

    async def leave(self, member: str, cause: str = "", *, patience_s: float = PATIENCE_S) -> int:
        """A process has left, or has been seen to die by `cause`. Returns how many jobs it left, to be taken over."""
        return int(await self._run("leave", member, cause, patience_s=patience_s))

    async def order(self, member: str, what: str) -> bool:
        """Tells a member what people want of it. False if it is not there (any more)."""
        return int(await self._run("order", member, what)) == 1

    async def turn(
        self,
        member: str,
        settlements: Sequence[Settlement],
        *,
        sequence: int,
        want: int,
        types: str,
        order: str = "",
        patience_s: float = PATIENCE_S,
    ) -> tuple[list[int], list[Delivery]]:
        """One trip of a worker: settles, and fetches up to `want` jobs of `types` (',a,b,'), from its lines in `order`
        ('a b'; '': by priority). For each settlement: 1 applied, 2 applied before, 0 refused. Raises LeaseLost if the
        worker may not fetch any more."""
        *early, settlements = portions(settlements)
        answers = [answer for portion in early for answer in await self.settle(member, portion, patience_s=patience_s)]
        fetch = ("fetch", self._keys("fetch"), self._fetch(member, sequence, want, types, order))
        if settlements:
            arguments, places = self._settle(member, settlements)
            reply, batch = await self.link.run_pair(
                [("settle", self._keys("settle"), arguments), fetch], patience_s=patience_s
            )
            answers += await self._answers(member, settlements, reply, places, patience_s)
        else:
            batch = await self.link.run(*fetch, patience_s=patience_s)
        return answers, _deliveries(member, batch)

    async def fetch_behind(
        self, inbox: Inbox, member: str, *, sequence: int, want: int, types: str, order: str = ""
    ) -> list[Delivery] | None:
        """The fetch of a worker that has nothing else to do: sent now, done by the store together with the next word
        in its inbox, so that a job that is made is on its way at once. None if nobody listens there now. Raises
        StoreUnavailable when it is unknown whether it took effect; a turn with the same sequence finds out. Raises
        LeaseLost as `turn` does."""
        command = call(load("fetch"), self._keys("fetch"), self._fetch(member, sequence, want, types, order))
        batch = await inbox.ask_behind(command)
        return None if batch is None else _deliveries(member, batch)

    def _fetch(self, member: str, sequence: int, want: int, types: str, order: str) -> list[Argument]:
        return [*self._head(), member, sequence, want, types, DEADLINE_MARGIN_MS, order]

    async def settle(
        self, holder: str, settlements: Sequence[Settlement], *, patience_s: float = PATIENCE_S
    ) -> list[int]:
        """Applies verdicts. For each: 1 applied, 2 applied before, 0 refused because somebody else has the job."""
        answers: list[int] = []
        for portion in portions(settlements):
            arguments, order = self._settle(holder, portion)
            reply = await self.link.run("settle", self._keys("settle"), arguments, patience_s=patience_s)
            answers += await self._answers(holder, portion, reply, order, patience_s)
        return answers

    async def _answers(
        self, holder: str, settlements: Sequence[Settlement], reply: Any, order: list[int], patience_s: float
    ) -> list[int]:
        """What a settle was answered. If nothing was done, as options of queues have changed since handlers enqueued
        into them, what they enqueued is made anew."""
        if isinstance(reply, list):
            children_anew(settlements, changed(reply))
            arguments, order = self._settle(holder, settlements)
            reply = await self.link.run("settle", self._keys("settle"), arguments, patience_s=patience_s)
        return in_order(reply, order)

    def _settle(self, holder: str, settlements: Sequence[Settlement]) -> tuple[list[Argument], list[int]]:
        """The arguments of the script, and for each of its answers the index of the settlement."""
        finished: list[Argument] = []
        results: list[Argument] = []
        fences: list[int] = []
        fence = None
        others: list[Argument] = []
        children: list[tuple[str, NewJob]] = []
        completed: list[int] = []
        uncompleted: list[int] = []
        for index, item in enumerate(settlements):
            if item.verdict.state is State.COMPLETED:
                finished.append(item.job_id)
                results.append(item.result)
                if item.fence != fence:
                    fence = item.fence
                    fences += (fence, 0)
                fences[-1] += 1
                completed.append(index)
                if item.children:
                    children += [(str(len(completed)), child) for child in item.children]
            else:
                others += (item.job_id, item.fence, *verdict_words(item.verdict), pack_facts(item.facts))
                uncompleted.append(index)
        retention = self.retention
        _, groups = grouped(children)
        arguments: list[Argument] = [
            *self._head(),
            holder,
            retention.most_completed,
            retention.most_failed,
            len(completed),
            *finished,
            *results,
            len(fences) // 2,
            *fences,
            len(uncompleted),
            *others,
            *groups,
        ]
        return arguments, completed + uncompleted

    async def take_over(self, monitor: str, *, most: int = BATCH, start: int = 0) -> tuple[list[Lost], int, bool]:
        """Takes over what has lost its lease or passed its deadline, under a new fence. Returns it, where to go on (0:
        all were seen), and whether there is more. What was taken over before and is not settled yet comes again, alone.
        Raises LeaseLost if the monitor's own lease has run out."""
        reply = await self._run("takeover", monitor, most, start)
        if reply[0] != b"ok":
            raise LeaseLost(f"the lease of {monitor} has run out")
        lost = []
        for at in range(3, len(reply), 8):
            job_id, spec, run, former, why, size, cause, lines = reply[at : at + 8]
            lost.append(
                Lost(
                    delivery=unpack_delivery(job_id, spec, run),
                    former_holder=former.decode(),
                    overdue=why == b"deadline",
                    neighbours=int(size),
                    cause=cause.decode(),
                    holder_was_solo=lines.startswith(b"!"),
                )
            )
        return lost, int(reply[1]), reply[2] == 1

    # --- time passes ---------------------------------------------------------------------------------------------

    async def promote(self, scheduler: str = "") -> tuple[int, int | None]:
        """Makes waiting what is due, up to 250 jobs. Returns how many, and in how many milliseconds the next is due."""
        moved, next_due, now = await self._run("promote", scheduler)
        return int(moved), None if next_due < 0 else max(0, int(next_due) - int(now))

    async def expire(self) -> int:
        """Ends jobs that wait although their time has passed; looks at up to 500. Returns how many those were."""
        missed = (EXPIRED, PAST_DEADLINE, WAITED_TOO_LONG)
        facts = [pack_facts({"reason": each.reason} | ({"error": each.error} if each.error else {})) for each in missed]
        return int(await self._run("expire", self.retention.most_failed, *facts))

    async def shelves(self) -> list[str]:
        """The shelves of jobs that say themselves how long they are kept: "<queue>:<letter>:<type>/<count>/<ms>"."""
        return [name.decode() for name in await self.link.command("HKEYS", self.keys.fixed("shelves"))]

    async def prune_shelf(self, shelf: str, older_ms: int | None, most: int | None) -> int:
        """Removes up to 500 jobs from a shelf: those that ended longer ago than `older_ms`, and the oldest beyond
        `most`, some seconds after their end. Returns how many."""
        age, count = ("" if bound is None else bound for bound in (older_ms, most))
        return int(await self._run("prune", shelf, age, count, LINGER_MS))

    async def prune(self, queue: str, state: State, older_ms: int) -> int:
        """Removes up to 500 jobs that ended in `state` longer ago than `older_ms`. Returns how many."""
        return await self.prune_shelf(f"{queue}:{LETTERS[state]}", older_ms, None)

    # --- people ask ----------------------------------------------------------------------------------------------

    async def cancel(self, ids: Sequence[str], facts: Mapping[str, Any]) -> list[str]:
        """For each: 'missing', 'cancelled', 'asked' (it runs, its worker is told), or the state it has ended in."""
        replies = await self._run("cancel", self.retention.most_failed, pack_facts(facts), *ids)
        return [word(reply) for reply in replies]

    async def asked_to_end(
        self, deliveries: Sequence[tuple[str, int]], *, patience_s: float = PATIENCE_S
    ) -> list[tuple[str, int]]:
        """Of these deliveries, each an id and a fence, those that are to be cancelled."""
        ids = [job_id for job_id, _ in deliveries]
        runs = await self.link.command("HMGET", self.keys.fixed("runs"), *ids, patience_s=patience_s) if ids else []
        return [
            key for key, run in zip(deliveries, runs, strict=True) if run and delivery_under_way(run) == (key[1], True)
        ]

    async def asked_of(self, member: str, *, patience_s: float = PATIENCE_S) -> str:
        """What people wanted of it last, as `order` was told; '' if nothing."""
        asked: bytes | None = await self.link.command("HGET", self.keys.member(member), "asked", patience_s=patience_s)
        return (asked or b"").decode()

    async def held_by(self, member: str, *, patience_s: float = PATIENCE_S) -> list[tuple[str, int]]:
        """What a member has in hand, each an id and a fence."""
        ids = await self.link.command("ZRANGE", self.keys.held(member), 0, -1, patience_s=patience_s)
        runs = await self.link.command("HMGET", self.keys.fixed("runs"), *ids, patience_s=patience_s) if ids else []
        fences = [delivery_under_way(run)[0] if run else 0 for run in runs]
        return [(each.decode(), fence) for each, fence in zip(ids, fences, strict=True) if fence]

    async def retry(self, ids: Sequence[str]) -> list[str]:
        """For each: 'missing', 'waiting' (made so now), the state it is in and stays in, or 'unique <id>': another job
        has its unique key."""
        sent_ms = (await self.now_us()) // 1_000
        replies = await self.link.run_repeating(
            "retry", self._keys("retry"), [*self._head(), "", *ids], [*self._head(), sent_ms, *ids], PATIENCE_S
        )
        return [word(reply) for reply in replies]

    async def watch(self, job_id: str, inbox: str) -> str:
        """Asks to be told in `inbox` when the job ends: 'watching', 'ended' already, or 'missing'."""
        reply: bytes = await self._run("watch", job_id, inbox)
        return reply.decode()


def _deliveries(member: str, batch: Sequence[Any]) -> list[Delivery]:
    """What a fetch has brought."""
    if batch[0] != b"ok":
        raise LeaseLost(f"the lease of {member} has run out; what it held belongs to others now")
    if len(batch) == 1:
        return []
    _, specs, ids, records = batch
    runs = [run for run, number in zip(records[::2], records[1::2], strict=True) for _ in range(number)]
    return unpack_deliveries(ids, specs, runs)
