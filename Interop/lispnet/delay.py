"""A way that takes a known time: a TUN in a router that gives each packet back so many milliseconds later. (Kernels for containers have
no netem.)

As a program it is the far end of that TUN: `delay.py NAME MILLISECONDS`.
"""

import collections
import fcntl
import os
import select
import struct
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
TABLE = "78"


class DelayLine:
    """What comes into `router` by the interface `incoming` for the IPv4 address `destination` takes `milliseconds` longer."""

    def __init__(self, router, incoming, destination, milliseconds):
        self.router, self.incoming, self.destination = router, incoming, destination
        self.process = router.start(sys.executable, os.path.abspath(__file__), "slow0", str(milliseconds), log="delay.log")
        deadline = time.monotonic() + 10
        while router.run("ip", "link", "show", "slow0", check=False).returncode != 0:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no slow0: {self.process.log()}")
            time.sleep(0.05)
        router.ip("link set slow0 up", f"route add {destination}/32 dev slow0 table {TABLE}",
                  f"rule add to {destination} iif {incoming} lookup {TABLE} priority 78")

    def stop(self):
        self.router.ip(f"rule del to {self.destination} iif {self.incoming} lookup {TABLE} priority 78")
        self.process.send(15)
        self.process.wait(10)


def main(name, milliseconds):
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    waiting = collections.deque()
    while True:
        wait = max(0, waiting[0][0] - time.monotonic()) if waiting else None
        readable, _, _ = select.select([tun], [], [], wait)
        if readable:
            waiting.append((time.monotonic() + milliseconds / 1000, os.read(tun, 65_536)))
        while waiting and waiting[0][0] <= time.monotonic():
            try:
                os.write(tun, waiting.popleft()[1])
            except OSError:
                # The interface is not up yet.
                pass


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
