"""
Wireless M-Bus (EN 13757-4) in hexadecimal, as receivers hand it over: without the checksums of the
radio. Plain, or AES-128 in security mode 5 with the meter's key (EN 13757-7). Compact telegrams
(EN 13757-3, annex G) are filled up with what an earlier full one of the meter said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from telemetry.formats import mbus
from telemetry.formats.telegram import NotDecodable, Record, Telegram

_LONG, _SHORT, _NONE = 0x72, 0x7A, 0x78
_COMPACT, _FORMAT = 0x79, 0x69
# Layouts that a maker may use as they like.
_MAKERS_OWN = range(0xA0, 0xB8)
# Authentication and fragmentation layer (EN 13757-7): its length stands first.
_AFL = 0x90
# Extended link layers and how many bytes of them come before the next control information.
_LINK = {0x8C: 2, 0x8E: 10, 0x8D: 8, 0x8F: 16}
# Those with a session number, whose three highest bits say whether the rest is encrypted.
_WITH_SESSION = {0x8D: 2, 0x8F: 10}
_FILLER = 0x2F
# The device type of a radio converter, which speaks for a meter.
_CONVERTER = 0x37


# What full telegrams of a meter said of their records, by the signature of that.
Layouts = Mapping[int, tuple[bytes, ...]]


def decode(frame: bytes, *, key: bytes | None = None, layouts: Layouts | None = None) -> Telegram:
    """
    Return what a telegram says; `key` are the sixteen bytes of the meter's key.

    :raises NotDecodable: naming the fault: cut short, encrypted without or with a wrong key, a
        layout of the maker's own
    """
    if frame[:1] == b"\x68" and frame[3:4] == b"\x68":
        # Adapters pass frames of the wired kind on in the same way.
        return replace(mbus.decode(frame), heads=())
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
    if rest[:1] == bytes([_AFL]) and len(rest) > 1:
        rest = rest[2 + rest[1] :]
    if not rest:
        raise NotDecodable("The telegram has no application data.")
    control = rest[0]
    if control in _MAKERS_OWN:
        return _in_makers_layout(maker, address, rest[1:])
    _refuse_other_layouts(control)
    if control == _LONG:
        # The meter behind an adapter names itself here.
        address, maker = rest[1:5] + rest[7:9], rest[5:7]
        access, status, configuration, data = rest[9], rest[10], rest[11:13], rest[13:]
    elif control == _SHORT:
        access, status, configuration, data = rest[1], rest[2], rest[3:5], rest[5:]
    else:
        access, status, configuration, data = 0, 0, bytes(2), rest[1:]
    if control == _COMPACT:
        plain = _filled_up(data, layouts or {})
    else:
        plain = _plain(data, configuration, key, vector=maker + address + bytes([access]) * 8)
    header = address[:4] + maker + address[4:6] + bytes([access, status, 0, 0])
    body = bytes([0x08, 0x00, _LONG]) + header + plain
    if len(body) > 255:
        raise NotDecodable("The telegram is longer than M-Bus allows.")
    length = bytes([len(body)])
    told = mbus.parsed(b"\x68" + length + length + b"\x68" + body + bytes([sum(body) & 0xFF, 0x16]))
    if address[5] == _CONVERTER:
        told = _named_inside(told)
    return replace(told, status=None) if control in {_NONE, _COMPACT} else told


def _named_inside(told: Telegram) -> Telegram:
    """
    Return the telegram of a radio converter as that of the meter which it names in a record
    (EN 13757-3, enhanced identification).
    """
    name = next(
        (r.data for r in told.records if r.quantity == "identification" and len(r.data) == 8), None
    )
    if name is None:
        return told
    return replace(
        told, serial=bytes(reversed(name[:4])).hex(), manufacturer=_letters(name[4:6]),
        version=name[6], medium=name[7],
    )  # fmt: skip


def _letters(maker: bytes) -> str:
    # Three letters of five bits each (EN 62056-21).
    number = int.from_bytes(maker, "little")
    return "".join(chr(64 + (number >> shift & 0x1F)) for shift in (10, 5, 0))


def _in_makers_layout(maker: bytes, address: bytes, data: bytes) -> Telegram:
    return Telegram(
        serial=bytes(reversed(address[:4])).hex(),
        manufacturer=_letters(maker),
        version=address[4],
        medium=address[5],
        status=None,
        records=(Record("manufacturer", "", None, "manufacturer", data=data),),
    )


def signature(heads: tuple[bytes, ...]) -> int:
    """
    Return the format signature of a telegram's records (EN 13757-3, annex G).
    """
    return checksum(b"".join(heads))


def _filled_up(compact: bytes, layouts: Layouts) -> bytes:
    """
    Return the records of a compact telegram as the full one would have them: its bytes are the
    signature of the layout, the checksum of the full records, and the values.
    """
    heads = layouts.get(int.from_bytes(compact[:2], "little"))
    if heads is None:
        raise NotDecodable(
            "A compact telegram needs a full one of this meter before it; none is known."
        )
    full, left = b"", compact[4:]
    for head in heads:
        length = _length(head[0])
        full, left = full + head + left[:length], left[length:]
    if left or checksum(full) != int.from_bytes(compact[2:4], "little"):
        raise NotDecodable("The compact telegram does not fit the full one before it.")
    return full


def _length(data_information: int) -> int:
    """
    Return how many bytes a value has by its data information (EN 13757-3, table 4).
    """
    code = data_information & 0x0F
    if code in {0x0D, 0x0F}:
        raise NotDecodable("A compact telegram cannot have values of any length.")
    return _LENGTHS.get(code, code & 0x07)


# Float and 64 bits; other codes are their own number of bytes.
_LENGTHS = {0x05: 4, 0x07: 8, 0x08: 0}


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
    if control == _FORMAT:
        raise NotDecodable("A format telegram holds no readings.")
    if control not in {_LONG, _SHORT, _NONE, _COMPACT}:
        raise NotDecodable(f"Control information {control:#04x} is not supported.")


def _plain(data: bytes, configuration: bytes, key: bytes | None, *, vector: bytes) -> bytes:
    mode = configuration[1] & 0x1F if len(configuration) == 2 else 0
    if mode == 0:
        return data
    if mode == 7 and data[1:3] == bytes([_FILLER] * 2):
        # The receiver decrypted it; one more byte of configuration stands before.
        return data[1:]
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
