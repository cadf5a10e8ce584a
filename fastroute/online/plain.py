"""Settings that are plain values, refused in one line."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError


class Plain(BaseModel):
    """A frozen object of plain values.

    Raises
    ------
    ValueError
        Naming the field, the value and what it must be.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    def __init__(self, **options: Any) -> None:
        try:
            super().__init__(**options)
        except ValidationError as error:
            raise ValueError(_sentence(type(self), error)) from None


def _sentence(cls: type[BaseModel], error: ValidationError) -> str:
    detail = error.errors()[0]
    field = ".".join(str(part) for part in detail["loc"])
    message = str(detail["msg"]).removeprefix("Value error, ")
    if not field:
        return message
    if detail["type"] == "extra_forbidden":
        return f"{field}={detail['input']!r} is not one of {', '.join(cls.model_fields)}"
    if detail["type"] == "missing":
        return f"{field} is missing"
    message = message.replace("Input should be", "must be")
    return f"{field}={detail['input']!r}: {message}"
