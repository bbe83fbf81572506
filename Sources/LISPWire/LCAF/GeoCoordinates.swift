// Where an EID or an RLOC is on Earth, in WGS 84: RFC 8060 section 4.3 and, finer, RFC 10040 section 7.

/// Degrees north or south of the Equator, or east or west of the Prime Meridian.
package struct GeoAngle: Hashable, Sendable {
    /// North, or east.
    package var isPositive: Bool
    /// 0 to 90, or 0 to 180.
    package var degrees: UInt16
    /// The part of a degree beyond, in milliseconds of arc: 0 to 3,599,999.
    package var milliseconds: UInt32

    package init(isPositive: Bool, degrees: UInt16, milliseconds: UInt32) {
        self.isPositive = isPositive
        self.degrees = degrees
        self.milliseconds = milliseconds
    }

    fileprivate static let millisecondsOfDegree: UInt32 = 3_600_000
}

extension GeoAngle: CustomStringConvertible {
    /// Signed decimal degrees, to about a centimetre on the ground.
    package var description: String {
        let millionths = (UInt64(milliseconds) * 10_000_000 + 1_800_000) / UInt64(Self.millisecondsOfDegree)
        let all = UInt64(degrees) * 10_000_000 + millionths
        let digits = String(all % 10_000_000)
        return (isPositive || all == 0 ? "" : "-") + "\(all / 10_000_000)."
            + String(repeating: "0", count: 7 - digits.count) + digits
    }
}

//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |N|     Latitude Degrees        |    Minutes    |    Seconds    |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |E|     Longitude Degrees       |    Minutes    |    Seconds    |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                            Altitude                           |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              AFI = x          |         Address  ...          |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// A place to the second of arc, RFC 8060.
package struct GeoCoordinates: CanonicalContent {
    /// Milliseconds below a whole second are not sent.
    package var latitude: GeoAngle
    package var longitude: GeoAngle
    /// Metres above sea level, `nil` where unknown.
    package var altitude: Int32?
    package var address: LISPAddress

    package var type: LCAFType { .geoCoordinates }

    /// Octets in front of the address.
    static let addressOffset = 12
    private static let noAltitude: UInt32 = 0x7fff_ffff

    package init(latitude: GeoAngle, longitude: GeoAngle, altitude: Int32? = nil, address: LISPAddress) {
        self.latitude = latitude
        self.longitude = longitude
        self.altitude = altitude
        self.address = address
    }

    init(from reader: inout WireReader) throws(WireError) {
        self.latitude = try Self.angle("Latitude", limit: 90, from: &reader)
        self.longitude = try Self.angle("Longitude", limit: 180, from: &reader)
        let altitude: UInt32 = try reader.integer("Altitude")
        self.altitude = altitude == Self.noAltitude ? nil : Int32(bitPattern: altitude)
        self.address = try LISPAddress("Address", from: &reader)
    }

    private static func angle(
        _ field: String,
        limit: UInt16,
        from reader: inout WireReader
    ) throws(WireError) -> GeoAngle {
        let degrees: UInt16 = try reader.integer(field + " Degrees")
        guard degrees & 0x7fff <= limit else {
            throw reader.fault(.invalid(field: field + " Degrees", value: UInt64(degrees & 0x7fff)), size: 2)
        }
        let minutes: UInt8 = try reader.integer(field + " Minutes")
        guard minutes < 60 else {
            throw reader.fault(.invalid(field: field + " Minutes", value: UInt64(minutes)), size: 1)
        }
        let seconds: UInt8 = try reader.integer(field + " Seconds")
        guard seconds < 60 else {
            throw reader.fault(.invalid(field: field + " Seconds", value: UInt64(seconds)), size: 1)
        }
        return GeoAngle(
            isPositive: degrees & 0x8000 != 0,
            degrees: degrees & 0x7fff,
            milliseconds: (UInt32(minutes) * 60 + UInt32(seconds)) * 1000
        )
    }

    package func encode(into writer: inout WireWriter) {
        for angle in [latitude, longitude] {
            let seconds = min(angle.milliseconds, GeoAngle.millisecondsOfDegree - 1) / 1000
            writer.integer(angle.degrees & 0x7fff | (angle.isPositive ? 0x8000 : 0))
            writer.integer(UInt8(seconds / 60))
            writer.integer(UInt8(seconds % 60))
        }
        writer.integer(altitude.map { UInt32(bitPattern: $0) } ?? Self.noAltitude)
        address.encode(into: &writer)
    }
}

//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |U|N|E|A|M|R|K|    Reserved     |     Location Uncertainty      |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |  Lat Degrees  |        Latitude Milliseconds                  |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |  Long Degrees |        Longitude Milliseconds                 |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                            Altitude                           |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |             Radius            |          Reserved             |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              AFI              |         Address  ...          |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// A place to the millisecond of arc, or with a radius all places around it, RFC 10040. Peers from before that RFC send it
/// under type 5.
package struct GeoLocation: CanonicalContent {
    package struct Altitude: Hashable, Sendable {
        package var value: Int32
        /// M; otherwise in centimetres.
        package var isInMetres: Bool

        package init(_ value: Int32, isInMetres: Bool) {
            self.value = value
            self.isInMetres = isInMetres
        }
    }

    package struct Radius: Hashable, Sendable {
        package var value: UInt16
        /// K; otherwise in metres.
        package var isInKilometres: Bool

        package init(_ value: UInt16, isInKilometres: Bool) {
            self.value = value
            self.isInKilometres = isInKilometres
        }
    }

    package var latitude: GeoAngle
    package var longitude: GeoAngle
    /// Centimetres. Its presence is the U-bit.
    package var uncertainty: UInt16?
    /// Above sea level. Its presence is the A-bit.
    package var altitude: Altitude?
    /// Its presence is the R-bit, and makes the point a prefix.
    package var radius: Radius?
    package var address: LISPAddress

    package var type: LCAFType { .geoLocation }

    /// Octets in front of the address.
    static let addressOffset = 20

    package init(
        latitude: GeoAngle,
        longitude: GeoAngle,
        uncertainty: UInt16? = nil,
        altitude: Altitude? = nil,
        radius: Radius? = nil,
        address: LISPAddress
    ) {
        self.latitude = latitude
        self.longitude = longitude
        self.uncertainty = uncertainty
        self.altitude = altitude
        self.radius = radius
        self.address = address
    }

    init(from reader: inout WireReader) throws(WireError) {
        let flags: UInt16 = try reader.integer("Geo-Location Flags")
        let uncertainty: UInt16 = try reader.integer("Location Uncertainty")
        self.uncertainty = flags & 0x8000 != 0 ? uncertainty : nil
        self.latitude = try Self.angle("Latitude", limit: 90, isPositive: flags & 0x4000 != 0, from: &reader)
        self.longitude = try Self.angle("Longitude", limit: 180, isPositive: flags & 0x2000 != 0, from: &reader)
        let altitude: UInt32 = try reader.integer("Altitude")
        self.altitude =
            flags & 0x1000 != 0 ? Altitude(Int32(bitPattern: altitude), isInMetres: flags & 0x0800 != 0) : nil
        let radius: UInt16 = try reader.integer("Radius")
        self.radius = flags & 0x0400 != 0 ? Radius(radius, isInKilometres: flags & 0x0200 != 0) : nil
        let _: UInt16 = try reader.integer("Reserved")
        self.address = try LISPAddress("Address", from: &reader)
    }

    private static func angle(
        _ field: String,
        limit: UInt32,
        isPositive: Bool,
        from reader: inout WireReader
    ) throws(WireError) -> GeoAngle {
        let bits: UInt32 = try reader.integer(field)
        guard bits >> 24 <= limit else {
            throw reader.fault(.invalid(field: field + " Degrees", value: UInt64(bits >> 24)), size: 4)
        }
        guard bits & 0xff_ffff < GeoAngle.millisecondsOfDegree else {
            throw reader.fault(.invalid(field: field + " Milliseconds", value: UInt64(bits & 0xff_ffff)), size: 3)
        }
        return GeoAngle(isPositive: isPositive, degrees: UInt16(bits >> 24), milliseconds: bits & 0xff_ffff)
    }

    package func encode(into writer: inout WireWriter) {
        var flags: UInt16 = 0
        if uncertainty != nil { flags |= 0x8000 }
        if latitude.isPositive { flags |= 0x4000 }
        if longitude.isPositive { flags |= 0x2000 }
        if let altitude { flags |= altitude.isInMetres ? 0x1800 : 0x1000 }
        if let radius { flags |= radius.isInKilometres ? 0x0600 : 0x0400 }
        writer.integer(flags)
        writer.integer(uncertainty ?? 0)
        for angle in [latitude, longitude] {
            writer.integer(UInt32(angle.degrees & 0xff) << 24 | min(angle.milliseconds, 0xff_ffff))
        }
        writer.integer(UInt32(bitPattern: altitude?.value ?? 0))
        writer.integer(radius?.value ?? 0)
        writer.integer(UInt16(0))
        address.encode(into: &writer)
    }
}
