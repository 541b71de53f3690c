"""The levels below a job and its type: what is set for a queue, and what holds for all."""

from __future__ import annotations

from collections.abc import Mapping

from jobd.domain.names import same_name
from jobd.domain.options import DEFAULTS, NONE, Options


class Levels:
    """What queues say, over the defaults."""

    def __init__(self, defaults: Options = DEFAULTS, queues: Mapping[str, Options] | None = None) -> None:
        """`defaults` are completed from those of jobd. In the names of queues `_` and `-` are the same."""
        self.defaults = defaults.over(DEFAULTS)
        self._queues = {same_name(queue): options.over(self.defaults) for queue, options in (queues or {}).items()}

    def below(self, queue: str) -> Options:
        """What holds in this queue where neither a job nor its type says anything."""
        return self._queues.get(same_name(queue), self.defaults) if self._queues else self.defaults

    def resolve(self, own: Options, of_type: Options = NONE) -> Options:
        """All options of a job that says `own`, of a type that says `of_type`."""
        said = own.over(of_type)
        return said.over(self.below(said.queue or self.defaults.queue or ""))
