"""Networks of namespaces in which the real daemon is tried.

    waiting.py    waits with a limit, never a blind sleep
    run.py        one run: its name, directory, processes; cleaned up whatever happens
    nodes.py      a namespace and what can be done in it; links between two of them
    sites.py      the topology, drawn on top: two LISP sites, a Map-Server and a non-LISP host
    daemon.py     lispd and lispctl in a node; their configuration
    tables.py     what `lispctl show ... --json` says, as plain values
    iosxe.py      that JSON in the shape of Cisco's IOS-XE parsers, and what they make of the text
    traffic.py    ping, traceroute, iperf3 and their output; packet counters
    registers.py  Map-Registers made by hand, right ones and forged ones
    answers.py    a Map-Resolver made by hand, for negative Map-Replies of any kind
    datagrams.py  garbage, and LISP data packets made by hand
    icmp.py       ICMP errors made by hand, about data packets that were or were not sent
    capture.py    tcpdump, and tshark as a foreign reader of what was sent
    testing.py    tests named as sentences, in groups that share a network

Needs root, Debian's python3 (3.11 or newer) and nothing outside its standard library.
"""
