"""
Wireless M-Bus (EN 13757-4) in hexadecimal, as receivers hand it over: without the checksums of the
radio. Plain, or AES-128 in security mode 5 with the meter's key (EN 13757-7).
"""

from __future__ import annotations

from dataclasses import replace

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from telemetry.formats import mbus
from telemetry.formats.telegram import NotDecodable, Telegram

_LONG, _SHORT, _NONE = 0x72, 0x7A, 0x78
_COMPACT, _FORMAT = 0x79, 0x69
# Extended link layers and how many bytes of them come before the next control information.
_LINK = {0x8C: 2, 0x8E: 10, 0x8D: 8, 0x8F: 16}
# Those with a session number, whose three highest bits say whether the rest is encrypted.
_WITH_SESSION = {0x8D: 2, 0x8F: 10}
_FILLER = 0x2F


def decode(frame: bytes, *, key: bytes | None = None) -> Telegram:
    """
    Return what a telegram says; `key` are the sixteen bytes of the meter's key.

    :raises NotDecodable: naming the fault: cut short, encrypted without or with a wrong key, a
        layout of the maker's own
    """
    if frame[:1] == b"\x68" and frame[3:4] == b"\x68":
        # Adapters pass frames of the wired kind on in the same way.
        return mbus.decode(frame)
    if len(frame) < 12:
        raise NotDecodable(f"The telegram is cut short: {len(frame)} bytes.")
    if frame[0] != len(frame) - 1:
        raise NotDecodable(
            f"The telegram is cut short: {len(frame) - 1} of {frame[0]} bytes after the length."
            if frame[0] > len(frame) - 1
            else "The telegram is longer than it says. Send it without the radio's checksums."
        )
    maker, address = frame[2:4], frame[4:10]
    rest = frame[10:]
    while rest and rest[0] in _LINK:
        _refuse_encrypted_link(rest)
        rest = rest[1 + _LINK[rest[0]] :]
    if not rest:
        raise NotDecodable("The telegram has no application data.")
    control = rest[0]
    _refuse_other_layouts(control)
    if control == _LONG:
        # The meter behind an adapter names itself here.
        address, maker = rest[1:5] + rest[7:9], rest[5:7]
        access, status, configuration, data = rest[9], rest[10], rest[11:13], rest[13:]
    elif control == _SHORT:
        access, status, configuration, data = rest[1], rest[2], rest[3:5], rest[5:]
    else:
        access, status, configuration, data = 0, 0, bytes(2), rest[1:]
    plain = _plain(data, configuration, key, vector=maker + address + bytes([access]) * 8)
    header = address[:4] + maker + address[4:6] + bytes([access, status, 0, 0])
    body = bytes([0x08, 0x00, _LONG]) + header + plain
    if len(body) > 255:
        raise NotDecodable("The telegram is longer than M-Bus allows.")
    length = bytes([len(body)])
    told = mbus.parsed(b"\x68" + length + length + b"\x68" + body + bytes([sum(body) & 0xFF, 0x16]))
    return replace(told, status=None) if control == _NONE else told


def _refuse_encrypted_link(rest: bytes) -> None:
    start = _WITH_SESSION.get(rest[0])
    if start is None or len(rest) < start + 7 or not rest[start + 4] & 0xE0:
        return
    # Many receivers decrypt the link layer themselves; its checksum is that of the plain bytes.
    payload = rest[start + 7 :]
    if int.from_bytes(rest[start + 5 : start + 7], "little") != checksum(payload):
        raise NotDecodable("The link layer is encrypted, which is not supported.")


def checksum(data: bytes) -> int:
    """
    Return the CRC-16 of EN 13757 over some bytes.
    """
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x3D65 if crc & 0x8000 else crc << 1
    return ~crc & 0xFFFF


def _refuse_other_layouts(control: int) -> None:
    if control == _COMPACT:
        raise NotDecodable(
            "A compact telegram needs the full one before it; there is no profile for this meter."
        )
    if control == _FORMAT:
        raise NotDecodable("A format telegram holds no readings.")
    if control not in {_LONG, _SHORT, _NONE}:
        raise NotDecodable(
            f"Control information {control:#04x} is a layout of the maker's own: there is no"
            " profile for this meter."
        )


def _plain(data: bytes, configuration: bytes, key: bytes | None, *, vector: bytes) -> bytes:
    mode = configuration[1] & 0x1F if len(configuration) == 2 else 0
    if mode == 0:
        return data
    if mode != 5:
        raise NotDecodable(f"Security mode {mode} is not supported; mode 5 is.")
    blocks = configuration[0] >> 4
    hidden, open_part = data[: 16 * blocks], data[16 * blocks :]
    if not blocks:
        return data
    # Some receivers decrypt by themselves and leave the mode as it was.
    if hidden[:2] == bytes([_FILLER] * 2):
        return data
    if key is None:
        raise NotDecodable("The telegram is encrypted and no key of this meter is known.")
    if len(hidden) != 16 * blocks:
        raise NotDecodable("The encrypted part of the telegram is cut short.")
    cipher = Cipher(algorithms.AES(key), modes.CBC(vector)).decryptor()
    opened = cipher.update(hidden) + cipher.finalize()
    if opened[:2] != bytes([_FILLER] * 2):
        raise NotDecodable("The key of this meter does not open the telegram.")
    return opened + open_part
