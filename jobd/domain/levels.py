"""The levels below a job and its type: what is set for a queue, and what holds for all.

What a queue says is declared by configurations and set at run time, kept in the store, and the same for all who
enqueue: each learns of it when it has enqueued by something else (lua/lib/intake.lua). What the configuration of this
process says besides stands below that.
"""

from __future__ import annotations

from collections.abc import Mapping

from jobd.domain.names import same_name
from jobd.domain.options import DEFAULTS, NONE, Options


class Levels:
    """What queues say, over the defaults."""

    def __init__(self, defaults: Options = DEFAULTS, queues: Mapping[str, Options] | None = None) -> None:
        """`defaults` are completed from those of jobd. In the names of queues `_` and `-` are the same."""
        self.defaults = defaults.over(DEFAULTS)
        self._shared: dict[str, tuple[str, Options]] = {}
        self.changes = 0
        """how often something was learnt"""
        self._queues = {same_name(queue): options.over(self.defaults) for queue, options in (queues or {}).items()}

    def learn(self, queue: str, edition: str, options: Options) -> None:
        """What the store says of the jobs of a queue, and which edition of that it is; '' is none."""
        name = same_name(queue)
        if self.edition(queue) != edition:
            self.changes += 1
            self._shared.pop(name, None)
            if edition:
                self._shared[name] = (edition, options)

    def edition(self, queue: str) -> str:
        """Of what is known here of what the store says of a queue; '' if nothing is."""
        return self._shared[same_name(queue)][0] if self._shared and same_name(queue) in self._shared else ""

    def shared(self, queue: str) -> Options:
        """What the store says of the jobs of a queue, as far as it is known here."""
        return self._shared[same_name(queue)][1] if self._shared and same_name(queue) in self._shared else NONE

    def below(self, queue: str) -> Options:
        """What the configuration of this process says of jobs in this queue where nobody else says anything."""
        return self._queues.get(same_name(queue), self.defaults) if self._queues else self.defaults

    def resolve(self, own: Options, of_type: Options = NONE) -> Options:
        """All options of a job that says `own`, of a type that says `of_type`."""
        said = own.over(of_type)
        queue = said.queue or self.defaults.queue or ""
        return said.over(self.shared(queue).over(self.below(queue)))
