//! `clawproof record`: between any client and any gateway, without changing a byte, and writes what is said.

mod tls;

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

use client_core::url::GatewayUrl;
use gateway_client::tls::TlsError;
use gateway_protocol::UnixMillis;
use link::{FaultTable, Proxy, ProxyOptions};
use serde_json::json;
use thiserror::Error;
use transcript::{Direction, Entry, Follower, Header, Kind, Recorder, Stage, WriteError};

use super::args::RecordArgs;
use super::exit::Exit;
use super::print::{fail, out, say};
use super::serve::{log, runtime};
use crate::guarded::{self, Existing, GuardedError};
use crate::interrupt::interrupted;

/// Why nothing was, or could be, recorded.
#[derive(Debug, Error)]
enum RecordError {
    #[error("--to {0}: expected ws://HOST:PORT or wss://HOST")]
    Url(String),
    #[error("whom to believe")]
    Trust(#[source] TlsError),
    #[error("make a certificate: {0}")]
    Certificate(String),
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
            Self::Url(_) => "the client names the path; a plain gateway needs its port in --to",
            Self::Trust(_) => {
                "--to-ca names a PEM file of roots, --to-pin the SHA-256 of the gateway's certificate: 64 hex digits, with or without colons"
            }
            Self::Certificate(_) => "check the names in --tls-name",
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

    fn of_file(path: &Path, error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::AlreadyExists {
            Self::Exists(path.to_owned())
        } else {
            Self::Create(path.to_owned(), error)
        }
    }

    const fn exit(&self) -> Exit {
        match self {
            Self::Url(_) | Self::Host(..) | Self::Trust(_) | Self::Certificate(_) => Exit::Usage,
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
    let (upstream, url) = upstream(&args.to)?;
    let host = url.host.clone();
    let gateway = format!("whoever answers at {host}:{}", url.port);
    let header = Header::new(args.seed, "recorded", gateway).resigned(args.seed);
    if args.save.symlink_metadata().is_ok() {
        return Err(RecordError::Exists(args.save.clone()));
    }
    let tls = tls::of(args, &host, url.tls)?;
    let file = create(&args.save)?;
    let recorder = Recorder::in_memory(header);
    for secret in &args.secret {
        recorder.register_secret("given", secret);
    }
    for (kind, name) in this_machine() {
        recorder.register_name(kind, &name);
    }
    let follower = Follower::start(&recorder, Box::new(BufWriter::new(file)), |line| {
        if let Some(said) = told(line) {
            say(said);
        }
    });
    let mut options = ProxyOptions::new(upstream, recorder.clone(), FaultTable::new());
    options.listen = args.listen;
    options.epoch = wall_clock();
    options.only_records = true;
    options.tls = tls;
    let proxy = Proxy::start(options).map_err(|error| RecordError::Listen(args.listen, error))?;
    let addr = proxy.addr();
    let s = if args.tls_ca.is_some() { "s" } else { "" };
    out(json!({
        "url": format!("ws{s}://{addr}"), "httpUrl": format!("http{s}://{addr}"), "to": args.to, "transcript": args.save,
        "ca": args.tls_ca,
    }));
    say(format_args!(
        "recording into {}; point your client at ws{s}://{addr}, Ctrl-C ends it",
        args.save.display()
    ));
    interrupted().await.map_err(RecordError::Signals)?;
    proxy.stop().await;
    follower
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

/// Where the gateway is; a path is the client's to name. A plain one is on no port that could be guessed.
fn upstream(url: &str) -> Result<(SocketAddr, GatewayUrl), RecordError> {
    let bad = || RecordError::Url(url.to_owned());
    let parsed = GatewayUrl::parse(url).ok_or_else(bad)?;
    if !parsed.tls && !parsed.has_port() {
        return Err(bad());
    }
    let host = |error| RecordError::Host(url.to_owned(), error);
    let mut addresses = (parsed.host.as_str(), parsed.port)
        .to_socket_addrs()
        .map_err(host)?;
    let first = addresses
        .next()
        .ok_or_else(|| host(io::ErrorKind::NotFound.into()))?;
    Ok((first, parsed))
}

fn create(path: &Path) -> Result<File, RecordError> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.map_err(|error| RecordError::of_file(path, error))
}

fn wall_clock() -> UnixMillis {
    UnixMillis(0).plus(std::time::UNIX_EPOCH.elapsed().unwrap_or_default())
}

/// An entry in words, once for each message.
fn told(line: &str) -> Option<String> {
    let entry: Entry = serde_json::from_str(line).ok()?;
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
    #[case::tls("wss://127.0.0.1:18789")]
    fn a_url_names_its_gateway(#[case] url: &str) {
        assert_eq!(upstream(url).unwrap().0, ([127, 0, 0, 1], 18_789).into());
    }

    #[rstest]
    #[case::no_port("ws://127.0.0.1")]
    #[case::no_scheme("127.0.0.1:18789")]
    fn anything_else_is_explained(#[case] url: &str) {
        let error = upstream(url).unwrap_err();
        assert!(error.to_string().contains(url), "{error}");
        assert_eq!(error.exit(), Exit::Usage);
    }
}
