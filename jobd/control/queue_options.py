"""Options that queues say of their jobs, at run time: for all who enqueue, whatever process they are in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from jobd.control.limits import LimitControl
from jobd.domain.limits import Scope, gate_of
from jobd.domain.options import NONE, Options, from_record
from jobd.domain.queue_options import ALL, QueueOptions, option_fields, options_in, read_changes
from jobd.store.queue_rule import learn_queue
from jobd.store.rules import SET, in_layers

if TYPE_CHECKING:
    from jobd.domain.keywords import OptionsOfQueue
    from jobd.domain.levels import Levels


class QueueOptionControl(LimitControl):
    """The part of a client that is about the options of a queue's jobs."""

    levels: Levels

    async def queue_options(self, queue: str) -> QueueOptions:
        """What a queue says of its jobs now. Raises OptionError."""
        rule = await learn_queue(self.store, self.levels, queue)
        set_here = from_record(options_in(in_layers(rule, (SET,))))
        return QueueOptions(queue=queue, holds=self.levels.resolve(Options(queue=queue)), set=set_here)

    async def set_queue_options(self, queue: str, **options: Unpack[OptionsOfQueue]) -> QueueOptions:
        """Says options for the jobs of a queue, for all processes: they hold for jobs that are enqueued from now on and
        neither say them themselves nor have them from their type, and win over what the configuration says of the
        queue. None takes one back; what is not named stays as it is. Raises OptionError naming the option and what is
        allowed."""
        return await self.change_queue_options(queue, read_changes(options))

    async def reset_queue_options(self, queue: str) -> QueueOptions:
        """Takes back all options that were set for a queue: those of the configuration hold again. Raises
        OptionError."""
        return await self.change_queue_options(queue, dict.fromkeys(ALL))

    async def change_queue_options(self, queue: str, changes: Mapping[str, Any]) -> QueueOptions:
        """The same for changes that have been read (domain/queue_options.py)."""
        gate = gate_of(Scope.QUEUE, queue)
        for shard in await self.store.shards_with(queue):
            await shard.set_rule(gate, option_fields(changes))
        return await self.queue_options(queue)

    async def options_of(self, of_type: Options) -> Options:
        """All options of a job that says none, of a type that says these."""
        await learn_queue(self.store, self.levels, of_type.queue or self.levels.defaults.queue or "")
        return self.levels.resolve(NONE, of_type)
