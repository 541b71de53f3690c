"""`Expect: 100-continue`: a client asks whether its body would be taken before it sends it."""

from __future__ import annotations

from aiohttp import web
from aiohttp.http import HttpVersion11

from jobd.http.service import SERVICE


async def expect_body(request: web.Request) -> None:
    """Bids a body that is not too large to come. Other expectations may be ignored (RFC 9110), and are."""
    expected = request.headers.get("Expect", "").lower() == "100-continue"
    fits = (request.content_length or 0) <= request[SERVICE].most_bytes
    if expected and fits and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun
