//! `clawproof run`: select, run, judge, report, write the run folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::args::{MessageFormat, PolicyArg, RefereeArg, RunArgs, WorldArg};
use super::client;
use super::exit::Exit;
use super::library;
use super::list::{nothing_selected, selection};
use super::print::{colour, fail, out, say};
use super::progress::Progress;
use super::stop::{Interrupt, end_after};
use crate::adapter::Client;
use crate::guarded::{Existing, whole};
use crate::judge::Verdict;
use crate::prove::subject::is_dirty;
use crate::real::{Ground, RELEASES, RealError};
use crate::referee::{self, Mode};
use crate::report::terminal::{self, Style};
use crate::report::{Counts, ScenarioResult, junit, lines};
use crate::run::{
    FolderError, Job, Outcome, RunOptions, RunSummary, client_jobs, git_commit, jobs,
    point_latest_at, real_jobs, result, results, run_all, under_pr741, without_differences,
    write_run,
};
use crate::scenario::{Scenario, Trust, WorldName};

/// Seed of a run that was given none: the same command shows the same bytes.
const DEFAULT_SEED: u64 = 1;

/// Where run folders go when nobody says.
const STORE: &str = "store";

impl From<WorldArg> for WorldName {
    fn from(world: WorldArg) -> Self {
        match world {
            WorldArg::Core => Self::Core,
            WorldArg::Memory => Self::Memory,
            WorldArg::Loopback => Self::Loopback,
            WorldArg::Real => Self::Real,
            WorldArg::Wsl => Self::Wsl,
        }
    }
}

impl From<RefereeArg> for Mode {
    fn from(arg: RefereeArg) -> Self {
        match arg {
            RefereeArg::Auto => Self::Auto,
            RefereeArg::On => Self::On,
            RefereeArg::Off => Self::Off,
        }
    }
}

/// Says once for this process whether a referee is wanted; one that is wanted and missing stops the run.
fn referee_is_there(args: &RunArgs) -> Result<(), Exit> {
    let standing = referee::choose(args.referee.into());
    if args.referee != RefereeArg::On || standing.verified() {
        return Ok(());
    }
    say(format_args!(
        "error: the referee is wanted, but there is none: {standing}"
    ));
    say("hint: run `clawproof fetch schema` where there is a network, or leave --referee out");
    Err(Exit::WorldUnavailable)
}

/// A client of its own runs in real time, over sockets.
fn client_has_a_world(args: &RunArgs) -> Result<(), Exit> {
    let mut worlds = args.world.iter().copied().map(WorldName::from);
    if args.client.is_none() || worlds.all(|world| world == WorldName::Real) {
        return Ok(());
    }
    say("error: --client with --world: a client of its own runs in real time over sockets");
    say("hint: leave --world out, or say `--world real` for the real gateway");
    Err(Exit::Usage)
}

pub(super) fn run(args: &RunArgs) -> Exit {
    if let Err(exit) = referee_is_there(args) {
        return exit;
    }
    if let Err(exit) = client_has_a_world(args) {
        return exit;
    }
    let mut options = RunOptions::new(args.seed.unwrap_or(DEFAULT_SEED));
    let client = match client::find(args) {
        Ok(client) => client,
        Err(exit) => return exit,
    };
    let (jobs, whole) = match plan(args, &options, client.as_ref()) {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    let here = std::env::current_dir().unwrap_or_else(|_gone| PathBuf::from("."));
    options.commit = git_commit(&here);
    options.threads = threads(args, options.threads);
    let target = match target(args, options.seed) {
        Ok(target) => target,
        Err(error) => return not_written(&error),
    };
    let interrupt = Interrupt::listen(&options.stop);
    let limit = args.time_limit.map(Duration::from_secs);
    let _until_here = limit.map(|limit| end_after(limit, &options.stop));
    if let Some(client) = &client
        && let Err(exit) = client::starts(client, &options)
    {
        return exit;
    }
    let began = Instant::now();
    let outcomes = execute(args, &jobs, &options);
    let summary = RunSummary {
        id: target
            .as_deref()
            .map_or_else(|| run_id(options.seed), name_of),
        seed: options.seed,
        command: command(args, options.seed),
        commit: options.commit,
        dirty: is_dirty(&here),
        took: began.elapsed(),
        interrupted: interrupt.came(),
        shard: args.shard.clone(),
        plan: whole,
    };
    let written = write(args, target.as_deref(), &summary, &outcomes);
    tell(args, &summary, &outcomes, &jobs);
    let mut known = 0;
    let exit = match client {
        None => exit_of(&outcomes, summary.interrupted),
        Some(client) => match client::conclude(args, &client, &outcomes, summary.interrupted) {
            Ok(conclusion) => {
                known = conclusion.known;
                conclusion.exit
            }
            Err(error) => return not_written(&error),
        },
    };
    if let Ok(Some(folder)) = &written {
        say(format_args!("run folder: {}", folder.display()));
    }
    closing(args, &outcomes, known);
    match written {
        Ok(_) => exit,
        Err(error) => not_written(&error),
    }
}

/// A foreign client mostly waits, so more of its runs fit on the machine at once.
fn threads(args: &RunArgs, cores: usize) -> usize {
    const WITH_CLIENT: usize = 6;
    match args.jobs {
        Some(jobs) => jobs.into(),
        // There is one, and it can be at one gateway at a time.
        None if args.client_token_file.is_some() => 1,
        None if args.client.is_some() => WITH_CLIENT,
        None => cores,
    }
}

/// What will be run, and the names of the whole plan that it is a part of.
fn plan(
    args: &RunArgs,
    options: &RunOptions,
    client: Option<&Arc<Client>>,
) -> Result<(Vec<Job>, Vec<String>), Exit> {
    let mut scenarios = library::scenarios(args.selection.suite.as_deref())?;
    if let Some(client) = client {
        scenarios.extend(library::scenarios_of(client)?);
    }
    let (shard, durations) = (args.shard.as_deref(), args.durations.as_deref());
    if let Some(mutant) = &args.mutant {
        scenarios = with_bug(&scenarios, mutant)?;
    }
    if args.openclaw.is_some() || args.distros.is_some() {
        let (openclaw, distros) = (args.openclaw.map(Into::into), args.distros.map(Into::into));
        let with =
            |scenario: &Arc<Scenario>| Scenario::clone(scenario).set_up_with(openclaw, distros);
        scenarios = scenarios.iter().map(with).map(Arc::new).collect();
    }
    if let Some(times) = args.time_scale {
        let faster = |it: &Arc<Scenario>| Arc::new(Scenario::clone(it).with_time_scale(times));
        scenarios = scenarios.iter().map(faster).collect();
    }
    let selection = selection(&args.selection, shard, durations)?;
    let chosen = selection.choose(&scenarios);
    let worlds: Vec<WorldName> = args.world.iter().copied().map(WorldName::from).collect();
    let foreign = worlds.contains(&WorldName::Real);
    let ours: Vec<WorldName> = worlds
        .into_iter()
        .filter(|world| *world != WorldName::Real)
        .collect();
    let ground = foreign.then(|| Ground::new(&args.gateway_version, Arc::clone(&options.stop)));
    if let Some(ground) = &ground
        && !RELEASES.contains(&ground.release())
    {
        let error = RealError::UnknownRelease {
            release: args.gateway_version.clone(),
        };
        fail(&error, Some(&error.hint()));
        return Err(Exit::Usage);
    }
    let ground = ground.map(Arc::new);
    let in_worlds = |chosen: &[Arc<Scenario>]| {
        let chosen: &[Arc<Scenario>] = &under(args.policy, chosen);
        let mut all = match client {
            Some(client) => return client_jobs(chosen, client, ground.as_ref()),
            None if foreign && ours.is_empty() => Vec::new(),
            None => without_differences(jobs(chosen, &ours)),
        };
        if let Some(ground) = &ground {
            all.extend(real_jobs(chosen, ground));
        }
        all
    };
    let jobs = in_worlds(&chosen);
    if jobs.is_empty() {
        if !chosen.is_empty() {
            say(format_args!(
                "{} scenarios were selected, but none {}",
                chosen.len(),
                if client.is_some() {
                    "is for any client (needs = [\"black-box\"])"
                } else {
                    "claims this world"
                }
            ));
        }
        return Err(nothing_selected(scenarios.len()));
    }
    let whole = in_worlds(&selection.whole(&scenarios));
    Ok((jobs, whole.iter().map(Job::name).collect()))
}

/// The scenarios as the companions of this run.
fn under(policy: Option<PolicyArg>, chosen: &[Arc<Scenario>]) -> Vec<Arc<Scenario>> {
    let mut all = match policy {
        None | Some(PolicyArg::Hardened | PolicyArg::Both) => chosen.to_vec(),
        Some(PolicyArg::Strict) => chosen.iter().map(strictly).collect(),
        Some(PolicyArg::Pr741) => Vec::new(),
    };
    if matches!(policy, Some(PolicyArg::Pr741 | PolicyArg::Both)) {
        all.extend(under_pr741(chosen));
    }
    all.sort_by(|one, other| one.id.cmp(&other.id));
    all
}

fn strictly(scenario: &Arc<Scenario>) -> Arc<Scenario> {
    Arc::new(Scenario::clone(scenario).with_trust(Trust::Strict))
}

/// The scenarios with a deliberate bug in every client.
fn with_bug(scenarios: &[Arc<Scenario>], mutant: &str) -> Result<Vec<Arc<Scenario>>, Exit> {
    let of_set_up = wsl_fixtures::setup::Mutation::named(mutant).is_some();
    if !of_set_up && let Err(error) = serde_json::from_value::<client_core::Mutation>(mutant.into())
    {
        say(format_args!("error: --mutant {mutant}: {error}"));
        say("hint: these are bugs that our client can be given, to see what a scenario catches");
        return Err(Exit::Usage);
    }
    let with = |scenario: &Arc<Scenario>| Arc::new(Scenario::clone(scenario).with_mutation(mutant));
    Ok(scenarios.iter().map(with).collect())
}

/// The run folder to write, checked before anything runs: a long run must not end in an avoidable error.
fn target(args: &RunArgs, seed: u64) -> Result<Option<PathBuf>, FolderError> {
    if args.no_save {
        return Ok(None);
    }
    if let Some(folder) = &args.save {
        return if folder.symlink_metadata().is_ok() {
            Err(FolderError::Exists {
                path: folder.clone(),
            })
        } else {
            Ok(Some(folder.clone()))
        };
    }
    let id = run_id(seed);
    let store = Path::new(STORE);
    let free = (1..).map(|n| {
        if n == 1 {
            store.join(&id)
        } else {
            store.join(format!("{id}-{n}"))
        }
    });
    Ok(free
        .into_iter()
        .find(|folder| folder.symlink_metadata().is_err()))
}

/// `20261122-174020-seed-1`.
fn run_id(seed: u64) -> String {
    format!(
        "{}-seed-{seed}",
        jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S")
    )
}

fn name_of(folder: &Path) -> String {
    folder
        .file_name()
        .unwrap_or(folder.as_os_str())
        .to_string_lossy()
        .into_owned()
}

fn execute(args: &RunArgs, jobs: &[Job], options: &RunOptions) -> Vec<Outcome> {
    let human = args.message_format == MessageFormat::Human;
    if human {
        say(format_args!(
            "running {} scenarios, seed {}",
            jobs.len(),
            options.seed
        ));
    } else {
        out(lines::started(jobs.len(), options.seed));
    }
    let progress = Progress::new(jobs.len(), human);
    let outcomes = run_all(jobs, options, |outcome| {
        progress.done(&outcome.name());
        if !human {
            let mut line = lines::result(&result(outcome));
            if args.digest
                && let Some(fields) = line.as_object_mut()
            {
                fields.insert("digest".to_owned(), outcome.digest().into());
            }
            out(line);
        }
    });
    progress.finish();
    outcomes
}

fn write(
    args: &RunArgs,
    target: Option<&Path>,
    summary: &RunSummary,
    outcomes: &[Outcome],
) -> Result<Option<PathBuf>, FolderError> {
    if let Some(file) = &args.junit {
        let xml =
            junit::xml(&results(outcomes), summary.took, referee::standing()).unwrap_or_default();
        write_file(file, &xml)?;
    }
    let Some(target) = target else {
        return Ok(None);
    };
    let folder = write_run(target, summary, outcomes)?;
    if args.save.is_none() {
        point_latest_at(&folder)?;
    }
    Ok(Some(folder))
}

/// Replaces a file as a whole.
pub(super) fn write_file(file: &Path, text: &str) -> Result<(), FolderError> {
    whole(file, text.as_bytes(), Existing::Replaced).map_err(|source| FolderError::Write {
        path: file.to_path_buf(),
        source,
    })
}

fn tell(args: &RunArgs, summary: &RunSummary, outcomes: &[Outcome], jobs: &[Job]) {
    let results = results(outcomes);
    if args.message_format == MessageFormat::Json {
        out(lines::finished(&results, summary.took, referee::standing()));
        return;
    }
    let style = Style { colour: colour() };
    for (result, outcome) in results.iter().zip(outcomes) {
        let line = terminal::line(result, style);
        if args.digest {
            out(format_args!("{line}  {}", outcome.digest()));
        } else {
            out(line);
        }
    }
    for result in results
        .iter()
        .filter(|result| !matches!(result.verdict, Verdict::Passed | Verdict::Skipped { .. }))
    {
        out("");
        out(terminal::explanation(result, style));
    }
    if summary.interrupted {
        say(format_args!(
            "interrupted: {} of {} finished",
            outcomes.len(),
            jobs.len()
        ));
    }
    say(format_args!("referee: {}", referee::standing()));
    say(format_args!(
        "{}; {}",
        speed(&results, summary.took),
        summary.command
    ));
}

/// How long it took, and how much time of the protocol it covered.
fn speed(results: &[ScenarioResult], took: Duration) -> String {
    let covered: Duration = results.iter().map(|result| result.virtual_time).sum();
    format!(
        "{} runs in {}, covering {} of protocol time",
        results.len(),
        terminal::short(took),
        terminal::short(covered)
    )
}

/// The last line, always, on standard output: what CI and people look for.
fn closing(args: &RunArgs, outcomes: &[Outcome], known: usize) {
    if args.message_format == MessageFormat::Human {
        let counts = Counts::of(&results(outcomes));
        let failed = (counts.failed + counts.inconclusive + counts.broken).saturating_sub(known);
        out(format_args!(
            "{} passed, {failed} failed, {} skipped",
            counts.passed, counts.skipped
        ));
    }
}

pub(super) fn exit_of(outcomes: &[Outcome], interrupted: bool) -> Exit {
    exit_of_counts(Counts::of(&results(outcomes)), interrupted)
}

/// The exit that these verdicts mean.
pub(super) fn exit_of_counts(counts: Counts, interrupted: bool) -> Exit {
    if counts.broken > 0 {
        Exit::HarnessBroke
    } else if interrupted {
        Exit::Interrupted
    } else if counts.failed > 0 {
        Exit::Failed
    } else if counts.inconclusive > 0 {
        Exit::Inconclusive
    } else if counts.passed > 0 {
        Exit::Passed
    } else if counts.skipped > 0 {
        Exit::WorldUnavailable
    } else {
        Exit::NothingSelected
    }
}

fn not_written(error: &FolderError) -> Exit {
    fail(error, Some(error.hint()));
    Exit::ArtifactsNotWritten
}

/// The command that repeats this run.
fn command(args: &RunArgs, seed: u64) -> String {
    let mut words = vec!["clawproof run".to_owned()];
    words.extend(
        args.selection
            .patterns
            .iter()
            .map(|pattern| quoted(pattern)),
    );
    words.extend(
        args.selection
            .needs
            .iter()
            .map(|need| format!("--needs {}", quoted(need))),
    );
    words.extend(
        args.selection
            .about
            .iter()
            .map(|about| format!("--about {}", quoted(about))),
    );
    words.extend(
        args.selection
            .suite
            .iter()
            .map(|suite| format!("--suite {}", quoted(&suite.display().to_string()))),
    );
    words.extend(
        args.world
            .iter()
            .map(|world| format!("--world {}", WorldName::from(*world).name())),
    );
    if args.world.contains(&WorldArg::Real) {
        words.push(format!("--gateway-version {}", args.gateway_version));
    }
    words.extend(
        args.shard
            .iter()
            .map(|shard| format!("--shard {}", quoted(shard))),
    );
    words.extend(
        args.durations
            .iter()
            .map(|path| format!("--durations {}", quoted(&path.display().to_string()))),
    );
    words.extend(
        args.client
            .iter()
            .map(|client| format!("--client {}", quoted(client))),
    );
    words.extend(args.client_token_file.iter().map(|path| {
        format!(
            "--client-token-file {}",
            quoted(&path.display().to_string())
        )
    }));
    words.extend(
        args.policy
            .iter()
            .map(|policy| format!("--policy {}", policy.name())),
    );
    let mutant = args.mutant.iter();
    words.extend(mutant.map(|mutant| format!("--mutant {mutant}")));
    let scale = args.time_scale.iter();
    words.extend(scale.map(|times| format!("--time-scale {times}")));
    words.push(format!("--seed {seed}"));
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | ':');
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_repeats_the_selection() {
        let mut args = RunArgs::default();
        args.selection.patterns = vec!["setup-connect/**".to_owned(), "a/b".to_owned()];
        args.world = vec![WorldArg::Memory];
        args.shard = Some("2/4".to_owned());
        assert_eq!(
            command(&args, 7),
            "clawproof run 'setup-connect/**' a/b --world memory --shard 2/4 --seed 7"
        );
    }

    #[test]
    fn nothing_that_ran_is_never_green() {
        assert_eq!(exit_of(&[], false), Exit::NothingSelected);
        assert_eq!(exit_of(&[], true), Exit::Interrupted);
    }
}
