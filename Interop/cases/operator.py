"""lispctl in an operator's hands: what it says when it gets no answer, readers that have seen enough, tables of any length."""

import json
import os
import signal
import socket
import subprocess
import threading

from lispnet import daemon, registers, tables
from lispnet.daemon import program
from lispnet.registers import SHA1, Register
from lispnet.sites import TwoSites
from lispnet.testing import QUIET, Group, expect, test

MANY = 2500  # more than two pages


class OperatorGroup(Group):
    name = "operator"
    weight = QUIET

    def set_up(self):
        os.chmod(self.run.runtime, 0o755)
        self.number = 0

    # A socket on which somebody answers as the test wants

    def path(self):
        self.number += 1
        return os.path.join(self.run.runtime, f"{self.number}.sock")

    def serve(self, answer):
        """The path of a socket; `answer(connection)` runs for each connection."""
        path = self.path()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(16)

        def accept():
            while True:
                connection, _ = listener.accept()
                answer(connection)

        threading.Thread(target=accept, daemon=True).start()
        return path

    def reply(self, data):
        """The path of a socket where every request gets these octets."""
        def answer(connection):
            connection.recv(65536)
            connection.sendall(data)
            connection.close()

        return self.serve(answer)

    def refused(self, status, words, *arguments, user=None):
        """lispctl ends with that status, and one line with these words on standard error."""
        command = [program("lispctl"), *arguments]
        if user:
            command = ["setpriv", "--reuid", str(user), "--clear-groups", *command]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        where = f"`lispctl {' '.join(arguments)}` ended with {done.returncode}: {done.stderr}{done.stdout}"
        expect(done.returncode == status, where)
        expect(words in done.stderr and done.stderr.count("\n") == 1 and not done.stdout, where)

    @test("says in one line, and by exit status 69, that nobody answers")
    def nobody(self):
        ordinary = self.path()
        open(ordinary, "w", encoding="ascii").close()
        stale = self.path()
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(stale)
        for path, words in (
                (self.path(), "lispd is not running"),
                (stale, "lispd is not running"),
                (ordinary, "is no socket"),
                (self.run.runtime, "is no socket"),
                (self.serve(lambda connection: connection.close()), "closed the connection"),
                (self.reply(b""), "closed the connection"),
                (self.reply(http(b'{"schema": "lispd/1", "ti', length=500)), "closed the connection"),
                (self.reply(b"SSH-2.0-OpenSSH_9.2\r\n"), "does not answer as lispd does"),
                (self.reply(http(b'{"schema":"lispd/1","error":"not now","details":[]}', "503 No")), "not now")):
            for what in ("status", "map-cache"):
                self.refused(69, words, "show", what, "--socket", path)

    @test("gives up on a daemon that does not answer")
    def silent(self):
        held = []
        self.refused(69, "no answer within 15 s", "show", "status", "--socket", self.serve(held.append))

    @test("says by exit status 70 that the daemon is of another version or failed")
    def other_version(self):
        for answer, words in ((http(b'{"schema":"lispd/2","time":1,"data":{}}'), "lispd/2, not lispd/1"),
                              (http(b"<html>"), "another version"), (http(b"oops", "500 Oops"), "500")):
            self.refused(70, words, "show", "status", "--socket", self.reply(answer))

    @test("says by exit status 77 that a socket may not be opened")
    def not_permitted(self):
        path = self.reply(b"")
        os.chmod(path, 0o600)
        self.refused(77, "may not open", "show", "status", "--socket", path, user=65534)

    @test("refuses EIDs that do not parse by exit status 64, whoever listens")
    def usage(self):
        for words in (("10.1.0.0/8",), ("10.1",), ("ipv6", "10.1.0.1"), ("10.1.0.1", "10.1.0.2")):
            for what in ("map-cache", "site"):
                if words == ("10.1",) and what == "site":
                    continue  # the name of a site
                self.refused(64, "", "show", what, *words, "--socket", self.path())

    # Answers of any length

    def pages(self, count):
        """The path of a socket where the map-cache has that many pages of 1000 entries."""
        def answer(connection):
            request = connection.recv(65536).decode()
            number = int(request.split("after=")[1].split("&")[0].split()[0]) if "after=" in request else 0
            more = {"next": str(number + 1)} if number + 1 < count else {}
            connection.sendall(http(json.dumps({"schema": "lispd/1", "time": 1, "data": page(number, count, more)}).encode()))
            connection.close()

        return self.serve(answer)

    @test("ends without a word by SIGPIPE when its reader has seen enough, as text and as JSON")
    def reader_ends(self):
        path = self.pages(5)
        for more in ([], ["--json"]):
            with subprocess.Popen([program("lispctl"), "show", "map-cache", "--socket", path, *more],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                process.stdout.read(20)
                process.stdout.close()
                error = process.stderr.read()
                expect(process.wait(30) == -signal.SIGPIPE and not error, f"{process.returncode}: {error}")

    @test("says that the answer could not be written, by exit status 74")
    def disk_full(self):
        path = self.pages(2)
        for arguments in (["show", "map-cache", "--socket", path], ["show", "map-cache", "--json", "--socket", path],
                          ["completions", "bash"]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([program("lispctl"), *arguments], stdout=full, stderr=subprocess.PIPE, text=True,
                                      timeout=60, check=False)
            expect(done.returncode == 74 and "No space left" in done.stderr and done.stderr.count("\n") == 1,
                   f"{arguments}: {done.returncode}: {done.stderr}")

    @test("writes a long table page by page: ten times the entries need no more memory")
    def streams(self):
        needed = []
        for count in (4, 40):
            lines, kilobytes = self.measured("show", "map-cache", "--socket", self.pages(count))
            expect(lines == 1000 * count + 3, f"{lines} lines of {1000 * count} entries")
            needed.append(kilobytes)
        expect(needed[1] < 1.5 * needed[0], f"{needed[0]} kB for 4 pages, {needed[1]} kB for 40")

    def measured(self, *arguments):
        """(lines written, kilobytes of memory at most) of a lispctl."""
        output = self.run.file("output.txt")
        with open(output, "wb") as file:
            process = subprocess.Popen([program("lispctl"), *arguments], stdout=file)
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        expect(process.returncode == 0, f"it ended with {process.returncode}")
        with open(output, "rb") as file:
            return sum(1 for _ in file), usage.ru_maxrss

    @test("shows every EID-prefix of a large Map-Server once and in order, more-specifics behind what they lie in")
    def many_sites(self):
        network = TwoSites(self.run)
        key = {"id": 1, "algorithm": "hmac-sha-1-96", "key": "secret"}
        plain = [f"10.{number >> 8}.{number & 255}.0/24" for number in range(MANY)]
        nested = ["172.16.0.0/12", "172.20.0.0/16"]
        sites = [
            {"name": "plain", "keys": [key], "eids": [{"prefix": prefix} for prefix in reversed(plain)]},
            {"name": "nested", "keys": [key],
             "eids": [{"prefix": prefix, "accept-more-specifics": True} for prefix in nested]},
            {"name": "last", "keys": [key], "eids": [{"prefix": "192.168.0.0/16"}]},
        ]
        server = daemon.Daemon(network.map_server, {
            "roles": ["map-server"], "map-server": {"eid-space": ["0.0.0.0/0"], "sites": sites}}).start()
        expect(not os.path.exists(os.path.join(server.state_directory, "xtr-id")), "a Map-Server made an xTR-ID")
        parts = [f"172.{16 + number // 100}.{number % 100}.0/24" for number in range(1200)]
        for start in range(0, len(parts), 100):
            records = [(prefix, ["198.51.100.14"]) for prefix in parts[start:start + 100]]
            registers.send(network.rogue, network.map_server_address, Register("secret", records, SHA1, 1, flags=0), 0.1)
        inner = [prefix for prefix in parts if prefix.startswith("172.20.")]
        outer = [prefix for prefix in parts if not prefix.startswith("172.20.")]
        expected = [*plain, nested[0], *outer, nested[1], *inner, "192.168.0.0/16"]
        shown = [row.prefix for row in tables.registrations(server)]
        expect(shown == expected, first_difference(shown, expected))
        for words in ((), ("--detail",)):
            text = server.text("show", "site", *words)
            names = ("EID-prefix: ",) if words else ("never  ", "00:00:", "00:01:")
            rows = [line.strip() for line in text.splitlines() if any(name in line for name in names)]
            rows = [row.split()[1] if words else row.split()[-1] for row in rows if words or "/" in row]
            expect(rows == expected, first_difference(rows, expected))
        for eid, found in (("172.20.7.9", ["172.20.7.0/24"]), ("172.20.200.1", [nested[1]]), ("10.0.1.1", [plain[1]]),
                           ("172.20.0.0/16", [nested[1], *inner])):
            shown = [row["eidPrefix"] for site in tables.show(server, "site", eid)["sites"] for row in site["eids"]]
            expect(shown == found, f"{eid}: {first_difference(shown, found)}")


def http(body, status="200 OK", length=None):
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length or len(body)}\r\n\r\n"
    return head.encode() + body


def page(number, count, more):
    """The data of a page of a map-cache."""
    moment = {"epoch": 1, "secondsAgo": 1}
    none = {"packets": 0, "octets": 0}
    entries = [{
        "instanceID": 0, "eidPrefix": f"10.{number}.{index >> 8}.{index & 255}/32", "created": moment, "lastModified": moment,
        "source": "map-reply", "state": "complete", "isAuthoritative": True, "locators": [], "encapsulated": none,
        "decapsulated": none,
    } for index in range(1000)]
    table = {"instanceID": 0, "family": "ipv4", "entryCount": 1000 * count}
    return {"tables": [table], "entries": entries, **more}


def first_difference(shown, expected):
    for index, (left, right) in enumerate(zip(shown, expected)):
        if left != right:
            return f"row {index} is {left}, not {right}"
    return f"{len(shown)} rows, not {len(expected)}"
