//! `openclaw config`: values under dotted names in `~/.openclaw/openclaw.json`.

use std::io::{self, Write as _};

use serde_json::{Map, Value};

use super::{Failed, Said, home};

fn read() -> Result<Value, Failed> {
    let path = home().join("openclaw.json");
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| Failed(1, format!("Config invalid: {}: {error}", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Value::Object(Map::new())),
        Err(error) => Err(error.into()),
    }
}

/// A value; `None` when there is none under this name.
pub(super) fn value(key: &str) -> Result<Option<Value>, Failed> {
    let config = read()?;
    Ok(key
        .split('.')
        .try_fold(&config, |at, name| at.get(name))
        .cloned())
}

/// Prints a value.
pub(super) fn get(key: &str, as_json: bool) -> Said {
    match value(key)? {
        None => Err(Failed(1, format!("Config path not found: {key}"))),
        Some(Value::String(text)) if !as_json => Ok(format!("{text}\n")),
        Some(value) => Ok(format!("{value}\n")),
    }
}

/// Sets a value: JSON when it is some, else a string.
pub(super) fn set(key: &str, text: &str) -> Said {
    let mut config = read()?;
    let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    let mut at = &mut config;
    for name in key.split('.') {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        let Value::Object(map) = at else {
            return Err(Failed(1, format!("Config path not found: {key}")));
        };
        at = map.entry(name).or_insert(Value::Null);
    }
    *at = value;
    std::fs::create_dir_all(home())?;
    let mut file = tempfile::NamedTempFile::new_in(home())?;
    serde_json::to_writer_pretty(&mut file, &config)?;
    file.write_all(b"\n")?;
    file.persist(home().join("openclaw.json"))
        .map_err(|error| Failed(1, error.to_string()))?;
    Ok(format!("Updated {key}\n"))
}
