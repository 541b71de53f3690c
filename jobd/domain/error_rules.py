"""What a job type says about errors of its handler: which exception means what, and how long to wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jobd.domain.backoff import Backoff
from jobd.domain.duration import Duration, milliseconds
from jobd.domain.failure import Failure
from jobd.domain.signals import Signal
from jobd.errors import OptionError

Answer = Signal | type[Signal] | Backoff | Duration | None
"""what follows from an error: what the handler might have raised instead, or a backoff; None: what always follows"""
Rule = Answer | Callable[[Failure], Answer]
ErrorKinds = type[BaseException] | tuple[type[BaseException], ...]
OnError = Mapping[ErrorKinds, Rule]
BackoffFunction = Callable[[Failure], Duration]
_WAYS = "a signal (Fail, Cancel, Retry, Snooze, RateLimited), a backoff, a duration, or a function that returns one"


class ErrorRules:
    """The rules of one job type."""

    def __init__(self, on_error: OnError | None = None, backoff: BackoffFunction | None = None) -> None:
        """`on_error` maps exception classes, or tuples of them, to rules; of several that fit, that of the nearest
        ancestor holds. `backoff` says how long to wait. Raises OptionError."""
        self._rules = dict(_read(on_error)) if on_error is not None else {}
        self.backoff = backoff

    @property
    def silent(self) -> bool:
        """Do they say nothing of any error?"""
        return not self._rules and self.backoff is None

    def answer(self, failure: Failure) -> Signal | Backoff | None:
        """What the rules say to an error; None if they say nothing. Raises what a function of the rules raises, and
        OptionError for an answer that is none."""
        kind = next((kind for kind in type(failure.error).__mro__ if kind in self._rules), None)
        rule = self._rules[kind] if kind is not None else None
        if rule is None or isinstance(rule, Signal | Backoff):
            return rule
        return _answer(rule(failure), "its answer")

    def pause_ms(self, failure: Failure) -> int | None:
        """How long the function of this type wants to wait, in milliseconds; None if it has none. Raises what that
        raises, and OptionError for an answer that is no duration."""
        return None if self.backoff is None else milliseconds(self.backoff(failure), name="its answer")


NO_RULES = ErrorRules()


def _read(on_error: OnError) -> Iterator[tuple[type, Signal | Backoff | Callable[[Failure], Answer] | None]]:
    if not isinstance(on_error, Mapping):
        raise OptionError(f"on_error: give a dict from exceptions to rules, not {on_error!r}")
    for kinds, rule in on_error.items():
        for kind in kinds if isinstance(kinds, tuple) else (kinds,):
            if not isinstance(kind, type) or not issubclass(kind, BaseException):
                raise OptionError(f"on_error: {kind!r} is not a class of exceptions")
            if issubclass(kind, Signal):
                raise OptionError(f"on_error: {kind.__name__} is a rule already, and needs none")
            if callable(rule) and not isinstance(rule, type):
                yield kind, rule
            else:
                yield kind, _answer(rule, f"on_error: the rule for {kind.__name__}")


def _answer(answer: Any, name: str) -> Signal | Backoff | None:
    if answer is None or isinstance(answer, Signal):
        return answer
    try:
        if isinstance(answer, type) and issubclass(answer, Signal):
            return answer()
        return Backoff.parse(answer)
    except OptionError as error:
        raise OptionError(f"{name}: {answer!r} is not {_WAYS}: {error}") from None
