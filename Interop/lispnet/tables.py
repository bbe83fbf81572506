"""What `lispctl show ... --json` says, as plain values. The one place that knows the names of its schema.

Every answer is {"schema": "lispd/1", "time": ..., "data": {...}}; see Sources/ManagementAPI.
"""

from dataclasses import dataclass, field


@dataclass
class Mapping:
    """An entry of the map-cache."""

    prefix: str
    instance: int
    state: str
    action: str
    locators: list
    raw: dict = field(repr=False)

    @property
    def is_negative(self):
        return self.state != "incomplete" and not self.locators

    @property
    def created(self):
        """When it was learnt, in seconds since 1970."""
        return self.raw["created"]["epoch"]


def show(daemon, *words):
    """The data of a `show`."""
    answer = daemon.control("show", *words)
    return answer.get("data", answer)


def system_calls(daemons):
    """{call: (calls, packets)} of all workers of these daemons together; empty without one."""
    total = {}
    for each in daemons:
        for worker in show(each, "statistics")["dataPlane"]["systemCalls"]:
            for call, count in worker.items():
                if call != "worker":
                    calls, packets = total.get(call, (0, 0))
                    total[call] = (calls + count["calls"], packets + count["packets"])
    return total


def map_cache(daemon):
    return [
        Mapping(row["eidPrefix"], row["instanceID"], row["state"], row.get("action", ""),
                [locator["address"] for locator in row["locators"]], row)
        for row in show(daemon, "map-cache")["entries"]
    ]


def mapping(daemon, prefix, instance=0):
    """The complete entry of exactly that prefix, or None."""
    for row in map_cache(daemon):
        if (row.prefix, row.instance) == (prefix, instance) and row.state != "incomplete":
            return row
    return None


@dataclass
class Registration:
    """An EID-prefix of a site on the Map-Server."""

    site: str
    prefix: str
    instance: int
    is_up: bool
    raw: dict = field(repr=False)

    @property
    def locators(self):
        """The RLOCs that its ETRs have registered."""
        return {locator["address"] for etr in self.raw["registrations"] for locator in etr["locators"]}

    @property
    def by_etr(self):
        """{address of the ETR: {RLOC: (priority, weight)}}, each ETR's own."""
        return {etr["etr"]["address"]: preferences(etr["locators"]) for etr in self.raw["registrations"]}

    @property
    def merged(self):
        """{RLOC: (priority, weight)} that is answered if ETRs are merged; empty if none are."""
        return preferences(each["locator"] for each in self.raw["mergedLocators"])

    @property
    def latest(self):
        """The address of the ETR that registered last."""
        return self.raw["lastRegisteredBy"]["address"]


def preferences(locators):
    """{RLOC: (priority, weight)}"""
    return {each["address"]: (each["priority"], each["weight"]) for each in locators}


def registrations(daemon):
    return [
        Registration(site["name"], eid["eidPrefix"], eid["instanceID"], eid["isRegistered"], eid)
        for site in show(daemon, "site")["sites"] for eid in site["eids"]
    ]


def registration(daemon, prefix, instance=0):
    return next((row for row in registrations(daemon) if (row.prefix, row.instance) == (prefix, instance)), None)


def is_registered(daemon, prefix, instance=0):
    row = registration(daemon, prefix, instance)
    return row is not None and row.is_up


def locators_of(daemon, prefix, instance=0):
    """The RLOCs registered for exactly that prefix."""
    row = registration(daemon, prefix, instance)
    return row.locators if row else set()


def refusals(daemon, site):
    """{reason: number} of the records that were refused at a site."""
    for row in show(daemon, "site", site)["sites"]:
        if row["name"] == site:
            return counts(row["refusals"])
    raise KeyError(site)


def refusals_of_nobody(daemon):
    """{reason: number} of the records that fit no site."""
    return counts(show(daemon, "site")["unknownSite"])


def counts(reasons):
    return {each["reason"]: each["count"] for each in reasons}


def statistics(daemon):
    """{dotted name: number} of everything counted."""
    return flatten(show(daemon, "statistics"))


def flatten(value, name=""):
    """The counters in nested JSON, by dotted name; moments are left out, lists go by what names their members."""
    if isinstance(value, bool) or name.endswith((".last", ".epoch", "instanceID")):
        return {}
    if isinstance(value, (int, float)):
        return {name: value}
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list):
        parts = [(member_name(member, index), member) for index, member in enumerate(value)]
    else:
        return {}
    numbers = {}
    for key, inner in parts:
        numbers.update(flatten(inner, f"{name}.{key}" if name else key))
    return numbers


def member_name(member, index):
    if isinstance(member, dict):
        for key in ("reason", "family", "instanceID"):
            if key in member:
                return str(member[key])
    return str(index)


def grown(before, after):
    """The counters that grew, with by how much."""
    return {name: number - before.get(name, 0) for name, number in after.items() if number > before.get(name, 0)}


def map_server_states(daemon):
    """{address: registered, registering or unanswered}, as an xTR sees it."""
    return {row["address"]: row["state"] for row in show(daemon, "map-servers")["mapServers"]}
