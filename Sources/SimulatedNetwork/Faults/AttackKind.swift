// What attackers try, as a report lists it.

package enum AttackKind: String, CaseIterable, Codable, Sendable {
    case replay = "replay of what was overheard"
    case forgedMapReply = "Map-Reply with a guessed nonce"
    case forgedMapRegister = "Map-Register with a guessed key"
    case forgedMapNotify = "Map-Notify or Ack with a guessed key"
    case damagedMessage = "damaged message"
    case garbage = "garbage"
}
