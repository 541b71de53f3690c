"""Verdicts on the outcomes of attempts, by all that was said about the job."""

from __future__ import annotations

from jobd import clock
from jobd.catalog import Catalog
from jobd.domain.backoff import DEFAULT as DEFAULT_BACKOFF
from jobd.domain.backoff import Backoff
from jobd.domain.delivery import Delivery
from jobd.domain.failure import Failure
from jobd.domain.levels import Levels
from jobd.domain.outcome import Outcome
from jobd.domain.queue_options import backoff_beside
from jobd.domain.ruling import ruled
from jobd.domain.settle import Verdict, settle
from jobd.store.own_options import checked_options

TOO_LATE = "its next attempt would come after its deadline"


class Verdicts:
    """What follows from an outcome: for the worker that ran a job, and for the monitor that takes one over."""

    def __init__(self, catalog: Catalog, levels: Levels) -> None:
        self._catalog = catalog
        self._levels = levels

    def on(self, delivery: Delivery, outcome: Outcome) -> Verdict:
        """The verdict on the outcome of a delivery."""
        verdict = settle(
            outcome,
            attempt=delivery.attempt,
            max_attempts=delivery.max_attempts,
            backoff=self._backoff(delivery),
            dice=clock.dice(),
            crashes=delivery.crashes,
        )
        return verdict if delivery.limits is None else verdict.before(delivery.limits.deadline_ms, clock.now_ms())

    def ruled(self, delivery: Delivery, failed: Outcome, error: BaseException) -> Outcome:
        """What the rules of its type make of an outcome, where its plugin is installed."""
        job_type = self._catalog.find(delivery.type)
        if job_type is None:
            return failed
        own = checked_options(delivery.options).backoff is not None
        return ruled(failed, Failure(delivery, error), job_type.error_rules, own_backoff=own)

    def _backoff(self, delivery: Delivery) -> Backoff:
        """The job's own, else that of its type, of its queue, of all. That of its queue it has brought along, unless
        only the configuration of this process says one."""
        own = checked_options(delivery.options).backoff if delivery.options else None
        if own is not None:
            return own
        job_type = self._catalog.find(delivery.type)
        of_type = job_type.options.backoff if job_type is not None else None
        if of_type is None and delivery.options:
            of_type = backoff_beside(delivery.options)
        return of_type or self._levels.below(delivery.queue).backoff or DEFAULT_BACKOFF
