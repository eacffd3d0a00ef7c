//! Proves that redaction works in a run: a canary of each kind is put in place of a real secret, shown to have been
//! on the wire, and then looked for in every artifact, in every encoding.
//!
//! ```
//! use transcript::canary::{Canary, scan_bytes};
//! let mut canary = Canary::new(7);
//! let token = canary.plant("device-token");
//! assert!(scan_bytes(b"nothing here", canary.secrets()).is_empty());
//! assert_eq!(scan_bytes(token.as_bytes(), canary.secrets())[0].kind, "device-token");
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::encoding::{Encoding, MIN_SEARCHED};
use crate::recorder::Recorder;
use crate::redact::needle::{Needles, Pieces};

/// Plants secrets that occur nowhere else. The same seed plants the same values.
#[derive(Clone)]
pub struct Canary {
    seed: u64,
    secrets: Vec<(String, String)>,
}

impl Canary {
    /// Has planted nothing yet.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            secrets: Vec::new(),
        }
    }

    /// A new secret of `kind`: 43 characters of base64url, as the gateway's own tokens are.
    pub fn plant(&mut self, kind: &str) -> String {
        let text = format!("canary {} {} {kind}", self.seed, self.secrets.len());
        let value = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes()));
        self.adopt(kind, &value);
        value
    }

    /// Adds a secret that was made elsewhere.
    pub fn adopt(&mut self, kind: &str, value: &str) {
        self.secrets.push((kind.to_owned(), value.to_owned()));
    }

    /// Every planted secret as (kind, value).
    pub fn secrets(&self) -> &[(String, String)] {
        &self.secrets
    }

    /// The kinds of planted secrets that no raw entry of the run carried: without this proof a clean scan says nothing.
    pub fn never_seen(&self, recorder: &Recorder) -> Vec<&str> {
        let entries = recorder.raw_since(0);
        self.secrets
            .iter()
            .filter(|(kind, value)| {
                let wanted = [(kind.clone(), value.clone())];
                !entries.iter().any(|entry| {
                    entry
                        .payload()
                        .is_some_and(|payload| !scan_bytes(payload.as_bytes(), &wanted).is_empty())
                })
            })
            .map(|(kind, _)| kind.as_str())
            .collect()
    }
}

impl std::fmt::Debug for Canary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Canary")
            .field("planted", &self.secrets.len())
            .finish_non_exhaustive()
    }
}

/// A secret found where none may be. Holds no part of the secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Leak {
    /// File, or empty for a scan of bytes.
    pub file: PathBuf,
    /// Offset of the first byte.
    pub offset: u64,
    /// Kind of the secret.
    pub kind: String,
    /// How it was written.
    pub encoding: Encoding,
}

impl std::fmt::Display for Leak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}: a {} ({}) at byte {}",
            self.file.display(),
            self.kind,
            self.encoding,
            self.offset
        )
    }
}

/// Why a folder could not be scanned.
#[derive(Debug, thiserror::Error)]
#[error("scan {} for secrets: {source}", path.display())]
pub struct ScanError {
    /// What could not be read.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: std::io::Error,
}

/// What a scan of a folder looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Scan {
    /// Number of files read.
    pub files: usize,
    /// Number of secrets looked for. Shorter ones than [`MIN_SEARCHED`] bytes are not counted.
    pub secrets: usize,
    /// Everything found, in the order of file names and offsets.
    pub leaks: Vec<Leak>,
}

/// Looks for every form of every (kind, value) pair in `bytes`.
pub fn scan_bytes(bytes: &[u8], secrets: &[(String, String)]) -> Vec<Leak> {
    Scanner::new(secrets).scan(Path::new(""), bytes)
}

/// Looks for every form of every (kind, value) pair in a file, or in every file below a folder.
pub fn scan(path: &Path, secrets: &[(String, String)]) -> Result<Scan, ScanError> {
    let scanner = Scanner::new(secrets);
    let mut files = Vec::new();
    collect_files(path, &mut files)?;
    files.sort();
    let mut scan = Scan {
        files: files.len(),
        secrets: secrets
            .iter()
            .filter(|(_, value)| value.len() >= MIN_SEARCHED)
            .count(),
        leaks: Vec::new(),
    };
    for file in files {
        let bytes = fs::read(&file).map_err(|source| ScanError {
            path: file.clone(),
            source,
        })?;
        scan.leaks.extend(scanner.scan(&file, &bytes));
    }
    Ok(scan)
}

fn collect_files(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), ScanError> {
    let fail = |source| ScanError {
        path: path.to_owned(),
        source,
    };
    if !fs::symlink_metadata(path).map_err(fail)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let kind = entry.file_type().map_err(fail)?;
        // A link may lead out of the run folder or round in circles; its target is scanned where it lies.
        if !kind.is_symlink() {
            collect_files(&entry.path(), files)?;
        }
    }
    Ok(())
}

struct Scanner {
    needles: Needles,
    kinds: Vec<String>,
}

impl Scanner {
    fn new(secrets: &[(String, String)]) -> Self {
        let mut needles = Needles::new();
        for (index, (_, value)) in secrets.iter().enumerate() {
            let begins_alike = value.starts_with("eyJ") || value.starts_with("-----");
            let pieces = if begins_alike {
                Pieces::None
            } else {
                Pieces::All
            };
            needles.add(index, value, pieces);
        }
        Self {
            needles,
            kinds: secrets.iter().map(|(kind, _)| kind.clone()).collect(),
        }
    }

    fn scan(&self, file: &Path, bytes: &[u8]) -> Vec<Leak> {
        let mut leaks = Vec::new();
        let mut from = 0;
        while let Some(hit) = self.needles.find(bytes, from) {
            leaks.push(Leak {
                file: file.to_owned(),
                offset: hit.start as u64,
                kind: self.kinds.get(hit.secret).cloned().unwrap_or_default(),
                encoding: hit.encoding,
            });
            from = hit.end;
        }
        leaks
    }
}
