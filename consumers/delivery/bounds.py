"""What an endpoint may send for one POST, counted where the bytes come in.

The parser above knows of messages and bodies, and lets an endpoint send what is neither without end: interim
responses, chunk extensions, trailers. So the budget is kept here, per attempt, over bytes of any kind. Two more rules
need the same place:

- An answer belongs to the request that was waiting when it came. Whatever comes after a response is complete closes
  the connection, so a second response in the same packet, or one sent into an idle connection, never
  answers the next delivery.
- The status decides. A head is handed to the parser before what follows it, because the parser forgets a head
  when the same packet breaks off or goes on with garbage.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage
from aiohttp.streams import StreamReader

BYTES_MAX: Final = 256 * 1024
HEAD_MAX: Final = 64 * 1024
"""Of these, before the body: the parser pays more for a header than for anything else. Honest heads have a few kilobytes."""
INTERIM_MAX: Final = 32
"""1xx responses before the final one; honest servers send one or two."""

_BLANK_LINE: Final = b"\r\n\r\n"
_SEAM: Final = len(_BLANK_LINE) - 1
"""As much of one as two packets may share without either holding it."""


class ResponseRefused(aiohttp.ClientError):
    """The endpoint sent more than one attempt may cost, or what is no answer to it."""


class BoundedResponse(ResponseHandler):
    """One connection's inbound side."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._left = 0
        self._head_left = 0
        self._interim = 0
        self._seam = b""
        self._final: StreamReader | None = None

    def set_response_params(self, **params: Any) -> None:
        """Begin an attempt: aiohttp calls this once for each request it sends."""
        self._left = BYTES_MAX
        self._head_left = HEAD_MAX
        self._interim = 0
        self._seam = b""
        self._final = None
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the connection; none mean that the parser may go on with what it held back."""
        if not data:
            super().data_received(data)
            return
        self._left -= len(data)
        if self._left < 0 and not self._answered:
            self._break("more than 256 KiB for one attempt")
            return
        begin, end = 0, len(data)
        while begin < end and self._final is None and self._exception is None:
            after = self._head_end(data, begin)
            self._head_left -= after - begin
            if self._head_left < 0:
                self._break("more than 64 KiB of heads")
                return
            super().data_received(data[begin:after])
            begin = after
        if begin < end and self._answered:
            self._drop_connection()
        elif begin < end and self._exception is None:
            super().data_received(data[begin:])
        if self._exception is not None and self._final is not None and not self._answered:
            # The parser forgets the body's reader when it fails; left alone, that waits for ever.
            self._final.set_exception(self._exception)

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Take a parsed response."""
        message, payload = data
        if self._final is not None:
            self._drop_connection()
        elif message.version.major != 1:
            self._break("not HTTP/1")
        elif 100 <= message.code < 200 and message.code != 101:
            self._interim += 1
            if self._interim > INTERIM_MAX:
                self._break(f"more than {INTERIM_MAX} interim responses")
        else:
            self._final = payload
            super().feed_data(data, size)

    @property
    def _answered(self) -> bool:
        return self._final is not None and self._final.is_eof()

    def _head_end(self, data: bytes, begin: int) -> int:
        """Return where the head that goes on at `begin` ends, or all of the data if it ends in none of it."""
        if self._seam:
            seen = self._seam + data[begin : begin + _SEAM]
            at = seen.find(_BLANK_LINE)
            if at >= 0:
                end = begin + at + len(_BLANK_LINE) - len(self._seam)
                self._seam = b""
                return end
        at = data.find(_BLANK_LINE, begin)
        if at >= 0:
            self._seam = b""
            return at + len(_BLANK_LINE)
        self._seam = (self._seam + data[max(begin, len(data) - _SEAM) :])[-_SEAM:]
        return len(data)

    def _break(self, why: str) -> None:
        error = ResponseRefused(why)
        if self._final is not None:
            self._final.set_exception(error)
        self.set_exception(error)
        self._drop_connection()

    def _drop_connection(self) -> None:
        self.force_close()
        if self.transport is not None:
            self.transport.abort()
