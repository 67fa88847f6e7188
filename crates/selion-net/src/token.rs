//! The secret that the processes of one cluster share, and where those of one user find it.

use std::io::Write;
use std::path::{Path, PathBuf};

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use crate::Address;

/// A secret. It is not shown by `Debug`, and compared only inside the handshake.
#[derive(Clone)]
pub struct Token(pub(crate) Vec<u8>);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read or written.
    #[error("cannot use the token file {path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandom,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// The token that somebody chose; whitespace around it does not count.
    pub fn new(text: &str) -> Token {
        Token(text.trim().as_bytes().to_vec())
    }

    /// A new random token.
    ///
    /// # Errors
    /// [`TokenError::NoRandom`].
    pub fn generate() -> Result<Token, TokenError> {
        let mut bytes = [0u8; 24];
        SystemRandom::new().fill(&mut bytes).map_err(|_| TokenError::NoRandom)?;
        Ok(Token(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes()))
    }

    /// The text, for the environment of a child process.
    pub fn reveal(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// Another secret, made of this one, which does not give this one away.
    pub fn derive(&self, purpose: &str) -> Token {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let tag = hmac::sign(&key, purpose.as_bytes());
        Token(tag.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes())
    }

    /// Whether a text is this token; how long that takes tells nothing of it.
    pub fn is(&self, text: &str) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let tag = hmac::sign(&key, text.as_bytes());
        hmac::verify(&key, &self.0, tag.as_ref()).is_ok()
    }

    /// Reads a token from a file.
    ///
    /// # Errors
    /// [`TokenError::File`].
    pub fn read(path: &Path) -> Result<Token, TokenError> {
        let text = std::fs::read_to_string(path).map_err(|cause| TokenError::File { path: path.to_owned(), cause })?;
        Ok(Token::new(&text))
    }

    /// The token that this user's scheduler at an address has left for this user's other processes on this machine.
    pub fn find(address: &Address) -> Option<Token> {
        Token::read(&file_for(address.port)).ok()
    }

    /// Leaves the token where [`Token::find`] looks for it, readable by this user alone. The file goes with the guard.
    ///
    /// # Errors
    /// [`TokenError::File`].
    pub fn leave(&self, port: u16) -> Result<LeftToken, TokenError> {
        let path = file_for(port);
        let wrong = |cause| TokenError::File { path: path.clone(), cause };
        if let Some(folder) = path.parent() {
            make_private_folder(folder).map_err(wrong)?;
        }
        let _ = std::fs::remove_file(&path);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&path).and_then(|mut file| file.write_all(&self.0)).map_err(wrong)?;
        Ok(LeftToken(path))
    }
}

/// A token file, which is removed with this.
#[derive(Debug)]
pub struct LeftToken(PathBuf);

impl Drop for LeftToken {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn file_for(port: u16) -> PathBuf {
    let folder = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|folder| folder.is_dir())
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .unwrap_or_else(std::env::temp_dir);
    folder.join("selion").join(format!("token-{port}"))
}

fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
