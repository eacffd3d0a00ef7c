//! The bearer token of the local control surface: 32 random bytes as 43 characters in `mcp-token.txt`.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::header::{AUTHORIZATION, HeaderMap};
use subtle::ConstantTimeEq as _;

use crate::store::disk::{Disk as _, Overwrite, RealDisk, replace};

const FILE: &str = "mcp-token.txt";
const LENGTH: usize = 43;

/// The token; never prints itself.
pub struct McpToken(String);

impl std::fmt::Debug for McpToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("McpToken(..)")
    }
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// The file is there and holds something else.
    #[error("{path}: expected 43 base64url characters; delete the file to get a new token", path = path.display())]
    NotAToken {
        /// The file.
        path: PathBuf,
    },
    /// The file can't be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system has no randomness.
    #[error("draw a token: {0}")]
    Random(getrandom::Error),
}

impl McpToken {
    /// A token of the right form.
    pub(super) fn of(text: String) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (text.len() == LENGTH && text.bytes().all(plain)).then_some(Self(text))
    }

    /// The token of a data directory; made when there is none, readable by its owner only.
    ///
    /// # Errors
    /// [`TokenFileError`].
    pub fn load_or_create(folder: &Path) -> Result<Self, TokenFileError> {
        let path = Self::path(folder);
        let failed = |source| TokenFileError::Io {
            path: path.clone(),
            source,
        };
        loop {
            match RealDisk.read(&path) {
                Ok(bytes) => {
                    let text = String::from_utf8(bytes).unwrap_or_default();
                    let not_a_token = || TokenFileError::NotAToken { path: path.clone() };
                    return Self::of(text.trim().to_owned()).ok_or_else(not_a_token);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).map_err(TokenFileError::Random)?;
            let text = URL_SAFE_NO_PAD.encode(bytes);
            match replace(&mut RealDisk, &path, text.as_bytes(), Overwrite::Refused) {
                Ok(()) => return Ok(Self(text)),
                // Somebody was faster; theirs counts.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Where a data directory keeps it.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    /// Whether the request carries it.
    pub(super) fn allows(&self, headers: &HeaderMap) -> bool {
        let value = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let Some((scheme, given)) = value.and_then(|value| value.split_once(' ')) else {
            return false;
        };
        scheme.eq_ignore_ascii_case("bearer")
            && bool::from(given.trim().as_bytes().ct_eq(self.0.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_token_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let first = McpToken::load_or_create(folder.path()).unwrap().0;
        assert_eq!(first.len(), 43);
        assert_eq!(McpToken::load_or_create(folder.path()).unwrap().0, first);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(McpToken::path(folder.path()))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o077, 0, "nobody else may read it");
        }
    }

    #[rstest]
    #[case("short")]
    #[case("")]
    #[case("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!")]
    fn a_file_with_something_else_is_named_and_left_alone(#[case] content: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = McpToken::path(folder.path());
        replace(&mut RealDisk, &path, content.as_bytes(), Overwrite::Refused).unwrap();
        let error = McpToken::load_or_create(folder.path())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(FILE) && error.contains("delete the file"),
            "{error}"
        );
        assert_eq!(std::fs::read_to_string(path).unwrap(), content);
    }
}
