//! Where flows, their configurations, their golden records and the known differences come from: a folder, or the copy
//! inside this program.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::configs::{self, Settings};
use super::differences::{self, Known};
use super::flow::Flow;
use super::normalize::Entry;

/// The folder as it was when this program was built, as (path inside the folder, text).
static EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/conform.rs"));

/// Where it lies inside the repository.
const IN_REPOSITORY: &str = "scenarios/conform";

/// Everything that `clawproof conform` reads.
#[derive(Debug)]
pub struct Library {
    /// Where it was read from; none for the embedded copy.
    pub folder: Option<PathBuf>,
    /// Every flow, by id.
    pub flows: Vec<Flow>,
    pub(crate) configs: BTreeMap<String, Settings>,
    pub(crate) known: Vec<Known>,
    goldens: BTreeMap<String, String>,
}

/// What a golden record says about itself: its first line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Flow.
    pub flow: String,
    /// SHA-256 of the flow's file; another one means that the record is stale.
    pub flow_sha256: String,
    /// What was recorded, e.g. `openclaw 2026.6.34`.
    pub gateway: String,
    /// Day.
    pub recorded: String,
}

/// One golden record.
#[derive(Clone, Debug, PartialEq)]
pub struct Golden {
    /// Where it comes from.
    pub provenance: Provenance,
    /// What was heard.
    pub entries: Vec<Entry>,
}

impl Library {
    /// Reads the folder that was asked for, else the repository's seen from `here` upwards, else the embedded copy.
    ///
    /// # Errors
    /// One line per file that is wrong, each with what to do.
    pub fn load(asked: Option<&Path>, here: &Path) -> Result<Self, Vec<String>> {
        let folder = match asked {
            Some(folder) if folder.join("flows").is_dir() => Some(folder.to_path_buf()),
            Some(folder) => {
                return Err(vec![format!(
                    "{}: there is no folder `flows` in it",
                    folder.display()
                )]);
            }
            None => here
                .ancestors()
                .map(|folder| folder.join(IN_REPOSITORY))
                .find(|folder| folder.join("flows").is_dir()),
        };
        let files = match &folder {
            Some(folder) => {
                let mut files = BTreeMap::new();
                collect(folder, folder, &mut files)
                    .map_err(|error| vec![format!("{}: {error}", folder.display())])?;
                files
            }
            None => EMBEDDED
                .iter()
                .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
                .collect(),
        };
        Self::read(folder, files)
    }

    fn read(folder: Option<PathBuf>, files: BTreeMap<String, String>) -> Result<Self, Vec<String>> {
        let shown = |path: &str| match &folder {
            Some(folder) => folder.join(path).display().to_string(),
            None => format!("{IN_REPOSITORY}/{path}"),
        };
        let mut problems = Vec::new();
        let mut flows = Vec::new();
        let mut goldens = BTreeMap::new();
        let (mut configs, mut known) = (BTreeMap::new(), Vec::new());
        for (path, text) in files {
            if let Some(id) = path
                .strip_prefix("flows/")
                .and_then(|path| path.strip_suffix(".toml"))
            {
                match Flow::parse(id, &text) {
                    Ok(flow) => flows.push(flow),
                    Err(problem) => problems.push(format!("{}: {problem}", shown(&path))),
                }
            } else if let Some(name) = path.strip_prefix("golden/") {
                goldens.insert(name.to_owned(), text);
            } else if path == "configs.toml" {
                match configs::parse(&text) {
                    Ok(read) => configs = read,
                    Err(problem) => problems.push(format!("{}: {problem}", shown(&path))),
                }
            } else if path == "differences.toml" {
                match differences::parse(&text) {
                    Ok(read) => known = read,
                    Err(problem) => problems.push(format!("{}: {problem}", shown(&path))),
                }
            }
        }
        flows.sort_by(|one, other| one.id.cmp(&other.id));
        for flow in &flows {
            if !configs.contains_key(&flow.config) {
                problems.push(format!(
                    "{}: there is no configuration {}; configs.toml has {}",
                    shown(&format!("flows/{}.toml", flow.id)),
                    flow.config,
                    configs.keys().cloned().collect::<Vec<_>>().join(", ")
                ));
            }
        }
        if problems.is_empty() {
            Ok(Self {
                folder,
                flows,
                configs,
                known,
                goldens,
            })
        } else {
            Err(problems)
        }
    }

    /// The configuration that a flow names.
    pub(crate) fn settings(&self, flow: &Flow) -> Result<&Settings, String> {
        self.configs
            .get(&flow.config)
            .ok_or_else(|| format!("there is no configuration {}", flow.config))
    }

    /// What the real gateway said in this flow, if it was recorded.
    ///
    /// # Errors
    /// When the record is of another text of the flow, or no record at all.
    pub fn golden(&self, version: &str, flow: &Flow) -> Result<Option<Golden>, String> {
        let Some(text) = self.goldens.get(&golden_path(version, &flow.id)) else {
            return Ok(None);
        };
        let golden = Golden::parse(text)?;
        if golden.provenance.flow_sha256 != flow.digest {
            return Err(
                "the golden record is of an earlier text of the flow; record it again".to_owned(),
            );
        }
        Ok(Some(golden))
    }

    /// Flows that nothing can be compared with yet, as `VERSION FLOW`.
    pub fn unrecorded(&self) -> Vec<String> {
        let cases = gateway_core::PROFILES
            .into_iter()
            .flat_map(|version| self.flows.iter().map(move |flow| (version, flow)));
        cases
            .filter(|(version, flow)| flow.runs_on(version))
            .filter(|(version, flow)| matches!(self.golden(version, flow), Ok(None)))
            .map(|(version, flow)| format!("{version} {}", flow.id))
            .collect()
    }

    /// Golden records of flows that are not there.
    pub fn orphans(&self) -> Vec<String> {
        let wanted = |name: &String| {
            self.flows.iter().any(|flow| {
                gateway_core::PROFILES
                    .iter()
                    .any(|version| golden_path(version, &flow.id) == **name)
            })
        };
        self.goldens
            .keys()
            .filter(|name| !wanted(name))
            .cloned()
            .collect()
    }
}

/// Path of a golden record below `golden/`.
pub fn golden_path(version: &str, flow: &str) -> String {
    format!("{version}/{flow}.jsonl")
}

impl Golden {
    /// Reads the text of a record: provenance, then one line per entry.
    ///
    /// # Errors
    /// The line that is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().enumerate();
        let wrong = |number: usize, error: &serde_json::Error| {
            format!("golden record, line {}: {error}", number + 1)
        };
        let (number, first) = lines.next().ok_or("the golden record is empty")?;
        let provenance = serde_json::from_str(first).map_err(|error| wrong(number, &error))?;
        let entries: Result<Vec<Entry>, String> = lines
            .map(|(number, line)| serde_json::from_str(line).map_err(|error| wrong(number, &error)))
            .collect();
        Ok(Self {
            provenance,
            entries: entries?,
        })
    }

    /// The text of the record.
    pub fn print(&self) -> String {
        let mut lines = vec![serde_json::to_string(&self.provenance).unwrap_or_default()];
        let entries = self.entries.iter();
        lines.extend(entries.map(|entry| serde_json::to_string(entry).unwrap_or_default()));
        lines.join("\n") + "\n"
    }
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if let Ok(inside) = path.strip_prefix(root) {
            let name = inside.to_string_lossy().replace('\\', "/");
            files.insert(name, std::fs::read_to_string(&path)?);
        }
    }
    Ok(())
}
