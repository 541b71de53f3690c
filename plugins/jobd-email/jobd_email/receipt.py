"""What a send-email job gives back."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Refusal(BaseModel):
    """A recipient that the mail server did not take, and its words."""

    model_config = ConfigDict(frozen=True)

    address: str
    code: int
    reason: str

    @property
    def permanent(self) -> bool:
        """Would it be refused the next time too?"""
        return 500 <= self.code <= 599

    def __str__(self) -> str:
        return f"{self.address}: {self.code} {self.reason}"


class Receipt(BaseModel):
    """The mail server has taken the mail for those in `accepted`."""

    model_config = ConfigDict(frozen=True)

    message_id: str
    """the Message-ID header; follows from the job's id"""
    accepted: list[str]
    refused: list[Refusal]
    response: str
    """the server's last words, often with the id under which it keeps the mail"""
