//! The published schema in the cache.
//!
//! Reading three and a half megabytes of JSON takes longer than most scenarios, and every test is a process of its
//! own. So the definitions are written once into a file of lines beside the schema, without what only people read,
//! and taken from there, one at a time.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use gateway_protocol::device::hex;
use gateway_protocol::schema::Catalog;
use sha2::{Digest as _, Sha256};

use super::{Referee, Standing};
use crate::fetch::{Cache, Component};

/// Digest of the schema that this program was built for; of npm `@openclaw/gateway-protocol` 2026.9.1.
pub const SCHEMA_SHA256: &str = "971f2c0d2f0e267a062213b21a398518849c019d2cff1c1d54ff6ee1af7cddf1";

/// Loads the schema from the cache; never uses the network.
pub(super) fn load() -> Standing {
    let missing = |why: String| Standing::Missing { why };
    let installed = match Cache::open().and_then(|cache| cache.locate(Component::Schema)) {
        Ok(installed) => installed,
        Err(error) => return missing(format!("schema not fetched; {}", error.hint())),
    };
    let lines = installed.root().join(format!(
        "definitions-{}",
        SCHEMA_SHA256.get(..12).unwrap_or(SCHEMA_SHA256)
    ));
    if let Some(catalog) = read(&lines) {
        return ready(catalog);
    }
    match split(&installed.entry(), &lines) {
        Ok(catalog) => ready(catalog),
        Err(why) => missing(why),
    }
}

fn ready(catalog: Catalog) -> Standing {
    let version = Component::Schema.version();
    Standing::Ready(Arc::new(Referee::new(Arc::new(catalog), version)))
}

fn read(lines: &Path) -> Option<Catalog> {
    Catalog::of_lines(std::fs::read_to_string(lines).ok()?).ok()
}

/// Makes the file of lines; where it can't be written, the next process makes it again.
fn split(schema: &Path, lines: &Path) -> Result<Catalog, String> {
    let place = schema.display();
    let published =
        std::fs::read_to_string(schema).map_err(|error| format!("read {place}: {error}"))?;
    let digest = hex(&Sha256::digest(&published));
    if digest != SCHEMA_SHA256 {
        return Err(format!(
            "{place} has the digest {digest}, expected {SCHEMA_SHA256}; run `clawproof fetch schema`"
        ));
    }
    let text = Catalog::lines(&published).map_err(|error| format!("read {place}: {error}"))?;
    drop(published);
    if let Err(error) = keep(lines, &text) {
        tracing::debug!(%error, "the definitions could not be kept");
    }
    Catalog::of_lines(text).map_err(|error| error.to_string())
}

fn keep(lines: &Path, text: &str) -> std::io::Result<()> {
    let folder = lines.parent().unwrap_or_else(|| Path::new("."));
    let mut scratch = tempfile::NamedTempFile::new_in(folder)?;
    scratch.write_all(text.as_bytes())?;
    scratch.persist(lines).map_err(|error| error.error)?;
    Ok(())
}
