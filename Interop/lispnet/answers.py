"""Map-Resolvers made by hand: negative Map-Replies with any action, or a mapping for each address (RFC 9301, sections 5.2 to 5.4
and 5.8).

Written from the RFC alone, so that it shares no mistake with the daemon.
"""

import ipaddress
import socket
import struct
import threading

from .datagrams import family_of, udp_socket
from .registers import CONTROL_PORT, afi

NO_ACTION, NATIVELY_FORWARD, SEND_MAP_REQUEST, DROP, DROP_POLICY_DENIED, DROP_AUTH_FAILURE = range(6)
LENGTHS = {0: 0, 1: 4, 2: 16}
LCAF = 16387
SO_RCVBUFFORCE = 33  # Python does not name it


class HandMadeResolver:
    """Answers at a node's address from when it is made until `close`. What is no Map-Request for one EID gets no answer."""

    def __init__(self, node, address):
        self.socket = udp_socket(node, family_of(address), (address, CONTROL_PORT))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self.socket.settimeout(0.2)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        self._ended.set()
        self._thread.join(5)
        self.socket.close()

    def _serve(self):
        while not self._ended.is_set():
            try:
                message, _ = self.socket.recvfrom(65535)
                port, request = inside(message)
                nonce, rlocs, eid = read_request(request)
            except (socket.timeout, ConnectionRefusedError, ValueError, KeyError, struct.error):
                continue
            rloc = next(each for each in rlocs if family_of(str(each)) == self.socket.family)
            for reply in self.replies(nonce, eid):
                self.socket.sendto(reply, (str(rloc), port))

    def replies(self, nonce, eid):
        """The Map-Replies to a Map-Request."""
        raise NotImplementedError


class NegativeResolver(HandMadeResolver):
    """Counts the Map-Requests for each prefix in `asked`."""

    def __init__(self, node, address, actions, ttl_minutes=15):
        """`actions` is {EID-prefix: action}; what lies in none of them gets no answer."""
        self.actions = {ipaddress.ip_network(prefix): action for prefix, action in actions.items()}
        self.ttl_minutes = ttl_minutes
        self.asked = {prefix: 0 for prefix in actions}
        super().__init__(node, address)

    def replies(self, nonce, eid):
        for prefix, action in self.actions.items():
            if eid.version == prefix.version and eid in prefix:
                self.asked[str(prefix)] += 1
                yield negative_reply(nonce, prefix, action, self.ttl_minutes)


class HostResolver(HandMadeResolver):
    """Its answers cover one IPv4 address each; `asked` counts the Map-Requests.

    `answer(number)` says what there is for an address: (RLOC, priority, weight), NATIVE or None for no answer.
    """

    NATIVE = "natively-forward"
    TTL_MINUTES = 1440

    def __init__(self, node, address, answer):
        self.answer = answer
        self.asked = 0
        super().__init__(node, address)

    def replies(self, nonce, eid):
        self.asked += 1
        answer = self.answer(int(eid))
        if answer == self.NATIVE:
            yield negative_reply(nonce, ipaddress.ip_network(eid), NATIVELY_FORWARD, self.TTL_MINUTES)
        elif answer is not None:
            yield host_reply(nonce, eid, *answer, self.TTL_MINUTES)


def inside(message):
    """(inner source port, Map-Request) of an Encapsulated Control Message."""
    if message[0] >> 4 != 8:
        raise ValueError("no Encapsulated Control Message")
    at = 4 + (40 if message[4] >> 4 == 6 else 4 * (message[4] & 0xF))
    (port,) = struct.unpack_from("!H", message, at)
    return port, message[at + 8:]


def read_request(message):
    """(nonce, ITR-RLOCs, EID) of a Map-Request for one EID."""
    (first,) = struct.unpack_from("!I", message)
    if first >> 28 != 1:
        raise ValueError(f"type {first >> 28} is no Map-Request")
    (nonce,) = struct.unpack_from("!Q", message, 4)
    _, at = read_address(message, 12)
    rlocs = []
    for _ in range((first >> 8 & 0x1F) + 1):
        rloc, at = read_address(message, at)
        rlocs.append(rloc)
    eid, _ = read_address(message, at + 2)
    return nonce, rlocs, eid


def read_address(message, at):
    """(address behind its AFI, where it ends); None for no address and for a canonical one."""
    (family,) = struct.unpack_from("!H", message, at)
    if family == LCAF:
        (length,) = struct.unpack_from("!H", message, at + 6)
        return None, at + 8 + length
    end = at + 2 + LENGTHS[family]
    return (ipaddress.ip_address(message[at + 2:end]) if end > at + 2 else None), end


def negative_reply(nonce, prefix, action, ttl_minutes):
    head = struct.pack("!IQ", 2 << 28 | 1, nonce)
    record = struct.pack("!IBBHHH", ttl_minutes, 0, prefix.prefixlen, action << 13, 0, afi(prefix))
    return head + record + prefix.network_address.packed


def host_reply(nonce, eid, rloc, priority, weight, ttl_minutes):
    """An authoritative Map-Reply for one address, with one locator that is reachable."""
    head = struct.pack("!IQ", 2 << 28 | 1, nonce)
    record = struct.pack("!IBBHHH", ttl_minutes, 1, eid.max_prefixlen, 1 << 12, 0, afi(eid)) + eid.packed
    locator = ipaddress.ip_address(rloc)
    return head + record + struct.pack("!BBBBHH", priority, weight, 255, 0, 1, afi(locator)) + locator.packed
