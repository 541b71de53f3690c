"""Parts of the settings; those that hold options of jobs follow from the options as they are declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model, model_validator

from jobd.domain.options import ROWS, Level, Options, Row, clash_of, clashes, put_together
from jobd.errors import OptionError


class Section(BaseModel):
    """A part of the settings; names that do not exist are refused."""

    # built when it is used: each section is a part of the whole, and built once with it
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


class OptionsSection(Section):
    """Options of jobs, in the words of the configuration file or of the environment."""

    def options(self) -> Options:
        """What is given, read."""
        return put_together({name: ROWS[name].from_setting(value) for name, value in self._given().items()})

    def _given(self) -> dict[str, Any]:
        return {name: value for name, value in self if value is not None}

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        for row, other in clashes(self._given()):
            raise ValueError(clash_of(row.keyword, other.keyword, same=row.field == other.field))
        return self


if TYPE_CHECKING:

    class DefaultsSettings(OptionsSection):
        """`[defaults]`: what holds for jobs where nobody else says anything."""

    class QueueSettings(OptionsSection):
        """`[queues.<name>]`: what holds for the jobs in a queue where neither they nor their types say anything."""

else:

    def _section_at(level: Level, name: str) -> type[OptionsSection]:
        rows = {keyword: _option(row) for keyword, row in ROWS.items() if level in row.levels}
        return create_model(name, __base__=OptionsSection, __module__=__name__, **rows)

    def _option(row: Row) -> Any:
        def check(value: object) -> object:
            if value is not None:
                try:
                    row.from_setting(value)
                except OptionError as error:
                    raise ValueError(str(error).removeprefix(f"{row.keyword}: ")) from None
            return value

        return Annotated[Any, AfterValidator(check)], Field(default=None, description=row.about)

    DefaultsSettings = _section_at(Level.DEFAULTS, "DefaultsSettings")
    QueueSettings = _section_at(Level.QUEUE, "QueueSettings")
