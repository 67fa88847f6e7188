//! Numbers of bytes, for people.

/// A number of bytes in the largest unit of which it is about one.
///
/// ```
/// assert_eq!(selion_core::format_bytes(32_000_000), "30.52 MiB");
/// assert_eq!(selion_core::format_bytes(1), "1 B");
/// ```
pub fn format_bytes(bytes: u64) -> String {
    let value = bytes as f64;
    for (unit, power) in [("PiB", 50), ("TiB", 40), ("GiB", 30), ("MiB", 20), ("kiB", 10)] {
        let one = (1u64 << power) as f64;
        if value >= one * 0.9 {
            return format!("{:.2} {unit}", value / one);
        }
    }
    format!("{bytes} B")
}
