"""What HTTP itself refuses, before any job is in question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobd.errors import InvalidRequest, JobdError


class Refusal(JobdError):
    """The family. `faults` name the wrong places, `headers` go with the answer."""

    def __init__(
        self, message: str, faults: Sequence[Mapping[str, object]] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.faults = tuple(faults)
        self.headers = headers


class BadRequest(Refusal):
    """Raised when a request cannot be understood: its body is not JSON, or a parameter of its query is wrong."""

    status = 400
    code = "bad_request"


class Unauthenticated(Refusal):
    """Raised when a request has no token, or a wrong one."""

    status = 401
    code = "unauthenticated"


class Forbidden(Refusal):
    """Raised when a browser sends a request on behalf of a foreign page."""

    status = 403
    code = "forbidden"


class NotFound(Refusal):
    """Raised when there is no queue or job type of that name."""

    status = 404
    code = "not_found"


class NotAllowed(Refusal):
    """Raised when a path exists and does not offer the method."""

    status = 405
    code = "method_not_allowed"


class TooSlow(Refusal):
    """Raised when a body does not arrive in time."""

    status = 408
    code = "request_timeout"
    retryable = True


class NotFinished(Refusal):
    """Raised when the result of a job is asked for that has not ended."""

    status = 409
    code = "not_finished"
    retryable = True


class TooLarge(Refusal):
    """Raised when a body has more bytes than are allowed."""

    status = 413
    code = "payload_too_large"


class NotJsonType(Refusal):
    """Raised when a body is not declared as JSON."""

    status = 415
    code = "unsupported_media_type"


class UnknownType(InvalidRequest):
    """Raised when a request names a job type that nobody offers; `faults` say where."""

    code = "unknown_type"
