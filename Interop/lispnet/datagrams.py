"""UDP sockets inside a node, and what to send with them: garbage, and LISP data packets made by hand (RFC 9300, section 5)."""

import ctypes
import ipaddress
import os
import random
import socket
import struct
import sys
import threading
import time

from .nodes import namespace_path

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def udp_socket(node, family=socket.AF_INET, source=None):
    """A UDP socket that belongs to the node's namespace.

    Where the core is captured, name a source port: some that the kernel gives make tshark take a packet for what it is not.
    """
    return socket_in(node, family, socket.SOCK_DGRAM, 0, source)


def raw_socket(node):
    """A socket of the node's namespace for whole IPv4 packets, headers included."""
    return socket_in(node, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)


def socket_in(node, family, kind, protocol, source=None):
    """A socket that belongs to the node's namespace. Only a thread that ends afterwards enters it."""
    made = []

    def enter_and_make():
        try:
            descriptor = os.open(namespace_path(node), os.O_RDONLY)
            try:
                if LIBC.setns(descriptor, CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(descriptor)
            made.append(socket.socket(family, kind, protocol))
            if source:
                made[0].bind(source)
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=enter_and_make)
    thread.start()
    thread.join()
    if isinstance(made[-1], OSError):
        raise made[-1]
    return made[0]


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


# LISP data packets

DATA_PORT = 4341
NOT_ECT, ECT1, ECT0, CE = range(4)
# Linux's numbers that Python does not name.
SO_NO_CHECK, UDP_NO_CHECK6_TX, IP_RECVTOS = 11, 101, 13


def udp_packet(source, destination, payload, port=4000, traffic_class=0, ttl=64):
    """An IPv4 or IPv6 packet with a UDP datagram to `port` in it; its checksums are right."""
    source, destination = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    length = 8 + len(payload)
    pseudo = source.packed + destination.packed + struct.pack("!II", length, socket.IPPROTO_UDP)
    ports = struct.pack("!HHH", port, port, length)
    checksum = internet_checksum(pseudo + ports + bytes(2) + payload) or 0xFFFF
    datagram = ports + struct.pack("!H", checksum) + payload
    if source.version == 6:
        head = struct.pack("!IHBB", 6 << 28 | traffic_class << 20, length, socket.IPPROTO_UDP, ttl)
        return head + source.packed + destination.packed + datagram
    head = struct.pack("!BBHHHBBH", 0x45, traffic_class, 20 + length, 0, 0x4000, ttl, socket.IPPROTO_UDP, 0)
    head += source.packed + destination.packed
    return head[:10] + struct.pack("!H", internet_checksum(head)) + head[12:] + datagram


def internet_checksum(octets):
    octets += bytes(len(octets) % 2)
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def encapsulated(packet, instance=None):
    """The LISP header and the packet, without a nonce; the I-bit is set if an instance ID is given."""
    return struct.pack("!II", 0 if instance is None else 1 << 27, (instance or 0) << 8) + packet


def outer_socket(node, address, traffic_class=0, has_checksum=True, port=0):
    """A UDP socket towards `address` whose datagrams have these outer headers, from `port` if one is named."""
    family = family_of(address)
    outer = udp_socket(node, family, ("", port))
    if family == socket.AF_INET:
        outer.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, traffic_class)
        outer.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, int(not has_checksum))
    else:
        outer.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, traffic_class)
        outer.setsockopt(socket.IPPROTO_UDP, UDP_NO_CHECK6_TX, int(not has_checksum))
    return outer


class Listener:
    """A UDP port of a host that tells what arrives, and with which traffic class."""

    def __init__(self, node, address, port=4000):
        self.socket = udp_socket(node, family_of(address), (address, port))
        self.socket.setsockopt(socket.IPPROTO_IP, IP_RECVTOS, 1)
        if self.socket.family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)

    def receive(self, timeout=2.0):
        """(payload, traffic class) of the next datagram, or None if none comes in time."""
        self.socket.settimeout(timeout)
        try:
            payload, ancillary, _, _ = self.socket.recvmsg(65535, 128)
        except socket.timeout:
            return None
        classes = [int.from_bytes(octets, sys.byteorder) for level, kind, octets in ancillary
                   if (level, kind) in ((socket.IPPROTO_IP, socket.IP_TOS), (socket.IPPROTO_IPV6, socket.IPV6_TCLASS))]
        return payload, classes[0]

    def receive_all(self, silence=0.5):
        """What arrives until nothing does for a moment."""
        received = []
        while (each := self.receive(silence)) is not None:
            received.append(each)
        return received

    def close(self):
        self.socket.close()


# Garbage


def garbage(count, seed, templates=()):
    """Datagrams nobody should send: random octets, and the templates cut short, with bits turned or with a tail."""
    generator = random.Random(seed)
    for _ in range(count):
        kind = generator.randrange(4 if templates else 1)
        if kind == 0:
            yield generator.randbytes(generator.randrange(1, 600))
            continue
        message = bytearray(generator.choice(templates))
        if kind == 1:
            del message[generator.randrange(len(message)):]
        elif kind == 2:
            for _ in range(generator.randrange(1, 9)):
                message[generator.randrange(len(message))] ^= 1 << generator.randrange(8)
        else:
            message += generator.randbytes(generator.randrange(1, 64))
        yield bytes(message) or b"\0"


def send_all(node, address, port, messages, per_second=5000):
    """Sends datagrams at an even pace, which a receiver's socket buffer survives. Returns how many went out."""
    sent = 0
    start = time.monotonic()
    with udp_socket(node, family_of(address)) as sender:
        for message in messages:
            sender.sendto(message, (address, port))
            sent += 1
            ahead = sent / per_second - (time.monotonic() - start)
            if ahead > 0.002:
                time.sleep(ahead)
    return sent
