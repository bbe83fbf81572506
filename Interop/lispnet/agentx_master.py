"""An AgentX master of a few lines, for what snmpd never does: it sends a GetBulk as it is, where snmpd makes GetNexts of it."""

import os
import socket
import struct

OPEN, GET_BULK, RESPONSE = 1, 7, 18
SIZES = {2: 4, 5: 0, 65: 4, 66: 4, 67: 4, 70: 8, 128: 0, 129: 0, 130: 0}
END_OF_MIB_VIEW = 130
INTERNET = (1, 3, 6, 1)


class BulkMaster:
    """Waits for one subagent that speaks little-endian, accepts whatever it registers, and asks it."""

    def __init__(self, path):
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self._listener.settimeout(10)
        self._connection = None
        self._octets = b""
        self._packet = 0

    def accept(self, requests):
        """Takes the next subagent in, until it has had so many requests granted."""
        self._connection, _ = self._listener.accept()
        self._connection.settimeout(20)
        for _ in range(requests):
            self._grant(*self._receive())

    def close(self):
        if self._connection:
            self._connection.close()
        self._listener.close()
        os.unlink(self.path)

    def bulk(self, start, end, repetitions):
        """[(name, type)] of one GetBulk with one range."""
        self._packet += 1
        payload = struct.pack("<HH", 0, repetitions) + oid(start) + oid(end)
        self._connection.sendall(struct.pack("<BBBxIIII", 1, GET_BULK, 0, 5, self._packet, self._packet, len(payload)) + payload)
        while True:
            kind, packet, answer = self._receive()
            if kind == RESPONSE and packet == self._packet:
                break
            self._grant(kind, packet, answer)
        _, error, _ = struct.unpack_from("<IHH", answer)
        if error:
            raise AssertionError(f"GetBulk: error {error}")
        return list(variables(answer, 8))

    def walk(self, start, end, repetitions):
        """The names in a range, by one GetBulk after the other."""
        names = []
        while True:
            for name, kind in self.bulk(start, end, repetitions):
                if kind == END_OF_MIB_VIEW:
                    return names
                names.append(name)
            start = names[-1]

    def _grant(self, kind, packet, _payload):
        if kind != RESPONSE:
            self._connection.sendall(struct.pack("<BBBxIIIIIHH", 1, RESPONSE, 0, 5, 0, packet, 8, 1, 0, 0))

    def _receive(self):
        """(type, packet ID, payload) of the next message."""
        while True:
            if len(self._octets) >= 20:
                _, kind, _, _, _, packet, length = struct.unpack_from("<BBBxIIII", self._octets)
                if len(self._octets) >= 20 + length:
                    payload = self._octets[20:20 + length]
                    self._octets = self._octets[20 + length:]
                    return kind, packet, payload
            received = self._connection.recv(1 << 20)
            if not received:
                raise AssertionError("the subagent closed the connection")
            self._octets += received


def oid(numbers):
    return struct.pack(f"<BBBB{len(numbers)}I", len(numbers), 0, 0, 0, *numbers)


def read_oid(octets, at):
    count, prefix = octets[at], octets[at + 1]
    numbers = struct.unpack_from(f"<{count}I", octets, at + 4)
    return (INTERNET + (prefix,) if prefix else ()) + numbers, at + 4 + 4 * count


def variables(octets, at):
    while at < len(octets):
        kind, = struct.unpack_from("<H", octets, at)
        name, at = read_oid(octets, at + 4)
        if kind == 6:
            _, at = read_oid(octets, at)
        elif kind in SIZES:
            at += SIZES[kind]
        else:
            length, = struct.unpack_from("<I", octets, at)
            at += 4 + (length + 3) // 4 * 4
        yield name, kind
