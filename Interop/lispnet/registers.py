"""Map-Registers made by hand (RFC 9301, sections 5.6 and 5.7): right ones, and forged ones for the Map-Server to refuse.

Written from the RFC alone, so that it shares no mistake with the daemon.
"""

import hashlib
import hmac
import ipaddress
import socket
import struct
import time
from dataclasses import dataclass, field

from .datagrams import family_of, udp_socket

CONTROL_PORT = 4342
NONE, SHA1, SHA256 = 0, 1, 2
LENGTHS = {NONE: 0, SHA1: 20, SHA256: 32}
DIGESTS = {SHA1: hashlib.sha1, SHA256: hashlib.sha256}

PROXY_REPLY, XTR_ID_PRESENT, USE_TTL, MERGE, WANT_NOTIFY = 0x08000000, 0x02000000, 0x0800, 0x0400, 0x0100
REACHABLE, LOCAL = 0x0001, 0x0004


@dataclass
class Register:
    """What a Map-Register says. Fields as in the RFC."""

    secret: str
    records: list  # (EID-prefix, [RLOC, ...])
    algorithm: int = SHA256
    key_id: int = 0
    ttl_minutes: int = 3
    flags: int = WANT_NOTIFY
    nonce: int = field(default_factory=time.time_ns)
    authentication: bytes = None  # instead of the right one
    xtr_id: bytes = b""  # 16 octets that name the ETR, if any; its Site-ID is 0 then
    priority: int = 1

    def encoded(self):
        length = LENGTHS.get(self.algorithm, 32) if self.authentication is None else len(self.authentication)
        flags = self.flags | (XTR_ID_PRESENT if self.xtr_id else 0)
        head = struct.pack("!IQBBH", 3 << 28 | flags | len(self.records), self.nonce,
                           self.key_id, self.algorithm, length)
        body = b"".join(self._record(*record) for record in self.records)
        if self.xtr_id:
            body += self.xtr_id + bytes(8)
        if self.authentication is not None:
            return head + self.authentication + body
        return head + mac(self.secret, self.algorithm, head + bytes(length) + body) + body

    def _record(self, prefix, locators):
        network = ipaddress.ip_network(prefix)
        addresses = sorted((ipaddress.ip_address(locator) for locator in locators), key=lambda a: (a.version, a))
        octets = struct.pack("!IBBHHH", self.ttl_minutes, len(addresses), network.prefixlen, 0x1000, 0, afi(network))
        octets += network.network_address.packed
        for address in addresses:
            octets += struct.pack("!BBBBHH", self.priority, 100, 255, 0, LOCAL | REACHABLE, afi(address)) + address.packed
        return octets


def afi(address):
    return 1 if address.version == 4 else 2


def mac(secret, algorithm, message):
    """The authentication data over a message whose field is zeroed; empty for algorithm 0."""
    if algorithm not in DIGESTS:
        return bytes(LENGTHS.get(algorithm, 32))
    return hmac.new(secret.encode(), message, DIGESTS[algorithm]).digest()[:LENGTHS[algorithm]]


@dataclass
class Notify:
    """A Map-Notify as received."""

    nonce: int
    is_genuine: bool
    prefixes: list
    locators: dict  # EID-prefix: {RLOC: priority}
    xtr_id: bytes  # of the ETR that it is for; empty if the message has none
    message: bytes

    def acknowledgement(self, secret):
        """The Map-Notify-Ack for it: the same records, signed anew (RFC 9301, section 5.7)."""
        (first,) = struct.unpack_from("!I", self.message)
        algorithm, length = struct.unpack_from("!BH", self.message, 13)
        head = struct.pack("!I", 5 << 28 | first & 0x0FFFFFFF) + self.message[4:16]
        body = self.message[16 + length:]
        return head + mac(secret, algorithm, head + bytes(length) + body) + body


def decode_notify(message, secret):
    """Reads a Map-Notify and checks its authentication data; ValueError if it is none."""
    first, nonce, _, algorithm, length = struct.unpack_from("!IQBBH", message)
    if first >> 28 != 4:
        raise ValueError(f"type {first >> 28} is no Map-Notify")
    data, rest = message[16:16 + length], message[16 + length:]
    expected = mac(secret, algorithm, message[:16] + bytes(length) + rest)
    prefixes, told, at = [], {}, 0
    for _ in range(first & 0xFF):
        _, locators, mask, _, _, family = struct.unpack_from("!IBBHHH", rest, at)
        at += 12
        size = {1: 4, 2: 16}[family]
        prefixes.append(f"{ipaddress.ip_address(rest[at:at + size])}/{mask}")
        at += size
        told[prefixes[-1]] = {}
        for _ in range(locators):
            priority, _, _, _, _, locator_family = struct.unpack_from("!BBBBHH", rest, at)
            size = {1: 4, 2: 16}[locator_family]
            told[prefixes[-1]][str(ipaddress.ip_address(rest[at + 8:at + 8 + size]))] = priority
            at += 8 + size
    return Notify(nonce, hmac.compare_digest(data, expected), prefixes, told, rest[at:at + 16], message)


def send(node, server, register, wait=1.0):
    """Sends a Map-Register from a node's own port and returns the Map-Notify, or None if none comes in time."""
    with udp_socket(node, family_of(server)) as sender:
        sender.sendto(register.encoded(), (server, CONTROL_PORT))
        end = time.monotonic() + wait
        while (left := end - time.monotonic()) > 0:
            sender.settimeout(left)
            try:
                message, _ = sender.recvfrom(65535)
            except (socket.timeout, ConnectionRefusedError):
                return None
            try:
                notify = decode_notify(message, register.secret)
            except (ValueError, struct.error, KeyError):
                continue
            if notify.nonce == register.nonce:
                return notify
    return None
