"""lispd and lispctl in a node, and the configuration files they get."""

import json
import os
import signal

from .run import ROOT, CommandFailed
from .sites import EID_SPACE, SITE_A, SITE_B
from .waiting import wait_until

ALGORITHM = "hmac-sha-256-128"

# A mapping in JSON that goes into the `data-plane:` of every tunnel router, also of programs that the suite starts.
DATA_PLANE = "LISPD_DATA_PLANE"
TUNNEL_ROUTERS = {"itr", "etr", "proxy-itr", "proxy-etr"}

# For daemons that are to judge whatever reaches them, however much that is. Replies keep their limit.
NO_LIMITS = {name: "none" for name in (
    "map-requests-per-source", "map-requests", "map-requests-per-etr", "negative-map-replies",
    "failed-map-registers-per-source", "failed-map-registers", "map-registers-per-site")}


def program(name):
    """The path of lispd or lispctl: from $LISPD_BIN, else the release build."""
    return os.path.join(os.environ.get("LISPD_BIN") or os.path.join(ROOT, ".build", "release"), name)


class Daemon:
    """A lispd of its own configuration, socket and state directory in a node."""

    def __init__(self, node, configuration, name=None):
        self.node = node
        self.name = name or node.name
        run = node.run_owner
        self.configuration_path = run.file(f"{self.name}.yaml")
        self.state_directory = os.path.join(run.runtime, f"{self.name}.state")
        self.socket = os.path.join(run.runtime, f"{self.name}.sock")
        self.process = None
        os.makedirs(self.state_directory, exist_ok=True)
        self.write(configuration)

    # The file

    def write(self, configuration):
        """Writes the configuration file; the management socket is filled in."""
        self.configuration = {**configuration,
                              "management": {**configuration.get("management", {}), "socket": self.socket}}
        self.write_text(to_yaml(self.configuration))

    @property
    def data_plane(self):
        """The section of the file, settings of the whole suite included."""
        return with_common_data_plane(self.configuration).get("data-plane", {})

    def write_text(self, text):
        with open(self.configuration_path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.configuration_path, 0o644)

    # The process

    @property
    def command(self):
        return [program("lispd"), "--config", self.configuration_path, "--state-directory", self.state_directory]

    def start(self, ready=True, timeout=20):
        """Starts it and waits until it answers on its management socket."""
        self.process = self.node.start(*self.command, log=f"{self.name}.log")
        if ready:
            self.wait_ready(timeout)
        return self

    def wait_ready(self, timeout=20):
        def answers():
            if self.process.status is not None:
                raise RuntimeError(f"lispd of {self.name} ended with {self.process.status}:\n{self.log_tail()}")
            return os.path.exists(self.socket) and self.control("show", "status")

        wait_until(f"lispd of {self.name} answers", answers, timeout, ignoring=(CommandFailed,))

    @property
    def pid(self):
        return self.process.pid

    @property
    def is_running(self):
        return self.process is not None and self.process.status is None

    def stop(self, timeout=10):
        """SIGTERM; returns the exit status. CommandFailed if it does not end in time."""
        self.process.send(signal.SIGTERM)
        return self.process.wait(timeout)

    def kill(self):
        """SIGKILL: it has no chance to clean up."""
        self.process.send(signal.SIGKILL)
        self.process.wait(10)

    def reload(self):
        self.process.send(signal.SIGHUP)

    def resident_kilobytes(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        raise KeyError("VmRSS")

    def log(self):
        return self.process.log() if self.process else ""

    def log_tail(self, lines=15):
        return "\n".join(self.log().splitlines()[-lines:])

    # The operator's tool

    def control(self, *words, json_output=True, check=True, timeout=15):
        """Runs lispctl: with --json and parsed, or, with json_output=False, the finished command with its text."""
        command = [program("lispctl"), *words, "--socket", self.socket]
        if not json_output:
            return self.node.run(*command, timeout=timeout, check=check)
        done = self.node.run(*command, "--json", timeout=timeout, check=check)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def metrics(self):
        """Prometheus' text, from the management socket."""
        return self.node.run("curl", "-s", "--unix-socket", self.socket, "http://lispd/metrics").stdout

    def text(self, *words):
        """What an operator sees."""
        return self.control(*words, json_output=False).stdout


# Configurations


def xtr(network, site, **changes):
    """The configuration of a site's xTR. `changes` replace or add top-level keys, written with underscores."""
    server = network.map_server_address
    configuration = {
        "roles": ["itr", "etr"],
        "locators": [{"interface": "core", "priority": 1, "weight": 100}],
        "database": [{"eid": prefix} for prefix in site.prefixes],
        "map-resolvers": [server],
        "map-servers": [{"address": server, "keys": [key(site.key)], "want-map-notify": True}],
        "rloc-probing": {"enabled": False},
    }
    configuration.update({name.replace("_", "-"): value for name, value in changes.items()})
    return configuration


def map_server(*sites, **changes):
    """The configuration of a Map-Server and Map-Resolver that serves the sites given, else both."""
    configuration = {
        "roles": ["map-server", "map-resolver"],
        "map-server": {"eid-space": EID_SPACE, "sites": [served(site) for site in sites or (SITE_A, SITE_B)]},
        "map-resolver": {},
    }
    configuration.update({name.replace("_", "-"): value for name, value in changes.items()})
    return configuration


def served(site, prefixes=None, keys=None, **eid_options):
    """A site of a Map-Server's configuration."""
    options = {"accept-more-specifics": True, **{k.replace("_", "-"): v for k, v in eid_options.items()}}
    return {
        "name": site.name,
        "keys": keys or [key(site.key)],
        "eids": [{"prefix": prefix, **options} for prefix in prefixes or site.prefixes],
    }


def key(secret, number=0, algorithm=ALGORITHM):
    return {"id": number, "algorithm": algorithm, "key": secret}


def with_ttl(site, ttl):
    """A database of the site's prefixes with another TTL."""
    return [{"eid": prefix, "ttl": ttl} for prefix in site.prefixes]


def common_data_plane():
    """The settings of the data plane that every tunnel router gets beside its own."""
    return parse_data_plane(os.environ.get(DATA_PLANE) or "{}")


def parse_data_plane(text):
    """ValueError if it is no mapping in JSON."""
    settings = json.loads(text)
    if not isinstance(settings, dict):
        raise ValueError(f"found {text}: expected a mapping such as " + '{"workers": 2}')
    return settings


def with_common_data_plane(configuration):
    """The configuration and, of a tunnel router, what it does not itself say of the data plane."""
    data_plane = {**common_data_plane(), **configuration.get("data-plane", {})}
    if not data_plane or TUNNEL_ROUTERS.isdisjoint(configuration["roles"]):
        return configuration
    return {**configuration, "data-plane": data_plane}


def to_yaml(configuration):
    """The file that a router gets: a line for each key, and for each item of a list below it."""
    lines = []
    for name, value in with_common_data_plane(configuration).items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines.append(f"{name}:")
            lines += [f"  - {json.dumps(item)}" for item in value]
        elif isinstance(value, dict) and value:
            lines.append(f"{name}:")
            for inner, content in value.items():
                if isinstance(content, list) and content and isinstance(content[0], dict):
                    lines.append(f"  {inner}:")
                    lines += [f"    - {json.dumps(item)}" for item in content]
                else:
                    lines.append(f"  {inner}: {json.dumps(content)}")
        else:
            lines.append(f"{name}: {json.dumps(value)}")
    return "\n".join(lines) + "\n"
