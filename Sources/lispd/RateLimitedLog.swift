// Lines that a stranger on the network can cause are written at a limited rate.

import LISPControl

/// A budget of log lines.
struct RateLimitedLog {
    private var bucket: TokenBucket

    init(perSecond: Double, burst: Double) {
        bucket = TokenBucket(rate: perSecond, burst: burst, now: SystemClock.now)
    }

    mutating func allows() -> Bool { bucket.take(now: SystemClock.now) }
}
