"""What a deliver-webhook job gives back."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Receipt(BaseModel):
    """The receiver has taken the webhook."""

    model_config = ConfigDict(frozen=True)

    webhook_id: str
    """the `webhook-id` header; follows from the job's id, the same at each attempt"""
    status: int
    duration_ms: int
    """from the look-up of the name to the end of the answer"""
    response: str
    """the beginning of the answer, as text"""
    response_cut: bool
    """was there more?"""
