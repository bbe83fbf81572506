import LISPWire
import Testing

@testable import ManagedObjects

@Suite struct `Octets of a LispAddressType` {
    @Test func `is that of the RFC's examples`() throws {
        #expect(octets("192.0.2.0/24") == [0, 1, 4, 192, 0, 2, 0, 24])
        let address: [UInt8] = [0x20, 0x01, 0x0d, 0xb8, 0, 0x0a] + Array(repeating: 0, count: 10)
        #expect(octets("2001:db8:a::/48") == [0, 2, 16] + address + [48])
    }

    @Test func `has the layout of RFC 8060 in an instance`() throws {
        #expect(octets("192.0.2.0/24", 101) == [64, 3, 11, 2, 0, 0, 0, 101, 0, 1, 192, 0, 2, 0, 24])
        let longest = octets("2001:db8::1/128", 0xff_ffff)
        #expect(longest.count == 27)
        #expect(longest.starts(with: [64, 3, 23, 2, 0, 255, 255, 255, 0, 2, 0x20, 0x01]))
    }

    @Test func `holds other addresses as on the wire`() {
        #expect(LispAddressType.octets(.mac(MACAddress(0x0a_0b0c_0d0e_0f))) == [64, 5, 6, 10, 11, 12, 13, 14, 15, 48])
        #expect(LispAddressType.octets(.distinguishedName(Array("ab".utf8))) == [0, 17, 3, 97, 98, 0, 0])
        let canonical = LISPAddress.lcaf(CanonicalAddress(type: 99, body: [1, 2, 3]))
        #expect(LispAddressType.octets(canonical) == [64, 3, 4, 99, 1, 2, 3, 0])
        #expect(LispAddressType.octets(.distinguishedName(Array(repeating: 65, count: 255))) == nil)
    }

    private func octets(_ text: String, _ instance: UInt32 = 0) -> [UInt8] {
        LispAddressType.octets(
            EIDPrefix(instanceID: InstanceID(uncheckedRawValue: instance), IPPrefix(text)!)
        )
    }
}
