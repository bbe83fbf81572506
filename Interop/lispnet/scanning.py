"""A scan of many addresses, and flows that go on meanwhile.

As a program it is the host that scans or talks, in a process of its own, so that nothing else holds it up:

    scanning.py scan FIRST COUNT RATE            one UDP packet to each of COUNT addresses from FIRST on, in mixed order
    scanning.py talk FIRST COUNT RATE            RATE packets a second to each of COUNT addresses, until it is told to end
    scanning.py listen                           counts what such flows bring, until it is told to end

RATE is in packets a second, 0 for as many as there can be. Each prints what it did as JSON when it ends.
"""

import ipaddress
import json
import os
import signal
import socket
import struct
import sys
import threading
import time

PORT = 7777
SPAN = 1 << 20  # addresses that a scan mixes; at least as many as it has
STEP = 611953  # odd, so that its multiples go through all of them
BATCH = 50
SO_RCVBUFFORCE = 33  # Python does not name it


# The programs


def scan(first, count, rate):
    assert count <= SPAN
    base = int(ipaddress.ip_address(first))
    channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    sent = 0
    started = time.monotonic()
    due = started
    index = 0
    while sent < count:
        for _ in range(BATCH):
            index = (index + STEP) % SPAN
            while index >= count:
                index = (index + STEP) % SPAN
            channel.sendto(b"scan", (socket.inet_ntoa(struct.pack("!I", base + index)), 9))
            sent += 1
            if sent == count:
                break
        if rate:
            # One who was kept waiting does not make up for it: a burst would only show how long the queues on the way are.
            now = time.monotonic()
            due = max(due + BATCH / rate, now - BATCH / rate)
            if due > now:
                time.sleep(due - now)
    return {"sent": sent, "seconds": time.monotonic() - started}


def talk(first, count, rate):
    """Evenly, one address after the other."""
    base = int(ipaddress.ip_address(first))
    addresses = [(str(ipaddress.ip_address(base + number)), PORT) for number in range(count)]
    channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sent = 0
    started = time.monotonic()
    while not ended.is_set():
        due = int((time.monotonic() - started) * rate * count)
        while sent < due:
            channel.sendto(b"talk", addresses[sent % count])
            sent += 1
        time.sleep(0.002)
    return {"sent": sent}


def listen():
    channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    channel.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    channel.settimeout(0.2)
    channel.bind(("0.0.0.0", PORT))
    received = 0
    while True:
        try:
            channel.recv(100)
            received += 1
        except socket.timeout:
            if ended.is_set():
                return {"received": received}


ended = threading.Event()


def main(words):
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    program, *rest = words
    numbers = [rest[0], *map(int, rest[1:])] if rest else []
    print(json.dumps({"scan": scan, "talk": talk, "listen": listen}[program](*numbers)), flush=True)


class Program:
    """One of them in a node."""

    def __init__(self, node, *words):
        self.process = node.start(sys.executable, os.path.abspath(__file__), *map(str, words))

    def finish(self, timeout):
        """What it says at its end."""
        status, output = self.process.finish(timeout)
        if status != 0:
            raise RuntimeError(f"ended with {status}: {output}")
        return json.loads(output.splitlines()[-1])

    def end(self, timeout=10):
        self.process.send(signal.SIGTERM)
        return self.finish(timeout)


if __name__ == "__main__":
    main(sys.argv[1:])
