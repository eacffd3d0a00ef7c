//! `clawproof record`: between any client and any gateway, without changing a byte, and writes what is said.

use std::fs::OpenOptions;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

use gateway_protocol::UnixMillis;
use link::{FaultTable, Proxy, ProxyOptions};
use serde_json::json;
use thiserror::Error;
use transcript::{Direction, Entry, Header, Kind, Recorder, Stage, WriteError};

use super::args::RecordArgs;
use super::exit::Exit;
use super::print::{fail, out, say};
use super::serve::{log, runtime};
use crate::guarded::{self, Existing, GuardedError};
use crate::interrupt::interrupted;

/// Why nothing was, or could be, recorded.
#[derive(Debug, Error)]
enum RecordError {
    #[error("--to {0}: expected ws://HOST:PORT")]
    Url(String),
    #[error("--to {0}: the host has no address")]
    Host(String, #[source] io::Error),
    #[error("listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    #[error("{} exists", .0.display())]
    Exists(PathBuf),
    #[error("create {}", .0.display())]
    Create(PathBuf, #[source] io::Error),
    #[error("write {}", .0.display())]
    Write(PathBuf, #[source] WriteError),
    #[error("the record is withheld and kept as {}", .withheld.display())]
    Leak {
        #[source]
        error: GuardedError,
        withheld: PathBuf,
    },
    #[error(transparent)]
    Settle(GuardedError),
    #[error("wait for Ctrl-C")]
    Signals(#[source] io::Error),
}

impl RecordError {
    const fn hint(&self) -> &'static str {
        match self {
            Self::Url(_) => {
                "a gateway behind TLS (wss://) is not recorded: point --to at its plain port"
            }
            Self::Host(..) => "check the name in --to",
            Self::Listen(..) => "choose another --listen; port 0 takes a free one",
            Self::Exists(_) => {
                "nothing is overwritten: name another file with --save, or move that one"
            }
            Self::Create(..) | Self::Write(..) => {
                "check that the folder of --save can be written to and that the disk is not full"
            }
            Self::Leak { error, .. } | Self::Settle(error) => error.hint(),
            Self::Signals(_) => "end it with its process id instead",
        }
    }

    const fn exit(&self) -> Exit {
        match self {
            Self::Url(_) | Self::Host(..) => Exit::Usage,
            Self::Listen(..) => Exit::WorldUnavailable,
            Self::Exists(_)
            | Self::Create(..)
            | Self::Write(..)
            | Self::Leak { .. }
            | Self::Settle(_) => Exit::ArtifactsNotWritten,
            Self::Signals(_) => Exit::HarnessBroke,
        }
    }
}

pub(super) fn record(args: &RecordArgs) -> Exit {
    log();
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    match runtime.block_on(until_interrupted(args)) {
        Ok(()) => Exit::Passed,
        Err(error) => {
            fail(&error, Some(error.hint()));
            error.exit()
        }
    }
}

async fn until_interrupted(args: &RecordArgs) -> Result<(), RecordError> {
    let upstream = upstream(&args.to)?;
    let header = Header::new(
        args.seed,
        "recorded",
        format!(
            "whoever answers at {}",
            authority(&args.to).unwrap_or_default()
        ),
    );
    let header = header.resigned(args.seed);
    let recorder = recorder(&args.save, header)?;
    for secret in &args.secret {
        recorder.register_secret("given", secret);
    }
    for (kind, name) in this_machine() {
        recorder.register_name(kind, &name);
    }
    recorder.on_record(Box::new(|entry| {
        if let Some(line) = told(entry) {
            say(line);
        }
    }));
    let mut options = ProxyOptions::new(upstream, recorder.clone(), FaultTable::new());
    options.listen = args.listen;
    options.epoch = wall_clock();
    let proxy = Proxy::start(options).map_err(|error| RecordError::Listen(args.listen, error))?;
    let addr = proxy.addr();
    out(json!({
        "url": format!("ws://{addr}"), "httpUrl": format!("http://{addr}"), "to": args.to, "transcript": args.save,
    }));
    say(format_args!(
        "recording into {}; point your client at ws://{addr}, Ctrl-C ends it",
        args.save.display()
    ));
    interrupted().await.map_err(RecordError::Signals)?;
    proxy.stop().await;
    recorder
        .finish()
        .map_err(|error| RecordError::Write(args.save.clone(), error))?;
    settle(&recorder, &args.save)?;
    say(format_args!(
        "{} entries in {}",
        recorder.len(),
        args.save.display()
    ));
    Ok(())
}

/// Writes the record again, now that every secret of it is known: what was learned late is hidden in early lines too.
/// A record in which a secret is still found does not keep its name.
fn settle(recorder: &Recorder, path: &Path) -> Result<(), RecordError> {
    let (transcript, secrets) = recorder.finished();
    let text = transcript.to_jsonl();
    let written = guarded::write(path, text.as_bytes(), &secrets, Existing::Replaced);
    if let Err(error @ GuardedError::Leak { .. }) = written {
        let withheld = path.with_added_extension("withheld");
        std::fs::rename(path, &withheld)
            .map_err(|error| RecordError::Create(withheld.clone(), error))?;
        return Err(RecordError::Leak { error, withheld });
    }
    written.map_err(RecordError::Settle)
}

/// What this machine and its user are called, as far as the environment tells.
fn this_machine() -> Vec<(&'static str, String)> {
    let named = [
        ("host", "HOSTNAME"),
        ("host", "COMPUTERNAME"),
        ("user", "USER"),
        ("user", "USERNAME"),
        ("user", "LOGNAME"),
    ];
    let mut names: Vec<(&str, String)> = named
        .iter()
        .filter_map(|(kind, variable)| Some((*kind, std::env::var(variable).ok()?)))
        .collect();
    if let Ok(name) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
        names.push(("host", name.trim().to_owned()));
    }
    names
}

/// `ws://HOST:PORT`, or the same with http; a path is the client's to name.
fn upstream(url: &str) -> Result<SocketAddr, RecordError> {
    let Some(authority) = authority(url).filter(|authority| authority.contains(':')) else {
        return Err(RecordError::Url(url.to_owned()));
    };
    let host = |error| RecordError::Host(url.to_owned(), error);
    let mut addresses = authority.to_socket_addrs().map_err(host)?;
    addresses
        .next()
        .ok_or_else(|| host(io::ErrorKind::NotFound.into()))
}

/// `HOST:PORT` of a URL: a path or a query may hold a token.
fn authority(url: &str) -> Option<&str> {
    let rest = ["ws://", "http://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme))?;
    rest.split(['/', '?', '#']).next()
}

fn recorder(path: &Path, header: Header) -> Result<Recorder, RecordError> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let file = file.map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            RecordError::Exists(path.to_owned())
        } else {
            RecordError::Create(path.to_owned(), error)
        }
    })?;
    Ok(Recorder::to_writer(header, Box::new(file)))
}

fn wall_clock() -> UnixMillis {
    UnixMillis(0).plus(std::time::UNIX_EPOCH.elapsed().unwrap_or_default())
}

/// An entry in words, once for each message.
fn told(entry: &Entry) -> Option<String> {
    if entry.stage == Some(Stage::Delivered) {
        return None;
    }
    let field = |pointer: &str| entry.frame.as_ref()?.pointer(pointer)?.as_str();
    let what = match entry.kind {
        Kind::Text => match (field("/method"), field("/event"), field("/error/message")) {
            (Some(method), ..) => format!("request {method}"),
            (_, Some(event), _) => format!("event {event}"),
            (.., Some(message)) => format!("error {message:?}"),
            _ if entry.frame.is_some() => {
                format!("ok {}", field("/payload/type").unwrap_or_default())
            }
            _ => "text that is no frame".to_owned(),
        },
        Kind::Binary => "binary".to_owned(),
        Kind::Close => match &entry.close {
            Some(close) => format!(
                "close {} {:?}",
                close.code.unwrap_or_default(),
                close.reason
            ),
            None => "close".to_owned(),
        },
        Kind::Open | Kind::Eof | Kind::Reset => entry.kind.to_string(),
        Kind::Ping | Kind::Pong | Kind::Fault | Kind::Step | Kind::Note => return None,
    };
    let way = match entry.dir {
        Some(Direction::ClientToGateway) => " ->",
        Some(Direction::GatewayToClient) => " <-",
        None => "",
    };
    let seconds = std::time::Duration::from_micros(entry.t_us).as_secs_f64();
    Some(format!(
        "{seconds:9.3}s #{}{way} {}",
        entry.conn?,
        what.trim_end()
    ))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::ws("ws://127.0.0.1:18789")]
    #[case::path("ws://127.0.0.1:18789/?x=1")]
    #[case::http("http://127.0.0.1:18789/")]
    fn a_url_names_its_gateway(#[case] url: &str) {
        assert_eq!(upstream(url).unwrap(), ([127, 0, 0, 1], 18_789).into());
    }

    #[rstest]
    #[case::tls("wss://127.0.0.1:18789")]
    #[case::no_port("ws://127.0.0.1")]
    #[case::no_scheme("127.0.0.1:18789")]
    fn anything_else_is_explained(#[case] url: &str) {
        let error = upstream(url).unwrap_err();
        assert!(error.to_string().contains(url), "{error}");
        assert_eq!(error.exit(), Exit::Usage);
    }
}
