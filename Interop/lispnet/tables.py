"""What `lispctl show ... --json` says, as plain values. The one place that knows the names of its schema."""

from dataclasses import dataclass, field


@dataclass
class Mapping:
    """An entry of the map-cache."""

    prefix: str
    instance: int
    action: str
    locators: list
    raw: dict = field(repr=False)

    @property
    def is_negative(self):
        return not self.locators


def map_cache(daemon):
    rows = daemon.control("show", "map-cache")["entries"]
    return [
        Mapping(row["eid"], row.get("instance-id", 0), row.get("action", ""),
                [locator["address"] for locator in row.get("locators", [])], row)
        for row in rows
    ]


def mapping(daemon, prefix, instance=0):
    """The entry of exactly that prefix, or None."""
    return next((row for row in map_cache(daemon) if (row.prefix, row.instance) == (prefix, instance)), None)


@dataclass
class Registration:
    """An EID-prefix of a site on the Map-Server."""

    site: str
    prefix: str
    instance: int
    is_up: bool
    raw: dict = field(repr=False)


def registrations(daemon):
    rows = []
    for site in daemon.control("show", "site", "--detail")["sites"]:
        for eid in site["eids"]:
            rows.append(Registration(site["name"], eid["prefix"], eid.get("instance-id", 0), eid["registered"], eid))
    return rows


def is_registered(daemon, prefix, instance=0):
    return any(row.is_up and (row.prefix, row.instance) == (prefix, instance) for row in registrations(daemon))


def locators_of(daemon, prefix, instance=0):
    """The RLOCs registered for exactly that prefix."""
    for row in registrations(daemon):
        if (row.prefix, row.instance) == (prefix, instance):
            return {
                locator["address"] for etr in row.raw.get("etrs", []) for locator in etr.get("locators", [])
            }
    return set()


def refusals(daemon, site):
    """{reason: number} of Map-Registers and records that were refused at a site."""
    for row in daemon.control("show", "site", site, "--detail")["sites"]:
        if row["name"] == site:
            return {name: number for name, number in flatten(row).items() if "refus" in name or "fail" in name}
    raise KeyError(site)


def statistics(daemon):
    """{dotted name: number} of everything counted."""
    return flatten(daemon.control("show", "statistics"))


def flatten(value, name=""):
    """The numbers in nested JSON, by dotted name."""
    if isinstance(value, bool):
        return {}
    if isinstance(value, (int, float)):
        return {name: value}
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    numbers = {}
    for key, inner in parts:
        numbers.update(flatten(inner, f"{name}.{key}" if name else str(key)))
    return numbers


def grown(before, after):
    """The counters that grew, with by how much."""
    return {name: number - before.get(name, 0) for name, number in after.items() if number > before.get(name, 0)}


def age(entry):
    """For how many seconds a map-cache entry has been known."""
    return entry.raw["uptime"]
