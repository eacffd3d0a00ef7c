//! Child processes: run one and see it, run one and read it, run one and do both.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::error::XtaskError;

/// The cargo that runs this program.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).args(arguments);
    // Cargo's own variables describe xtask here; they would make other packages look changed.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name.as_ref());
        }
    }
    command
}

/// Runs the command with the terminal as its own.
pub(crate) fn show(mut command: Command) -> Result<(), XtaskError> {
    let text = describe(&command);
    let status = command.status().map_err(|source| XtaskError::Start {
        program: text.clone(),
        source,
    })?;
    expect_success(text, status)
}

/// Runs the command and gives its standard output; it must succeed.
pub(crate) fn read(mut command: Command) -> Result<String, XtaskError> {
    let text = describe(&command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| XtaskError::Start {
            program: text.clone(),
            source,
        })?;
    expect_success(text, output.status)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs the command and gives its standard output, however it ended.
pub(crate) fn output(mut command: Command) -> Result<String, XtaskError> {
    let program = describe(&command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| XtaskError::Start { program, source })?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// How a command that was watched ended, and all it printed on the watched stream.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) status: ExitStatus,
    pub(crate) text: String,
}

/// Which stream to watch while it is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// Runs the command, shows one of its streams line by line on standard error, and gives it back.
pub(crate) fn watch(mut command: Command, stream: Stream) -> Result<Watched, XtaskError> {
    let program = describe(&command);
    match stream {
        Stream::Stdout => command.stdout(Stdio::piped()),
        Stream::Stderr => command.stderr(Stdio::piped()),
    };
    let mut child = command.spawn().map_err(|source| XtaskError::Start {
        program: program.clone(),
        source,
    })?;
    let text = match taken(&mut child, stream) {
        Some(pipe) => relay(pipe).map_err(|source| XtaskError::Output {
            program: program.clone(),
            source,
        })?,
        None => String::new(),
    };
    let status = child
        .wait()
        .map_err(|source| XtaskError::Output { program, source })?;
    Ok(Watched { status, text })
}

fn taken(child: &mut Child, stream: Stream) -> Option<Box<dyn Read>> {
    match stream {
        Stream::Stdout => child
            .stdout
            .take()
            .map(|pipe| Box::new(pipe) as Box<dyn Read>),
        Stream::Stderr => child
            .stderr
            .take()
            .map(|pipe| Box::new(pipe) as Box<dyn Read>),
    }
}

fn relay(pipe: Box<dyn Read>) -> std::io::Result<String> {
    let mut text = String::new();
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        std::io::stderr().write_all(&line)?;
        text.push_str(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(text)
}

fn expect_success(command: String, status: ExitStatus) -> Result<(), XtaskError> {
    if status.success() {
        Ok(())
    } else {
        Err(XtaskError::Failed { command, status })
    }
}

/// The command as a person would type it.
fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut text = program
        .file_name()
        .unwrap_or_else(|| command.get_program())
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}
