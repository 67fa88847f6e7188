//! JSON as Python writes it.
//!
//! Python's `json` writes NaN and the infinities as bare words, which is not JSON, and xarray puts them into attributes
//! (`_FillValue`). A document with such words is read all the same; they become the strings `"NaN"`, `"Infinity"`,
//! `"-Infinity"`, which is how Zarr itself spells them.

use serde_json::Value;

/// Reads a document.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(bytes).or_else(|error| {
        let text = std::str::from_utf8(bytes).map_err(|_| error.to_string())?;
        serde_json::from_str(&quote_words(text)).map_err(|_| error.to_string())
    })
}

/// Puts quotes around bare NaN and infinities outside of strings.
fn quote_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let (mut rest, mut in_string) = (text, false);
    while let Some(next) = rest.chars().next() {
        let word = ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| !in_string && rest.starts_with(word));
        let taken = match (next, word) {
            (_, Some(word)) => {
                out.extend(["\"", word, "\""]);
                rest = &rest[word.len()..];
                continue;
            }
            ('\\', _) if in_string => 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
            ('"', _) => {
                in_string = !in_string;
                1
            }
            (other, _) => other.len_utf8(),
        };
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_words_become_strings_but_only_outside_of_strings() {
        let value = parse(br#"{"a": NaN, "b": [-Infinity, Infinity], "c": "x \" NaN \\", "d": NaN}"#).unwrap();
        let want = serde_json::json!({"a": "NaN", "b": ["-Infinity", "Infinity"], "c": "x \" NaN \\", "d": "NaN"});
        assert_eq!(value, want);
        assert!(parse(b"{\"a\": nan}").is_err());
    }
}
