// lispEidRegistrationTable: the EID-prefixes of this Map-Server's sites.

import AgentX

extension LISPMIB {
    var eidRegistrationTable: MIBObject {
        Table("lispEidRegistrationEntry", at: entry(9), rows: model.registrations.rows()) {
            Column(3, "lispEidRegistrationSiteName") { .text($0.site, limit: 63) }
            Column(4, "lispEidRegistrationSiteDescription") { $0.description.map { .text($0, limit: 255) } }
            Column(5, "lispEidRegistrationIsRegistered") { .truth($0.isRegistered) }
            Column(6, "lispEidRegistrationFirstTimeStamp") { $0.firstRegisterAge.map(stamp) }
            Column(7, "lispEidRegistrationLastTimeStamp") { $0.lastRegisterAge.map(stamp) }
            Column(8, "lispEidRegistrationLastRegisterSenderLength") { $0.lastSender.map(VariableValue.octetCount) }
            Column(9, "lispEidRegistrationLastRegisterSender") { $0.lastSender.map(VariableValue.address) }
            Column(10, "lispEidRegistrationAuthenticationErrors") { .counter64($0.authenticationErrors) }
            Column(11, "lispEidRegistrationRlocsMismatch") { .counter64($0.locatorMismatches) }
        }
    }
}
