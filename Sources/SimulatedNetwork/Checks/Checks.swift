// All checks together.

import LISPTables

extension SimulatedNetwork {
    /// Has every check watch; returns the one that knows of healing.
    ///
    /// - Parameter isAttacked: whether somebody replays messages.
    @discardableResult
    package func watchEverything(isAttacked: Bool) -> AgreementCheck {
        let agreement = AgreementCheck()
        watch(BeliefCheck(isAttacked: isAttacked))
        watch(RegistrationCheck())
        watch(LimitCheck())
        watch(PlaneCheck())
        watch(ExpiryCheck())
        watch(PaceCheck())
        watch(AuthenticityCheck())
        watch(SendingCheck())
        watch(PacketCheck())
        watch(ProgressCheck())
        if isAttacked { watch(InnocenceCheck()) }
        watch(agreement)
        return agreement
    }
}
