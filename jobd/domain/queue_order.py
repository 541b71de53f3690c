"""In which order a worker serves the queues it was given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from jobd.domain.names import check_queue_name
from jobd.errors import OptionError

MOST_WEIGHT = 1_000


class Order(StrEnum):
    """How the queues of a worker follow each other."""

    PRIORITY = "priority"
    """by the priority of their jobs, whatever queue these stand in"""
    STRICT = "strict"
    """the first one as long as it has jobs, then the second, …"""
    WEIGHTED = "weighted"
    """by chance, the more often first the more a queue weighs"""
    ROUND_ROBIN = "round-robin"
    """in turn"""


class QueueOrder:
    """The order of each fetch."""

    def __init__(self, order: Order, queues: Sequence[str], dice: Callable[[], float], *, mark: str = "") -> None:
        """`queues` are names, or "name=weight"; `dice` gives random numbers in [0, 1); `mark` stands before each name
        ('!': the suspects among its jobs). Raises OptionError."""
        self._weights = dict(map(weighted, queues))
        self._order = order
        self._dice = dice
        self._mark = mark
        self._turn = 0

    def next(self) -> str:
        """The queues in the order in which the next fetch serves them, with spaces between; '' by priority."""
        names = list(self._weights)
        match self._order:
            case Order.PRIORITY:
                return ""
            case Order.WEIGHTED:
                # the keys of Efraimidis and Spirakis (2006): sorted by them, a sample by weight without replacement
                names.sort(key=lambda name: -(self._dice() ** (1 / self._weights[name])))
            case Order.ROUND_ROBIN:
                names = names[self._turn :] + names[: self._turn]
                self._turn = (self._turn + 1) % len(names)
        return " ".join(self._mark + name for name in names)


def weighted(word: str) -> tuple[str, int]:
    """The name and the weight of a queue: "name=weight", or a name, which weighs 1. Raises OptionError."""
    name, given, weight = word.partition("=")
    if given and not (weight.isdecimal() and 1 <= int(weight) <= MOST_WEIGHT):
        raise OptionError(f"queue {word!r}: a weight is a whole number from 1 to {MOST_WEIGHT:,}, as in {name}=6")
    return check_queue_name(name), int(weight) if given else 1
