"""ICMP errors made by hand, about LISP data packets that were or were not sent (RFC 792, RFC 9300 section 5.1)."""

import ipaddress
import re
import socket
import struct
import time

from .datagrams import socket_in

UNREACHABLE, HOST, TOO_BIG = 3, 1, 4


def checksum(octets):
    """The Internet checksum of an even number of octets."""
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source, destination, length, protocol):
    """An IPv4 header of a packet of that length."""
    fields = struct.pack("!BBHHHBBH", 0x45, 0, length, 0, 0x4000, 62, protocol, 0)
    header = fields + ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:]


def data_packet(source, rloc, inner, instance=0, length=1428, to_port=4341, flags=0):
    """The beginning of an encapsulated UDP packet of `length` octets, as a router would quote it.

    `inner` is (source, destination). The outer source port is left to `send`.
    """
    lisp = struct.pack("!II", (0x0800_0000 if instance else 0) | flags, instance << 8)
    udp = struct.pack("!HHHH", 0, to_port, length + 16, 0)
    return ipv4(source, rloc, length + 36, 17) + udp + lisp + ipv4(*inner, length, 17) + bytes(8)


def source_ports(node):
    """The UDP ports that the data plane of a node sends from over IPv4."""
    found = re.findall(r"\s0\.0\.0\.0:(\d+)\s", node.run("ss", "-4uln").stdout)
    return sorted({int(port) for port in found if int(port) >= 49152})


def send(node, victim, packet, code, ports, mtu=0):
    """Sends an error about `packet` for each of these source ports, not faster than it is read.

    Returns how many were sent.
    """
    with socket_in(node, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        for port in ports:
            quote = packet[:20] + struct.pack("!H", port) + packet[22:]
            head = struct.pack("!BBHHH", UNREACHABLE, code, 0, 0, mtu)
            sum_ = checksum(head + quote)
            raw.sendto(head[:2] + struct.pack("!H", sum_) + head[4:] + quote, (victim, 0))
            time.sleep(0.001)
    return len(ports)
