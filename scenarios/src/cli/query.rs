//! `clawproof query`: what many runs say together.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::args::{QueryArgs, QueryWhat};
use super::exit::Exit;
use super::print::{out, say};
use super::report::table;

/// One result of one run.
struct Seen {
    run: String,
    commit: String,
    seed: u64,
    verdict: String,
    took_ms: u64,
}

pub(super) fn query(args: &QueryArgs) -> Exit {
    let history = match read(&args.store) {
        Ok(history) => history,
        Err(problem) => {
            say(format_args!("error: {problem}"));
            say("hint: give the folder that holds run folders; `clawproof run` fills store/");
            return Exit::InvalidFile;
        }
    };
    let rows = match args.what {
        QueryWhat::Failing => failing(&history),
        QueryWhat::Flaky => flaky(&history),
        QueryWhat::Slowest => slowest(&history),
        QueryWhat::History => told(&history, args.scenario.as_deref().unwrap_or_default()),
    };
    say(format_args!(
        "{} of {} scenarios",
        rows.len(),
        history.len()
    ));
    if !rows.is_empty() {
        out(table(&rows).trim_end());
    }
    Exit::Passed
}

/// Every result by scenario and world, oldest run first (a run folder's name begins with its time).
fn read(store: &Path) -> Result<BTreeMap<String, Vec<Seen>>, String> {
    let entries =
        std::fs::read_dir(store).map_err(|error| format!("{}: {error}", store.display()))?;
    let mut folders: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    folders.retain(|folder| folder.join("run.json").is_file() && !folder.is_symlink());
    folders.sort();
    if folders.is_empty() {
        return Err(format!("{}: there is no run folder in it", store.display()));
    }
    let mut history: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    for folder in folders {
        let path = folder.join("run.json");
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let run: Value =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        let text = |value: &Value, name: &str| {
            value
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let rows = run.get("results").and_then(Value::as_array);
        for row in rows.into_iter().flatten() {
            let name = format!("{}::{}", text(row, "scenario"), text(row, "world"));
            history.entry(name).or_default().push(Seen {
                run: folder
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                commit: text(&run, "commit").chars().take(12).collect(),
                seed: run.get("seed").and_then(Value::as_u64).unwrap_or_default(),
                verdict: text(row, "verdict"),
                took_ms: row
                    .get("took_ms")
                    .and_then(Value::as_u64)
                    .unwrap_or_default(),
            });
        }
    }
    Ok(history)
}

fn is_red(seen: &Seen) -> bool {
    !matches!(seen.verdict.as_str(), "passed" | "skipped")
}

/// Red in the newest run that had it.
fn failing(history: &BTreeMap<String, Vec<Seen>>) -> Vec<Vec<String>> {
    let row = |(name, seen): (&String, &Vec<Seen>)| {
        let last = seen.last().filter(|seen| is_red(seen))?;
        let since = seen.iter().rev().take_while(|seen| is_red(seen)).last()?;
        Some(vec![
            last.verdict.clone(),
            name.clone(),
            format!("since {}", since.run),
        ])
    };
    history.iter().filter_map(row).collect()
}

/// Red and green on one commit with one seed: nothing that was told apart made the difference.
fn flaky(history: &BTreeMap<String, Vec<Seen>>) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (name, seen) in history {
        let mut of: BTreeMap<(&str, u64), [usize; 2]> = BTreeMap::new();
        for one in seen {
            let [red, green] = of.entry((&one.commit, one.seed)).or_default();
            if is_red(one) {
                *red += 1;
            } else {
                *green += usize::from(one.verdict == "passed");
            }
        }
        for ((commit, seed), [red, green]) in of {
            if red > 0 && green > 0 {
                rows.push(vec![
                    name.clone(),
                    format!("{red} red, {green} green on {commit} with seed {seed}"),
                ]);
            }
        }
    }
    rows
}

fn slowest(history: &BTreeMap<String, Vec<Seen>>) -> Vec<Vec<String>> {
    const SHOWN: usize = 20;
    let mut last: Vec<(u64, &String)> = history
        .iter()
        .filter_map(|(name, seen)| Some((seen.last()?.took_ms, name)))
        .collect();
    last.sort_by(|one, other| other.cmp(one));
    let row = |(took, name): (u64, &String)| vec![format!("{took:>7} ms"), name.clone()];
    last.into_iter().take(SHOWN).map(row).collect()
}

fn told(history: &BTreeMap<String, Vec<Seen>>, wanted: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (name, seen) in history.iter().filter(|(name, _)| name.contains(wanted)) {
        for one in seen {
            rows.push(vec![
                one.run.clone(),
                one.commit.clone(),
                format!("{:12}", one.verdict),
                format!("{:>7} ms", one.took_ms),
                name.clone(),
            ]);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(run: &str, commit: &str, verdict: &str) -> Seen {
        Seen {
            run: run.to_owned(),
            commit: commit.to_owned(),
            seed: 1,
            verdict: verdict.to_owned(),
            took_ms: 1,
        }
    }

    /// Failing is what is red in the end; flaky is what was both on one commit.
    #[test]
    fn failing_and_flaky_are_told_apart() {
        let history = [
            (
                "fixed",
                vec![seen("1", "c1", "failed"), seen("2", "c2", "passed")],
            ),
            (
                "broken",
                vec![
                    seen("1", "c1", "passed"),
                    seen("2", "c2", "failed"),
                    seen("3", "c3", "failed"),
                ],
            ),
            (
                "flaky",
                vec![seen("1", "c1", "failed"), seen("2", "c1", "passed")],
            ),
        ]
        .map(|(name, seen)| (name.to_owned(), seen))
        .into();
        assert_eq!(failing(&history), [["failed", "broken", "since 2"]]);
        assert_eq!(
            flaky(&history),
            [["flaky", "1 red, 1 green on c1 with seed 1"]]
        );
    }
}
