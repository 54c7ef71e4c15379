"""
Compressed deliveries, inflated while they stream and never beyond what the reader allows.
"""

from __future__ import annotations

import io
import zlib
from pathlib import PurePath
from typing import BinaryIO, Protocol

from telemetry.formats.frame import NotReadable

_STEP = 1 << 16
# As HTTP names them in Content-Encoding, with the extensions of files.
_NAMES = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate", "zstd": "zstd"}
_OF_EXTENSION = {".gz": "gzip", ".zst": "zstd"}
ENCODINGS = ("gzip", "deflate", "zstd")


class TooLarge(Exception):
    """
    The delivery is larger than the reader allows, on the wire or inflated.
    """


class UnknownEncoding(Exception):
    """
    The compression is none of ENCODINGS.
    """


class Source(Protocol):
    """
    Anything that can be read in pieces.
    """

    def read(self, size: int, /) -> bytes: ...


def encoding_of_file(name: str) -> str:
    """
    Return the compression by the extension of a file name, "" for none.
    """
    return _OF_EXTENSION.get(PurePath(name.lower()).suffix, "")


def inflated(stream: Source, *, encoding: str = "", max_bytes: int | None = None) -> Source:
    """
    Return the bytes as they were before compression. Reading more than `max_bytes` of them
    raises TooLarge, reading what is damaged or ends early NotReadable.

    :raises UnknownEncoding: for a compression that is not known
    """
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        plain: Source = stream
    elif name not in _NAMES:
        raise UnknownEncoding(f"Compress with {', '.join(ENCODINGS)} or not at all.")
    elif _NAMES[name] == "zstd":
        plain = _Zstd(stream)
    else:
        plain = _Zlib(stream, deflate=_NAMES[name] == "deflate")
    return plain if max_bytes is None else Limited(plain, max_bytes)


class Limited:
    """
    A stream that refuses to give more than so many bytes.
    """

    def __init__(self, stream: Source, max_bytes: int) -> None:
        self._stream = stream
        self._left = max_bytes
        self._max_bytes = max_bytes

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise TooLarge(f"The readings are larger than {self._max_bytes:,} bytes.")
        return data


class _Zlib:
    """
    gzip, also of several members one after the other, and deflate with or without its header.
    """

    def __init__(self, stream: Source, *, deflate: bool) -> None:
        self._stream = stream
        self._deflate = deflate
        self._waiting = b""
        self._inflate = None if deflate else zlib.decompressobj(wbits=31)

    def read(self, size: int, /) -> bytes:
        try:
            return self._read(size)
        except zlib.error:
            raise NotReadable("The body is not compressed as it says, or damaged.") from None

    def _read(self, size: int) -> bytes:
        while True:
            if self._inflate is not None and self._inflate.eof:
                rest = self._inflate.unused_data or self._stream.read(_STEP)
                if not rest:
                    return b""
                if self._deflate:
                    raise NotReadable("Something follows the compressed body.")
                self._waiting = rest
                self._inflate = zlib.decompressobj(wbits=31)
            given = self._waiting or self._stream.read(_STEP)
            if self._inflate is None:
                self._inflate = _deflated(given)
            # At most `size` bytes come out, however many are in it.
            data = self._inflate.decompress(given, size)
            self._waiting = self._inflate.unconsumed_tail
            if data:
                return data
            if not given and not self._inflate.eof:
                raise NotReadable("The compressed body ends in the middle.")


def _deflated(start: bytes) -> zlib._Decompress:
    # HTTP means the zlib format by "deflate"; some clients send it bare.
    headed = len(start) > 1 and start[0] & 15 == 8 and (start[0] * 256 + start[1]) % 31 == 0
    return zlib.decompressobj(wbits=15 if headed else -15)


class _Zstd:
    def __init__(self, stream: Source) -> None:
        import pyarrow as pa  # it is large, and hardly any gateway sends this

        self._stream = pa.CompressedInputStream(pa.PythonFile(_File(stream), mode="r"), "zstd")

    def read(self, size: int, /) -> bytes:
        try:
            return bytes(self._stream.read(size))
        except OSError:
            raise NotReadable("The body is not compressed as it says, or damaged.") from None


class _File(io.RawIOBase):
    """
    A source as the kind of file that pyarrow asks for.
    """

    def __init__(self, stream: Source) -> None:
        self._source = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def open_file(stream: BinaryIO, name: str) -> Source:
    """
    Return the content of an open file, inflated by the extension of its name. There is no limit:
    whoever can name a file on this machine is trusted with it.
    """
    return inflated(stream, encoding=encoding_of_file(name))
