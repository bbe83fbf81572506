"""A flood of encapsulated packets on port 4341, more than any router takes.

As a program, in a process of its own:

    flooding.py TO SOURCE DESTINATION SECONDS     from hosts behind SOURCE to host DESTINATION, by way of the RLOC TO

The kernel makes the datagrams (UDP_SEGMENT), 40 of each call, so that one process sends a million a second. Neighbours are of different
flows, so that none go to the site together. It prints how many it sent.
"""

import ipaddress
import os
import socket
import sys
import time

from .datagrams import encapsulated, udp_packet

UDP_SEGMENT = 103
SEGMENTS = 40
SOCKETS = 16


def flood(to, source, destination, seconds):
    first = ipaddress.ip_address(source)
    packets = [encapsulated(udp_packet(str(first + number), destination, bytes(36), port=9)) for number in range(SEGMENTS)]
    channels = []
    for _ in range(SOCKETS):
        channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        channel.connect((to, 4341))
        channel.setsockopt(socket.SOL_UDP, UDP_SEGMENT, len(packets[0]))
        channels.append(channel)
    octets = b"".join(packets)
    sent = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for channel in channels:
            try:
                channel.send(octets)
                sent += SEGMENTS
            except (ConnectionRefusedError, BlockingIOError):
                pass
    return sent


def start(node, *words):
    """Runs it in a node; `finish(timeout)` gives (exit status, output)."""
    return node.start(sys.executable, "-m", "lispnet.flooding", *map(str, words),
                      environment={"PYTHONPATH": os.path.dirname(os.path.dirname(os.path.abspath(__file__)))})


if __name__ == "__main__":
    print(flood(*sys.argv[1:4], float(sys.argv[4])))
