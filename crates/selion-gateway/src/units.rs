//! Durations (`"30m"`, `"1h 30m"`, `90`) and sizes (`"2 GiB"`, `"512M"`, `1024`) as they stand in the configuration.
//!
//! A bare number is seconds or bytes. K, M, G and T are steps of 1024, with or without `iB`; `kB`, `MB` … are not offered,
//! because half of the readers would be wrong about them.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time; serialised as seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// A span of so many seconds.
    #[must_use]
    pub const fn secs(secs: u64) -> Span {
        Span(Duration::from_secs(secs))
    }

    /// In milliseconds, as the state machine counts time.
    #[must_use]
    pub fn millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// The longest span: a century, so that sums with the clock never overflow.
const SPAN_MAX_SECS: f64 = 100.0 * 366.0 * 86_400.0;

/// Reads a duration.
///
/// # Errors
/// A sentence saying what is accepted.
pub fn parse_span(text: &str) -> Result<Span, String> {
    let complain = || format!("{text:?} is no duration: write 90, \"90s\", \"30m\", \"1h 30m\" or \"7d\"");
    let mut total = 0.0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(complain());
    }
    while !rest.is_empty() {
        let (number, after) = split_number(rest).ok_or_else(complain)?;
        let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let secs = match &after[..unit_end] {
            "ms" => 0.001,
            "s" | "" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return Err(complain()),
        };
        total += number * secs;
        rest = after[unit_end..].trim_start();
    }
    span_of(total).ok_or_else(complain)
}

/// Reads a size.
///
/// # Errors
/// A sentence saying what is accepted.
pub fn parse_bytes(text: &str) -> Result<Bytes, String> {
    let complain = || format!("{text:?} is no size: write 1073741824, \"512M\", \"2 GiB\" or \"1.5G\"");
    let (number, unit) = split_number(text.trim()).ok_or_else(complain)?;
    let power = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "ki" | "kib" => 1,
        "m" | "mi" | "mib" => 2,
        "g" | "gi" | "gib" => 3,
        "t" | "ti" | "tib" => 4,
        _ => return Err(complain()),
    };
    let bytes = number * 1024_f64.powi(power);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
    if bytes >= 0.0 && bytes < 2_f64.powi(60) { Ok(Bytes(bytes as u64)) } else { Err(complain()) }
}

fn span_of(secs: f64) -> Option<Span> {
    (0.0..SPAN_MAX_SECS).contains(&secs).then(|| Span(Duration::from_secs_f64(secs)))
}

/// The number at the beginning of `text`, and what follows it.
fn split_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((number, text[end..].trim_start()))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TextOrNumber {
    Whole(u64),
    Float(f64),
    Text(String),
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Span, D::Error> {
        use serde::de::Error;
        let seconds = |secs| span_of(secs).ok_or_else(|| D::Error::custom(format!("{secs} is no number of seconds")));
        match TextOrNumber::deserialize(from).map_err(|_| D::Error::custom("a duration like \"30m\" is needed"))? {
            #[expect(clippy::cast_precision_loss, reason = "a century of seconds is exact")]
            TextOrNumber::Whole(secs) => seconds(secs as f64),
            TextOrNumber::Float(secs) => seconds(secs),
            TextOrNumber::Text(text) => parse_span(&text).map_err(D::Error::custom),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(self.0.as_secs_f64())
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        use serde::de::Error;
        match TextOrNumber::deserialize(from).map_err(|_| D::Error::custom("a size like \"2 GiB\" is needed"))? {
            TextOrNumber::Whole(bytes) => Ok(Bytes(bytes)),
            TextOrNumber::Float(bytes) => parse_bytes(&bytes.to_string()).map_err(D::Error::custom),
            TextOrNumber::Text(text) => parse_bytes(&text).map_err(D::Error::custom),
        }
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_may_have_several_parts() {
        assert_eq!(parse_span("1h 30m"), Ok(Span::secs(5_400)));
        assert_eq!(parse_span("90"), Ok(Span::secs(90)));
        assert_eq!(parse_span("1.5m"), Ok(Span::secs(90)));
        assert_eq!(parse_span("250ms"), Ok(Span(Duration::from_millis(250))));
    }

    #[test]
    fn sizes_are_in_steps_of_1024() {
        assert_eq!(parse_bytes("2 GiB"), Ok(Bytes(2 << 30)));
        assert_eq!(parse_bytes("1.5k"), Ok(Bytes(1536)));
        assert_eq!(parse_bytes("7"), Ok(Bytes(7)));
    }

    #[test]
    fn nonsense_is_refused_with_what_is_accepted() {
        for text in ["", "x", "-1s", "1 fortnight", "1e9d", "99999999999d", "."] {
            assert!(parse_span(text).unwrap_err().contains("30m"), "{text}");
        }
        for text in ["", "G", "-1", "2 GB", "1e30", "99999999999T"] {
            assert!(parse_bytes(text).unwrap_err().contains("GiB"), "{text}");
        }
    }
}
