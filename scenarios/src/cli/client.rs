//! `run --client`: finds the client, shows that it starts at all, and concludes with its conformance table.

use std::path::Path;
use std::sync::Arc;

use super::args::{MessageFormat, RunArgs};
use super::exit::Exit;
use super::print::{colour, fail, out, say};
use super::run::{exit_of, write_file};
use crate::adapter::{AdapterError, Client, ClientError, Library, review};
use crate::judge::Verdict;
use crate::report::table::{Conformance, TableHead};
use crate::run::{FolderError, Job, Outcome, RunOptions, VERSION, results, run_job};
use crate::scenario::{Expect, Scenario, Step, WorldName};

/// Columns of the table on a terminal.
const WIDTH: u16 = 120;

/// Lines of a client's output that an error shows.
const LAST_LINES: usize = 25;

/// The client that was asked for, if any, with its programs found and its version asked.
pub(super) fn find(args: &RunArgs) -> Result<Option<Arc<Client>>, Exit> {
    let Some(asked) = &args.client else {
        return Ok(None);
    };
    if asked.starts_with("http://") {
        return at(asked, args.client_token_file.as_deref()).map(Some);
    }
    let here = std::env::current_dir().unwrap_or_else(|_gone| ".".into());
    let adapter = Library::find(&here).read(asked).map_err(|error| {
        if let AdapterError::Invalid(problems) = &error {
            say(problems.render(colour()));
        }
        fail(&error, Some(&error.hint()));
        Exit::InvalidFile
    })?;
    let mut client = Client::find(adapter).map_err(|error| not_here(&error))?;
    client.ask_version().map_err(|error| not_here(&error))?;
    Ok(Some(Arc::new(client)))
}

/// A companion that somebody else has started.
fn at(url: &str, token_file: Option<&Path>) -> Result<Arc<Client>, Exit> {
    let Some(token_file) = token_file else {
        say("error: --client names an address, and nothing says where its token is");
        say(
            "hint: add --client-token-file FILE; a companion names it in its first line, as mcp.tokenFile",
        );
        return Err(Exit::Usage);
    };
    let client = Client::at(url, token_file).map_err(|error| not_here(&error))?;
    Ok(Arc::new(client))
}

fn not_here(error: &ClientError) -> Exit {
    match error {
        ClientError::Missing { .. } => {
            fail(error, Some("nothing was run: the client is not verified"));
            Exit::WorldUnavailable
        }
        ClientError::DidNotStart { output, .. } => {
            fail(error, Some("these are the last lines it wrote, if any"));
            for line in output.iter().skip(output.len().saturating_sub(LAST_LINES)) {
                say(format_args!("  | {line}"));
            }
            Exit::ClientDidNotStart
        }
    }
}

/// Starts the client once against a gateway that likes it: one that never connects is not worth a run.
pub(super) fn starts(client: &Arc<Client>, options: &RunOptions) -> Result<(), Exit> {
    let job = Job {
        scenario: Arc::new(first_contact(client)),
        world: WorldName::Loopback,
        missing: None,
        ground: None,
        client: Some(Arc::clone(client)),
    };
    let outcome = run_job(&job, options.seed, options.commit.as_deref());
    if outcome
        .record
        .transcript
        .entries
        .iter()
        .any(|entry| entry.conn.is_some())
    {
        return Ok(());
    }
    let ready = client.adapter.file.start.ready_within;
    let why = match &outcome.verdict {
        Verdict::Failed(findings) if outcome.record.programs.is_empty() => findings
            .first()
            .map_or_else(String::new, |finding| finding.summary.clone()),
        Verdict::Broken { what } => what.clone(),
        Verdict::Skipped { missing } => missing.clone(),
        Verdict::Passed | Verdict::Failed(_) | Verdict::Inconclusive { .. } => {
            let ended = outcome.record.programs.iter().find_map(|program| {
                program.ended_us?;
                Some(
                    program
                        .code
                        .map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}")),
                )
            });
            match ended {
                Some(end) => format!("it ended with {end} and had opened no connection"),
                None => format!("it opened no connection within {ready}"),
            }
        }
    };
    Err(not_here(&ClientError::DidNotStart {
        client: client.label(),
        why,
        output: outcome
            .record
            .programs
            .iter()
            .flat_map(|program| program.output.clone())
            .collect(),
    }))
}

fn first_contact(client: &Client) -> Scenario {
    let actor = crate::scenario::ClientActor {
        node: client.capabilities().contains("role:node"),
        holds: crate::scenario::Holds {
            shared_token: crate::scenario::Held::Valid,
            ..crate::scenario::Holds::default()
        },
        ..crate::scenario::ClientActor::default()
    };
    let opens = Expect {
        from: Some("client".to_owned()),
        opens: true,
        within: Some(client.adapter.file.start.ready_within),
        ..Expect::default()
    };
    let mut scenario = Scenario::builder("first-contact", "The client opens a connection")
        .client("client", actor)
        .step(Step::Start("client".to_owned()))
        .step(Step::Expect(Box::new(opens)))
        .build();
    scenario.profile = client.profile().map(str::to_owned);
    scenario
}

/// How a run of a client ends.
pub(super) struct Conclusion {
    /// The exit code.
    pub(super) exit: Exit,
    /// Failures that were known.
    pub(super) known: usize,
}

/// Prints and writes the table, and weighs known failures.
pub(super) fn conclude(
    args: &RunArgs,
    client: &Client,
    outcomes: &[Outcome],
    interrupted: bool,
) -> Result<Conclusion, FolderError> {
    let results = results(outcomes);
    let review = review(client, &results);
    let head = head(client, args);
    let table = Conformance {
        head: &head,
        results: &results,
        review: &review,
    };
    for file in &args.table {
        write_file(file, &shaped(&table, file))?;
    }
    if args.message_format == MessageFormat::Json {
        out(table.json());
    } else {
        out("");
        out(table.text(WIDTH));
    }
    let known = review
        .known
        .iter()
        .filter(|reasons| !reasons.is_empty())
        .count();
    if known > 0 {
        say(format_args!(
            "{known} known failures (known-failures.toml of {})",
            client.adapter.name
        ));
    }
    for row in &review.stale {
        say(format_args!(
            "stale: {} is listed as a known failure of {} and was not seen",
            row.scenario,
            client.selector()
        ));
        say("hint: remove the row, or narrow its `versions` or `rule`");
    }
    let told = exit_of(outcomes, interrupted);
    let exit = if !matches!(told, Exit::Failed | Exit::Passed) || table.news() > 0 {
        told
    } else if review.stale.is_empty() {
        Exit::Passed
    } else {
        Exit::StaleKnownFailure
    };
    Ok(Conclusion { exit, known })
}

fn shaped(table: &Conformance<'_>, file: &Path) -> String {
    match file.extension().and_then(|end| end.to_str()) {
        Some("json") => format!("{:#}\n", table.json()),
        Some("md") => table.markdown(),
        Some(_) | None => format!("{}\n", table.text(WIDTH)),
    }
}

fn head(client: &Client, args: &RunArgs) -> TableHead {
    let profile = client.profile().unwrap_or(gateway_core::DEFAULT_PROFILE);
    let gateway = if args.world.is_empty() {
        format!("the mock gateway, profile {profile}")
    } else {
        format!("the real gateway {}", args.gateway_version)
    };
    TableHead {
        title: client.adapter.file.title.clone(),
        client: client.selector(),
        version: client
            .version
            .clone()
            .unwrap_or_else(|| "unknown".to_owned()),
        gateway,
        clawproof: VERSION.to_owned(),
        date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
    }
}
