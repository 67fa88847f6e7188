//! Seals records with AES-256-GCM under keys from a file.
//!
//! A sealed record is the key's id (4 bytes, of its hash), a random nonce (12 bytes) and the cipher text; the cluster's name
//! is authenticated with it, so that records cannot be exchanged. The first key of the file seals, all of them open: a new
//! key is put in front, the next start seals everything anew, and then the old key may go.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};

const KEY_BYTES: usize = 32;
const ID_BYTES: usize = 4;

/// Why keys cannot be used, or a record not be opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file says no.
    #[error("cannot use the keys in {path}: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The key that sealed it is missing.
    #[error("it was sealed with a key that is not in the key file")]
    Unknown,
    /// It is not what was sealed.
    #[error("it has been changed")]
    Changed,
    /// The system has no randomness to give.
    #[error("no randomness")]
    Random,
}

struct Key {
    id: [u8; ID_BYTES],
    key: LessSafeKey,
}

/// The keys, the sealing one first.
pub struct Keys(Vec<Key>);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({} ***)", self.0.len())
    }
}

impl Keys {
    /// Reads the key file; if there is none, and no database either, makes one that only this user can read.
    ///
    /// # Errors
    /// If it cannot be used.
    pub fn load(path: &Path, may_make: bool) -> Result<Keys, KeyError> {
        let complain = |why: String| KeyError::File { path: path.into(), why };
        if !path.exists() {
            if !may_make {
                return Err(complain("it is missing, though there is a database sealed with it".into()));
            }
            write_keys(path, &[new_key()?]).map_err(|error| complain(error.to_string()))?;
        }
        let mode = std::os::unix::fs::MetadataExt::mode(&path.metadata().map_err(|error| complain(error.to_string()))?);
        if mode & 0o077 != 0 {
            return Err(complain("others may read it: chmod 600".into()));
        }
        let text = std::fs::read_to_string(path).map_err(|error| complain(error.to_string()))?;
        Keys::parse(&text).map_err(complain)
    }

    /// Puts a new key in front of the others.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn rotate(path: &Path) -> Result<(), KeyError> {
        let complain = |why: String| KeyError::File { path: path.into(), why };
        let text = std::fs::read_to_string(path).map_err(|error| complain(error.to_string()))?;
        let mut lines = vec![new_key()?];
        lines.extend(key_lines(&text).map(str::to_owned));
        write_keys(path, &lines).map_err(|error| complain(error.to_string()))
    }

    fn parse(text: &str) -> Result<Keys, String> {
        let keys: Vec<Key> = key_lines(text).map(read_key).collect::<Result<_, _>>()?;
        if keys.is_empty() { Err("there is none".into()) } else { Ok(Keys(keys)) }
    }

    /// Seals a record.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "without randomness nothing may be written; records are far below the cipher's limit"
    )]
    pub(super) fn seal(&self, name: &str, record: &[u8]) -> Vec<u8> {
        let Key { id, key } = &self.0[0];
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).expect("the system's random source");
        let mut sealed = record.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(name.as_bytes()), &mut sealed)
            .expect("a record is short");
        [id.as_slice(), &nonce, &sealed].concat()
    }

    /// Opens a record, and tells whether the current key had sealed it.
    pub(super) fn open(&self, name: &str, sealed: &[u8]) -> Result<(Vec<u8>, bool), KeyError> {
        let (id, rest) = sealed.split_at_checked(ID_BYTES).ok_or(KeyError::Changed)?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or(KeyError::Changed)?;
        let position = self.0.iter().position(|key| key.id == id).ok_or(KeyError::Unknown)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| KeyError::Changed)?;
        let mut text = text.to_vec();
        let opened = self.0[position].key.open_in_place(nonce, Aad::from(name.as_bytes()), &mut text);
        Ok((opened.map_err(|_| KeyError::Changed)?.to_vec(), position == 0))
    }
}

fn key_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn read_key(line: &str) -> Result<Key, String> {
    let complain = || "a line is not 32 bytes in base64".to_owned();
    let bytes = BASE64.decode(line).map_err(|_| complain())?;
    let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| complain())?;
    let hash = ring::digest::digest(&ring::digest::SHA256, &bytes);
    let mut id = [0; ID_BYTES];
    id.copy_from_slice(&hash.as_ref()[..ID_BYTES]);
    Ok(Key { id, key: LessSafeKey::new(key) })
}

fn new_key() -> Result<String, KeyError> {
    let mut bytes = [0; KEY_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| KeyError::Random)?;
    Ok(BASE64.encode(bytes))
}

/// Writes beside the file and renames, so that there is never half a key file.
fn write_keys(path: &Path, lines: &[String]) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    let _ = std::fs::remove_file(&beside);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(
        b"# These keys seal the state of the gateway: the first seals, all of them open. Keep a copy elsewhere.\n",
    )?;
    for line in lines {
        writeln!(file, "{line}")?;
    }
    file.sync_all()?;
    std::fs::rename(beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(lines: &[&str]) -> Keys {
        Keys::parse(&lines.join("\n")).unwrap()
    }

    #[test]
    fn what_was_sealed_is_opened_also_after_rotation() {
        let (old, new) = (new_key().unwrap(), new_key().unwrap());
        let sealed = keys(&[&old]).seal("a", b"record");
        assert_eq!(keys(&[&old]).open("a", &sealed).unwrap(), (b"record".to_vec(), true));
        assert_eq!(keys(&[&new, &old]).open("a", &sealed).unwrap(), (b"record".to_vec(), false));
        assert!(matches!(keys(&[&new]).open("a", &sealed), Err(KeyError::Unknown)));
    }

    #[test]
    fn records_can_be_neither_changed_nor_exchanged() {
        let keys = keys(&[&new_key().unwrap()]);
        let sealed = keys.seal("a", b"record");
        assert!(keys.open("b", &sealed).is_err());
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(keys.open("a", &changed).is_err());
            assert!(keys.open("a", &sealed[..position]).is_err());
        }
    }
}
