"""UDP sockets inside a node, and garbage to send with them."""

import ctypes
import os
import random
import socket
import threading
import time

from .nodes import namespace_path

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def udp_socket(node, family=socket.AF_INET, source=None):
    """A UDP socket that belongs to the node's namespace. Only a thread that ends afterwards enters it."""
    made = []

    def enter_and_make():
        try:
            descriptor = os.open(namespace_path(node), os.O_RDONLY)
            try:
                if LIBC.setns(descriptor, CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(descriptor)
            made.append(socket.socket(family, socket.SOCK_DGRAM))
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
