"""`[defaults]` and `[queues.<name>]`, which follow from the options of jobs as they are declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, create_model, model_validator

from jobd.domain.kinds.kind import Kind
from jobd.domain.limits import LIMITS, SPREAD_FORBIDS, Limit, Scope
from jobd.domain.options import ROWS, Level, Options, Row, clash_of, clashes, put_together
from jobd.errors import OptionError
from jobd.settings.section import Section


class OptionsSection(Section):
    """Options of jobs, in the words of the configuration file or of the environment."""

    def options(self) -> Options:
        """What is given, read."""
        return put_together({name: ROWS[name].from_setting(value) for name, value in self._given().items()})

    def _given(self) -> dict[str, Any]:
        return {name: value for name, value in self if value is not None and name in ROWS and name not in self.others}

    others: ClassVar[frozenset[str]] = frozenset()
    """the names of what is no option of jobs"""

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        for row, other in clashes(self._given()):
            raise ValueError(clash_of(row.keyword, other.keyword, same=row.field == other.field))
        return self


if TYPE_CHECKING:

    class DefaultsSettings(OptionsSection):
        """`[defaults]`: what holds for jobs where nobody else says anything."""

    class QueueSettings(OptionsSection):
        """`[queues.<name>]`: what holds for the jobs in a queue where neither they nor their types say anything, and
        what limits the queue itself."""

        spread: bool

        def rule(self) -> dict[str, Any]:
            """Its limits, as the store keeps them."""

else:

    def _section_at(level: Level, name: str, base: type[OptionsSection] = OptionsSection, **more: Any) -> Any:
        rows = {keyword: _option(row) for keyword, row in ROWS.items() if level in row.levels}
        return create_model(name, __base__=base, __module__=__name__, **rows, **more)

    def _option(row: Row) -> Any:
        def check(value: object) -> object:
            if value is not None:
                try:
                    row.from_setting(value)
                except OptionError as error:
                    raise ValueError(str(error).removeprefix(f"{row.keyword}: ")) from None
            return value

        return Annotated[Any, AfterValidator(check)], Field(default=None, description=row.about)

    def _limit(limit: Limit) -> Any:
        def check(value: object) -> object:
            if value is not None:
                try:
                    _from_setting(limit.kind, value, limit.keyword)
                except OptionError as error:
                    raise ValueError(str(error).removeprefix(f"{limit.keyword}: ")) from None
            return value

        return Annotated[Any, AfterValidator(check)], Field(default=None, description=limit.about)

    def _from_setting(kind: Kind, value: object, name: str) -> Any:
        return kind.from_text(value, name) if isinstance(value, str) else kind.parse(value, name)

    _LIMITS = {name: limit for name, limit in LIMITS.items() if Scope.QUEUE in limit.scopes}

    class LimitedSection(OptionsSection):
        """Options of the jobs of a queue, limits of the queue itself, and where it lives."""

        others = frozenset(_LIMITS)
        spread: bool = Field(
            default=False, description="its jobs are in all shards of the store, not in one; for ever once said"
        )

        @model_validator(mode="after")
        def _hold_when_spread(self) -> Self:
            for name in SPREAD_FORBIDS if self.spread else ():
                if getattr(self, name) is not None:
                    raise ValueError(
                        f"{name} needs all jobs of the queue in one shard, and spread = true puts them into several; "
                        "limit its groups, its types or keys of its jobs"
                    )
            return self

        def rule(self) -> dict[str, Any]:
            """Its limits, as the store keeps them."""
            return {
                limit.field: limit.to_rule(_from_setting(limit.kind, value, name))
                for name, limit in _LIMITS.items()
                if (value := getattr(self, name)) is not None
            }

    DefaultsSettings = _section_at(Level.DEFAULTS, "DefaultsSettings")
    QueueSettings = _section_at(
        Level.QUEUE, "QueueSettings", LimitedSection, **{name: _limit(limit) for name, limit in _LIMITS.items()}
    )
