"""The traffic generator: that it sends what it is told to, and that what it says of what came is so."""

import json
import signal
import struct
import time

from lispnet import daemon
from lispnet.datagrams import udp_socket
from lispnet.nodes import Node, link
from lispnet.offered import MIX, PORT, Flows, Offer, offer
from lispnet.testing import Group, expect, test
from lispnet.waiting import wait_until


class TrafficGeneratorGroup(Group):
    name = "traffic-generator"

    def set_up(self):
        self.left, self.right = Node(self.run, "sender"), Node(self.run, "receiver")
        link(self.left, "eth0", ["192.0.2.1/30", "2001:db8::1/64"], self.right, "eth0", ["192.0.2.2/30", "2001:db8::2/64"])
        self.left.ip("route add 10.2.4.0/22 via 192.0.2.2", "route add 2001:db8:b::/64 via 2001:db8::2")
        self.right.ip("route add local 10.2.4.0/22 dev lo", "route add local 2001:db8:b::/64 dev lo")

    def receiver(self, *words):
        process = self.right.start(daemon.program("lispd-bench"), "traffic", "receive", *words)
        wait_until("the receiver listens", lambda: f":{PORT} " in self.right.run("ss", "-Hnul").stdout, 5)
        return process

    @test("sends as many datagrams of each size to each address as it is told to, over both families; all are counted")
    def carries(self):
        for first, largest in (("10.2.4.0", 1400), ("2001:db8:b::", 1380)):
            process = self.receiver(*(["--ipv6"] if ":" in first else []), "--run", "7")
            sent = json.loads(self.left.run(
                daemon.program("lispd-bench"), "traffic", "send", "--to", first, "--flows", "1000", "--run", "7",
                "--sizes", MIX.format(largest=largest), "--rate", "24000", "--seconds", "1").stdout)
            received = json.loads(process.finish(10)[1])
            expect(10_000 <= sent["packets"] <= 24_000 and sent["refused"] == 0, sent)
            expect((received["packets"], received["octets"]) == (sent["packets"], sent["octets"]), f"{sent} {received}")
            expect(received["flows"] == 1000 and received["duplicates"] == received["strangers"] == 0, received)
            mean = (7 * 64 + 4 * 576 + largest) / 12
            expect(abs(sent["octets"] / sent["packets"] - mean) < 2, f"{sent}, {mean} octets on average are wanted")
            expect(0 < sent["processorSeconds"] < 1.1 and 0 < received["processorSeconds"] < 2, f"{sent} {received}")

    @test("keeps the pace, and does not make up for a time in which it was held up")
    def paces(self):
        outcome = offer(self.left, self.right, Flows("10.2.4.0", 10, "64"), 5000, 1)
        # Fewer than the rate says where the machine is busy with other things, never more.
        expect(2000 <= outcome.sent <= 5000 and outcome.received == outcome.sent, outcome)
        with Offer(self.left, self.right, Flows("10.2.4.0", 10, "64"), 5000, 2) as under_way:
            time.sleep(0.5)
            under_way.sender.send(signal.SIGSTOP)
            time.sleep(1)
            under_way.sender.send(signal.SIGCONT)
            outcome = under_way.outcome()
        expect(1500 < outcome.sent < 5600, f"{outcome}: it made up for it")

    @test("counts datagrams that come again, come late, or are of another run, each for itself")
    def disorder(self):
        process = self.receiver("--run", "3")

        def datagram(flow, sequence, run=3, magic=b"LBTR"):
            return magic + struct.pack("!III", run, flow, sequence) + bytes(20)

        with udp_socket(self.left) as channel:
            for payload in (datagram(0, 0), datagram(0, 2), datagram(0, 1), datagram(1, 0), datagram(0, 1), datagram(0, 2),
                            datagram(1, 200), datagram(1, 0), datagram(1, 199), datagram(0, 5, run=4), datagram(0, 6, magic=b"else"),
                            b"short", datagram(1 << 16, 0), datagram(0, 1 << 27), datagram(0, (1 << 32) - 1)):
                channel.sendto(payload, ("192.0.2.2", PORT))
        received = json.loads(process.finish(10)[1])
        expect((received["packets"], received["octets"], received["flows"]) == (6, 6 * 36, 2), received)
        expect((received["duplicates"], received["outOfOrder"], received["strangers"]) == (3, 2, 5), received)

    @test("does not take a pause for the end, which the sender says; or silence does, where that is lost")
    def pause(self):
        with Offer(self.left, self.right, Flows("10.2.4.0", 10, "64"), 1000, 2.5) as under_way:
            time.sleep(0.5)
            under_way.sender.send(signal.SIGSTOP)
            time.sleep(1.5)
            under_way.sender.send(signal.SIGCONT)
            outcome = under_way.outcome()
        expect(outcome.received == outcome.sent > 100, outcome)
        process = self.receiver("--quiet", "0.3")
        with udp_socket(self.left) as channel:
            channel.sendto(b"LBTR" + bytes(40), ("192.0.2.2", PORT))
        expect(json.loads(process.finish(5)[1])["packets"] == 1, "another packet")

    @test("no datagram of it leaves in a train")
    def no_trains(self):
        _, before = self.left.interface_packets("eth0")
        outcome = offer(self.left, self.right, Flows("10.2.4.0", 1, "1400"), 20_000, 0.5)
        packets = self.left.interface_packets("eth0")[1] - before
        expect(packets >= outcome.sent > 5000, f"{outcome.sent} datagrams in {packets} packets")

    @test("ends when nothing comes, and refuses what makes no sense")
    def ends(self):
        received = json.loads(self.receiver("--patience", "0.3").finish(5)[1])
        expect(received["packets"] == 0 and received["receiveBuffer"] >= 64 << 20, received)
        for words, found in (("--to host --sizes 64 --rate 1", "expected an IPv4"), ("--to 192.0.2.2 --sizes 8 --rate 1", "8"),
                             ("--to 192.0.2.2 --sizes 64:0 --rate 1", "64:0"), ("--to 192.0.2.2 --sizes 64, --rate 1", "64,"),
                             ("--to 192.0.2.2 --sizes 64 --rate 0", "more than 0"),
                             ("--to 192.0.2.2 --sizes 64 --rate 1 --flows 0", "--flows 0"),
                             ("--to 192.0.2.2 --sizes 64 --rate 1e9 --seconds 9", "in a flow")):
            done = self.left.run(daemon.program("lispd-bench"), "traffic", "send", *words.split(), check=False)
            expect(done.returncode != 0 and found in done.stderr, f"{words}: {done.returncode} {done.stderr}")
