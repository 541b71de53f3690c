"""The words between Python and the scripts: how new jobs are told to them, and what they answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import orjson

from jobd.domain.delivery import ChangedQueues, Met, NewJob
from jobd.domain.lane_key import decoded
from jobd.domain.queue_options import options_in
from jobd.errors import QueueFull
from jobd.store.codec import STATES
from jobd.store.link import Argument
from jobd.store.rules import in_layers

BATCH = 500
"""jobs in one script: about 5 ms of the server's time at most, whatever is asked for them"""
WHOLE = 1_000
"""jobs that are taken in by one script if they are all there are, as in a batch of the API: 5 ms if nothing special is
asked for them, nor times of their own; to send them in parts, and keep those apart until all have come, takes the
server twice as much"""
DELAYED, OWN_TIME, UNIQUE = 3, 28, 6
"""a delayed job costs the server as much as so many more that are not, as it stands in two tables: where both grow to
twice their size at a time, each that comes makes others move, into memory that is new. And so do each time at which
some are due, where a million are delayed, and a unique key"""
MOST_COST = WHOLE + OWN_TIME


def grouped(jobs: Iterable[tuple[str, NewJob]]) -> tuple[list[int], list[Argument]]:
    """The arguments of lua/lib/intake.lua, and for each position in them the index of the job."""
    groups: dict[tuple[str, str, int, str, str], list[int]] = {}
    listed = list(jobs)
    if len(listed) == 1:
        return _in_turn(listed)
    for index, (parent, job) in enumerate(listed):
        groups.setdefault((parent, job.queue, job.priority, job.due, job.edition), []).append(index)
    if len(groups) > 1 and any(job.unique for _, job in listed):
        return _in_turn(listed)
    arguments: list[Argument] = [sum(-(-len(indices) // BATCH) for indices in groups.values())]
    order: list[int] = []
    for (parent, queue, priority, due, _), indices in groups.items():
        for at in range(0, len(indices), BATCH):
            some = indices[at : at + BATCH]
            arguments += (parent, queue, priority, due, len(some))
            for index in some:
                job = listed[index][1]
                arguments += (job.id, job.spec)
        order += indices
    return order, arguments + _editions((queue, edition) for _, queue, _, _, edition in groups)


def _in_turn(listed: Sequence[tuple[str, NewJob]]) -> tuple[list[int], list[Argument]]:
    """The same for jobs of which some may have the same unique key: then it matters which one comes first."""
    arguments: list[Argument] = [len(listed)]
    for parent, job in listed:
        arguments += (parent, job.queue, job.priority, job.due, 1, job.id, job.spec)
    return list(range(len(listed))), arguments + _editions([(job.queue, job.edition) for _, job in listed])


def _editions(said: Iterable[tuple[str, str]]) -> list[Argument]:
    """By which edition of its options the jobs of each queue were made, where it had any."""
    editions: dict[str, str] = {}
    for queue, edition in said:
        if edition != "-":
            # of two, one at least is old
            editions[queue] = edition if editions.get(queue, edition) == edition else "several"
        elif queue not in editions:
            editions[queue] = edition
    return [word for queue, edition in editions.items() if edition for word in (queue, edition)]


def changed(reply: Sequence[bytes]) -> ChangedQueues:
    """The queues of which a script says that their options have changed."""
    found = {}
    for queue, raw in zip(reply[1::2], reply[2::2], strict=True):
        rule = orjson.loads(raw) if raw else {}
        found[queue.decode()] = (rule.get("edition", ""), options_in(in_layers(rule)))
    return found


def made_anew(job: NewJob, changes: ChangedQueues) -> NewJob:
    """A job made by these options of queues, whatever they are when it comes. Raises OptionError if it cannot have
    them."""
    return (job.again(job, changes) if job.again is not None else job)._replace(edition="-")


def met(known: int | bytes) -> tuple[int, Literal[False] | Met]:
    """Of a job that was not made: its position, and what it met; False if its id existed."""
    if isinstance(known, int):
        return known, False
    position, what, other = known.decode().split(" ")
    return int(position), Met(other, what == "replaced")


def word(reply: bytes) -> str:
    said = reply.decode()
    return STATES[said].value if said in STATES else said


def full(queue: bytes, size: int | bytes, there: int | bytes, group: bytes | None = None) -> QueueFull:
    """The refusal of a queue that has no room, or of a group in it; to a repeat its numbers come as text."""
    there, size = int(there), int(size)
    what = f"queue {queue.decode()}" if group is None else f"group {decoded(group.decode())} of queue {queue.decode()}"
    return QueueFull(
        f"{what} is full: {there:,} jobs of {size:,} have not started; nothing was enqueued; try again when some have"
    )
