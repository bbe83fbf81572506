"""lispctl's text as Cisco's public parsers of IOS-XE read it, and the same as --json says it.

One function for each output makes, from the JSON, exactly what the parser must have made of the text: every key, no other. So
nothing that is parsed stays uncompared. What the text must hold because IOS has it and lispd has not stands in `ios_only`.
"""

import json
import os
import subprocess

from .run import INTEROP, ROOT

ENVIRONMENT = os.path.join(ROOT, ".build", "pyats")
PYTHON = os.path.join(ENVIRONMENT, "bin", "python")
# What passes by itself while nothing happens. Everything else must not change between the JSON before and after the text.
PASSING = ("secondsAgo", "expiresIn", "epoch", "time")


def is_installed():
    return os.path.exists(os.path.join(ENVIRONMENT, "made-of"))


def parse(parser, text, **arguments):
    """What a parser makes of a text. RuntimeError with its complaint if it refuses."""
    request = [{"parser": parser, "text": text, "arguments": arguments}]
    done = subprocess.run([PYTHON, "-B", os.path.join(INTEROP, "pyats_reader.py")], input=json.dumps(request),
                          capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"pyats_reader.py ends with {done.returncode}: {done.stderr.strip()[-500:]}")
    answer = json.loads(done.stdout)[0]
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer["parsed"]


# One moment


class OneOf(frozenset):
    """The values that a text may show that was made between two JSON answers."""


def snapshot(daemon, *words, attempts=20):
    """(text, JSON before it, JSON after it) of a `show`, between which only time has passed."""
    for _ in range(attempts):
        before = daemon.control("show", *words)["data"]
        text = daemon.text("show", *words)
        after = daemon.control("show", *words)["data"]
        if without_time(before) == without_time(after):
            return text, before, after
    raise RuntimeError(f"show {' '.join(words)} never stood still")


def without_time(value):
    if isinstance(value, dict):
        return {key: without_time(inner) for key, inner in value.items() if key not in PASSING}
    return [without_time(inner) for inner in value] if isinstance(value, list) else value


def together(before, after):
    """Both JSON answers as one, in which seconds are `Seconds` of both."""
    if isinstance(before, dict):
        return {
            key: Seconds(inner, after[key]) if key in PASSING else together(inner, after[key])
            for key, inner in before.items()
        }
    return [together(*pair) for pair in zip(before, after)] if isinstance(before, list) else before


class Seconds:
    def __init__(self, first, last):
        self.range = range(min(first, last), max(first, last) + 1)

    @property
    def texts(self):
        return OneOf(duration(seconds) for seconds in self.range)


def duration(seconds):
    """As IOS prints it."""
    hours, days = seconds // 3600, seconds // 86400
    if days < 1:
        return f"{hours:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if days < 7:
        return f"{days}d{hours % 24:02}h"
    return f"{days // 7}w{days % 7}d" if days < 365 else f"{days // 365}y{days % 365 // 7}w"


def ago(moment):
    return moment["secondsAgo"].texts if moment else "never"


# Comparing


def differences(parsed, expected, path=""):
    """What was parsed and not expected, expected and not parsed, or has another value: one line each."""
    if isinstance(parsed, dict) and isinstance(expected, dict):
        found = []
        for key in sorted(set(parsed) | set(expected)):
            where = f"{path}/{key}"
            if key not in expected:
                found.append(f"{where}: parsed as {parsed[key]!r}, which --json does not account for")
            elif key not in parsed:
                found.append(f"{where}: not parsed; --json has {expected[key]!r}")
            else:
                found += differences(parsed[key], expected[key], where)
        return found
    if isinstance(expected, OneOf):
        return [] if parsed in expected else [f"{path}: {parsed!r} is none of {sorted(expected)}"]
    same = type(parsed) is type(expected) and parsed == expected
    return [] if same else [f"{path}: parsed {parsed!r}, --json has {expected!r}"]


def family_of(address):
    return "ipv6" if ":" in address else "ipv4"


def table_name(table):
    return table.get("namespace") or "default"


def grouped(digits):
    return "-".join("0x" + digits[at:at + 8].upper() for at in range(0, len(digits), 8))


def site_id(value):
    return str(value) if value else "unspecified"


# What each parser must have made of each text


def map_cache(report, table):
    """ShowLispServiceMapCache, of one table."""
    instance, family = str(table["instanceID"]), table["family"]
    entries = [entry for entry in report["entries"]
               if entry["instanceID"] == table["instanceID"] and family_of(entry["eidPrefix"]) == family]
    cache = {
        "vni": instance,
        "entries": table["entryCount"],
        "mappings": {entry["eidPrefix"]: map_cache_entry(entry, table) for entry in entries},
    }
    service = {"service": family, "itr": {"map_cache": {instance: cache}}}
    return {"lisp_router_instances": {"0": {"lisp_router_instance_id": 0, "service": {family: service}}}}


def map_cache_entry(entry, table):
    family = table["family"]
    via = [entry["source"], entry["state"]]
    if any(locator["isSelf"] for locator in entry["locators"]):
        via.insert(1, "self")
    expected = {
        "id": entry["eidPrefix"],
        "creation_time": ago(entry["created"]),
        "time_to_live": entry["expiresIn"].texts if "expiresIn" in entry else "never",
        "via": ", ".join(via),
        "eid": {"address_type": f"{family}-afi", "vrf": table_name(table), family: {family: entry["eidPrefix"]}},
    }
    if "action" in entry:
        expected["negative_mapping"] = {"map_reply_action": entry["action"]}
    if entry.get("forwarding") == "proxy-etr":
        expected["encap_to_petr"] = True
    if entry["locators"]:
        expected["positive_mapping"] = {"rlocs": {
            str(number): map_cache_locator(number, locator, table)
            for number, locator in enumerate(entry["locators"], 1)
        }}
    return expected


def map_cache_locator(number, locator, table):
    states = {"up": "up", "down": "down", "unreachable": "no-route", "unusable": "unusable"}
    family = family_of(locator["address"])
    is_self = locator["isSelf"] and locator["state"] == "up"
    return {
        "id": str(number),
        "uptime": ago(locator["since"]),
        "state": states[locator["state"]] + (", self" if is_self else ""),
        "priority": locator["priority"],
        "weight": locator["weight"],
        "encap_iid": "-",  # ios_only: lispd encapsulates with the instance of the table
        "locator_address": {
            "virtual_network_id": str(table["instanceID"]),
            "address_type": f"{family}-afi",
            family: {family: locator["address"]},
        },
    }


def database(report, table):
    """ShowLispServiceDatabase, of one table."""
    entries = [entry for entry in report["entries"]
               if entry["instanceID"] == table["instanceID"] and family_of(entry["eidPrefix"]) == table["family"]]
    bits = sum(locator["isReachable"] << bit for bit, locator in enumerate(entries[0]["locators"][:32]))
    expected = {
        "eid_table": f"vrf {table['namespace']}" if "namespace" in table else "default",
        "lsb": f"0x{bits:X}",
        "entries": {
            "total": table["entryCount"],
            "no_route": sum(not entry["hasRoute"] for entry in entries),
            "inactive": sum(not any(locator["isReachable"] for locator in entry["locators"]) for entry in entries),
            "eids": {entry["eidPrefix"]: database_entry(entry) for entry in entries},
        },
    }
    return {"lisp_id": {"0": {"instance_id": {str(table["instanceID"]): expected}}}}


def database_entry(entry):
    address, length = entry["eidPrefix"].split("/")
    expected = {"eid": address, "mask": int(length), "locator_set": entry["locatorSet"]}
    if not entry["hasRoute"]:
        expected["no_route_to_prefix"] = True
    if entry["locators"]:
        expected["locators"] = {
            locator["address"]: {
                "priority": locator["priority"],
                "weight": locator["weight"],
                "source": "cfg-intf" if "interface" in locator else "cfg-addr",
                "location": "site-self" if locator["isSelf"] else "site-other",
                "state": "reachable" if locator["isReachable"] else "unreachable",
            } for locator in entry["locators"]
        }
    return expected


def sites(report, each):
    """The tree that ShowLispSite and ShowLispSiteDetail have in common, with `each(EID-prefix)` as leaf."""
    names = {}
    for site in report["sites"]:
        instances = names.setdefault(site["name"], {}).setdefault("instance_id", {})
        for eid in site["eids"]:
            instance = instances.setdefault(str(eid["instanceID"]), {"eid_prefix": {}})
            instance["eid_prefix"][eid["eidPrefix"]] = each(eid)
    return {"lisp_id": {"0": {"site_name": names}}}


def site_row(eid):
    by = eid.get("lastRegisteredBy")
    expected = {"last_registered": ago(eid.get("lastRegistered")), "up": "yes" if eid["isRegistered"] else "no",
                "who_last_registered": by["address"] if by else "--"}
    if by:
        expected["port"] = by["port"]
    return expected


def site_detail(eid):
    def yes(value):
        return "Yes" if value else "No"

    origin = "Configuration" + (", accepting more specifics" if eid["acceptMoreSpecifics"] else "")
    if "moreSpecificOf" in eid:
        origin = f"Dynamic, more specific of {eid['moreSpecificOf']}"
    expected = {
        "first_registered": ago(eid.get("firstRegistered")),
        "last_registered": ago(eid.get("lastRegistered")),
        "origin": origin,
        "merge_active": yes(eid["mergeActive"]),
        "proxy_reply": yes(eid["proxyReply"]),
        "ttl": duration(eid["ttl"]) if "ttl" in eid else "N/A",
        "state": "complete" if eid["isRegistered"] else "unknown",
        "registration_erros": {"authentication_failures": eid["authenticationFailures"],
                               "allowed_locators_mismatch": eid["allowedLocatorsMismatches"]},
    }
    merged = {}
    for registration in eid["registrations"]:
        if is_for_parsers(registration):
            expected.setdefault("etr", {})[registration["etr"]["address"]] = registered(registration)
        else:
            merged.update({each["address"]: merged_locator(each, registration["etr"])
                           for each in registration["locators"]})
    merged.update({each["locator"]["address"]: merged_locator(each["locator"], each["registeredBy"])
                   for each in eid["mergedLocators"]})
    if merged:
        expected["merged_locators"] = merged
    return expected


def is_for_parsers(registration):
    """The parser knows no other than these."""
    return (registration["algorithm"].startswith("hmac-sha-1-") and registration["wantMapNotify"]
            and not registration["securityCapable"])


def registered(registration):
    return {
        "port": registration["etr"]["port"],
        "last_registered": ago(registration["lastRegistered"]),
        "proxy_reply": registration["proxyReply"],
        "map_notify": registration["wantMapNotify"],
        "ttl": duration(registration["ttl"]),
        "nonce": grouped(registration["nonce"]),
        "state": "complete",
        "xtr_id": grouped(registration["xtrID"]) if "xtrID" in registration else "N/A",
        "locators": {each["address"]: registered_locator(each) for each in registration["locators"]},
    }


def registered_locator(locator):
    return {
        "local": "yes" if locator["isLocal"] else "no",
        "state": "up" if locator["isReachable"] else "down",
        "priority": locator["priority"],
        "weight": locator["weight"],
        "scope": "IPv6" if ":" in locator["address"] else "IPv4",
    }


def merged_locator(locator, etr):
    # ios_only: RDP, the relative domain of a locator
    return {**registered_locator(locator), "reg_etr": etr["address"], "port": etr["port"], "rdp": "[-]"}


def service(status):
    """ShowLispService, of one instance and family."""
    def enabled(value):
        return "enabled" if value else "disabled"

    smr, probing = status["solicitMapRequests"], status["rlocProbing"]
    accept = {"on": "enabled, verify disabled", "verify": "enabled, verify enabled", "off": "disabled, verify disabled"}
    ios_only = {
        "locator_table": "default", "nat_traversal_router": False, "mobility_first_hop_router": "disabled",
        "delegated_database_tree": "disabled", "mr_use_petr": {"role": "disabled"},
        "first_packet_petr": {"role": "disabled"}, "database": {"dynamic_database_limit": 0},
    }
    expected = {
        **ios_only,
        "itr": {
            "enabled": status["itr"],
            "proxy_itr_router": status["proxyITR"],
            "solicit_map_request": "accept and process" if smr else "ignore",
            "max_smr_per_map_cache": "1" if smr else "0",
            "multiple_smr_supression_time": 3 if smr else 0,
        },
        "etr": {
            "enabled": status["etr"],
            "proxy_etr_router": status["proxyETR"],
            "accept_mapping_data": accept[status["acceptMapData"]],
            "map_cache_ttl": duration(status["ttl"]) if "ttl" in status else "N/A",
        },
        "map_server": {"enabled": status["mapServer"]},
        "map_resolver": {"enabled": status["mapResolver"]},
        "site_id": site_id(status.get("siteID")),
        "locator_status_algorithms": {
            "rloc_probe_algorithm": enabled(probing),
            "rloc_probe_on_route_change": False,  # ios_only
            "rloc_probe_member_change": "disabled",  # ios_only
            "lsb_reports": "process" if status["locatorStatusBits"] else "ignore",
            "ipv4_rloc_min_mask_len": 0,  # ios_only
            "ipv6_rloc_min_mask_len": 0,  # ios_only
        },
        # ios_only: activity check and persistence
        "map_cache": {"limit": status["mapCacheLimit"], "activity_check_period": 0, "persistent": "disabled"},
    }
    if status["proxyETRs"]:
        expected["itr"]["use_proxy_etr_rloc"] = status["proxyETRs"]
    if status["mapResolvers"]:
        expected["map_resolvers"] = {address: {"mr_address": address} for address in status["mapResolvers"]}
    if status["mapServers"]:
        expected["mapping_servers"] = {each["address"]: {"ms_address": each["address"]}
                                       for each in status["mapServers"]}
    if "xtrID" in status:
        expected["xtr_id"] = grouped(status["xtrID"])
    return {"lisp_id": {"0": expected}}


def statistics(report, family):
    """ShowLispServiceStatistics, of one family with what all families share."""
    control = next(each for each in report["control"] if each["family"] == family)
    errors = report["formatErrors"]
    none = {"in": 0, "out": 0}

    def both(name):
        return {"in": control[name]["incoming"], "out": control[name]["outgoing"]}

    def recent(name):
        counts = control[name]
        return {"5_sec": counts["fiveSeconds"], "1_min": counts["oneMinute"], "5_min": counts["fiveMinutes"]}

    ios_only = {
        "wlc_map_subscribe": {**none, "failures": none},
        "wlc_map_unsubscribe": {**none, "failures": none},
        "wlc_map_registers": {**none, "ap": none, "client": none, "failures": none},
        "wlc_map_notify": {**none, "ap": none, "client": none, "failures": none},
        "publish_subscribe": {
            "subscription_request": {**none, "iid": none, "pub_refresh": none, "policy": none, "failures": none},
            "subscription_status": {**none, "end_of_publication": none, "subscription_rejected": none,
                                    "subscription_removed": none, "failures": none},
            "solicit_subscription": {**none, "failures": none},
            "publication": {**none, "failures": none},
        },
    }
    expected = {
        "last_cleared": "never",
        "control_packets": {
            **ios_only,
            "map_requests": {
                **both("mapRequests"), **recent("recentMapRequests"),
                "encapsulated": both("encapsulatedMapRequests"),
                "rloc_probe": both("probeMapRequests"),
                "smr_based": both("solicitMapRequests"),
                "extranet_smr_cross_iid": {"in": 0},  # ios_only
                "expired": {"on_queue": 0, "no_reply": control["mapRequestsExpired"]},  # on_queue: ios_only
                "map_resolver_forwarded": control["mapResolverForwarded"],
                "map_server_forwarded": control["mapServerForwarded"],
            },
            "map_reply": {
                **both("mapReplyRecords"),
                "authoritative": both("authoritativeRecords"),
                "non_authoritative": both("nonAuthoritativeRecords"),
                "negative": both("negativeRecords"),
                "rloc_probe": both("probeRecords"),
                "map_server_proxy_reply": {"out": control["proxyReplyRecords"]},
            },
            "map_register": {
                **both("mapRegisterRecords"), **recent("recentMapRegisterRecords"),
                "map_server_af_disabled": 0,  # ios_only
                "not_valid_site_eid_prefix": control["registerUnknownEID"],
                "authentication_failures": control["registerAuthenticationFailures"],
                "disallowed_locators": control["registerDisallowedLocators"],
                "misc": control["registerOtherFailures"],
            },
            "map_notify": {**both("mapNotifyRecords"),
                           "authentication_failures": control["mapNotifyAuthenticationFailures"]},
        },
        "errors": {  # ios_only
            "mapping_rec_ttl_alerts": 0, "map_request_invalid_source_rloc_drops": 0,
            "map_register_invalid_source_rloc_drops": 0, "ddt_requests_failed": 0,
            "ddt_itr_map_requests": {"dropped": 0, "nonce_collision": 0, "bad_xtr_nonce": 0},
        },
        "cache_related": {
            "cache_entries": {"created": control["mapCacheCreated"], "deleted": control["mapCacheDeleted"]},
            "nsf_cef_replay_entry_count": 0, "rejected_eid_prefix_due_to_limit": 0,  # ios_only
        },
        "forwarding": {
            "data_signals": {"processed": control["dataSignals"], "dropped": control["dataSignalsDropped"]},
            "reachability_reports": {"count": 0, "dropped": 0}, "smr_signals": {"dropped": 0},  # ios_only
        },
        "rloc_statistics": {
            "last_cleared": "never",
            "control_packets": {  # ios_only
                "rtr": {"map_requests_forwarded": 0, "map_notifies_forwarded": 0},
                "ddt": {"map_requests": none, "map_referrals": none},
            },
            "errors": {"map_request_format": errors["mapRequests"], "map_reply_format": errors["mapReplies"],
                       "map_referral": 0},  # map_referral: ios_only
        },
        "misc_statistics": {
            "invalid": {
                # ios_only but for the checksum: the kernel finds these before lispd sees the datagram
                "ip_version_drops": 0, "ip_header_drops": 0, "ip_proto_field_drops": 0, "packet_size_drops": 0,
                "lisp_control_port_drops": 0, "lisp_checksum_drops": errors["checksums"],
            },
            "unsupported_lisp_packet_drops": errors["unsupportedTypes"],
            "unknown_packet_drops": errors["otherMessages"],
        },
    }
    return {"lisp_id": {"0": expected}}
