// What attackers try, as a report lists it.

package enum AttackKind: String, CaseIterable, Codable, Sendable {
    case replay = "replay of what was overheard"
    case replayFromElsewhere = "replay from another address"
    case forgedMapReply = "Map-Reply with a guessed nonce"
    case forgedProbeReply = "RLOC-probe reply with a guessed nonce"
    case forgedMapRegister = "Map-Register with a guessed key"
    case foreignMapRegister = "Map-Register for the EIDs of others, with the key of a site"
    case forgedMapNotify = "Map-Notify or Ack with a guessed key"
    case forgedSMR = "Solicit-Map-Request from a spoofed RLOC"
    case forgedProbe = "RLOC-probe that names a spoofed ITR-RLOC"
    case mapRequestFlood = "Map-Requests that name spoofed ITR-RLOCs"
    case scan = "packets to EIDs one after another"
    case forgedSizeError = "ICMP error that names a small path MTU"
    case damagedMessage = "damaged message"
    case garbage = "garbage"
}
