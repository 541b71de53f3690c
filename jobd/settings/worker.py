"""`[worker]`: how jobs are run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from jobd.domain.queue_order import Order, QueueOrder, weighted
from jobd.settings.section import Section
from jobd.settings.values import Milliseconds, Patience, Queues, Size, Words, lower


class WorkerSettings(Section):
    """`[worker]`: how jobs are run."""

    processes: Annotated[int, Field(ge=0, le=1_000)] | Literal["auto"] = Field(
        default=1, description="worker processes; 0: in the main one; auto: cores"
    )
    concurrency: int = Field(default=50, ge=1, le=10_000, description="jobs at a time in one process")
    threads: int = Field(default=50, ge=1, le=1_000, description="of these, sync handlers at a time")
    queues: Queues = Field(default=(), description="queues to serve, as names or name=weight; none named: all")
    queue_order: Annotated[Order, BeforeValidator(lower)] = Field(
        default=Order.PRIORITY, validate_default=True, description="how these follow each other"
    )
    lease: Patience = Field(default=20_000, description="how long a silent process keeps its jobs")
    grace: Milliseconds = Field(default=25_000, description="how long running jobs may take to end at shutdown")
    isolated_environment: Words = Field(
        default=(), description="variables that handlers in processes of their own are given; APP_* stands for many"
    )
    max_jobs: int = Field(default=0, ge=0, description="a process gives way to another after so many; 0: never")
    max_memory: Size = Field(default=0, description="or when it has more than that, such as 1GB; 0: never")
    max_loop_block: Patience = Field(default=300_000, description="a process that hangs longer is killed")

    @field_validator("max_jobs", "max_memory")
    @classmethod
    def _can_be_relieved(cls, most: int, others: ValidationInfo) -> int:
        if most and others.data.get("processes") == 0:
            raise ValueError("with processes = 0 there is nobody who could put another process in place of this one")
        return most

    @field_validator("queue_order")
    @classmethod
    def _fits_queues(cls, order: Order, others: ValidationInfo) -> Order:
        if (queues := others.data.get("queues")) is None:
            return order  # they are wrong themselves, which is said
        names = [weighted(word)[0] for word in queues]
        if order is not Order.PRIORITY and not names:
            raise ValueError(f"{order.value!r} is an order of queues that are named; name them in worker.queues")
        if order is not Order.PRIORITY and (twice := next((name for name in names if names.count(name) > 1), None)):
            raise ValueError(f"worker.queues names {twice!r} twice, so its place in the order is not clear")
        if order is not Order.WEIGHTED and (heavy := next((word for word in queues if "=" in word), None)):
            raise ValueError(f"worker.queues has a weight, {heavy!r}, and weights are for the order 'weighted'")
        return order

    @property
    def queue_names(self) -> list[str]:
        """The queues to serve, without their weights; none: all."""
        return list(dict.fromkeys(weighted(word)[0] for word in self.queues))

    def order_of(self, dice: Callable[[], float], *, mark: str = "") -> QueueOrder:
        """A new QueueOrder of these queues."""
        return QueueOrder(self.queue_order, self.queues, dice, mark=mark)
