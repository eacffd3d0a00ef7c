//! `clawproof replay`: a recording played again, with the other half live.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use gateway_protocol::UnixMillis;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::args::{MessageFormat, ReplayArgs, ReplayAs};
use super::exit::Exit;
use super::print::{fail, out, say};
use super::serve::{log, runtime};
use crate::import::{self, ImportError};
use crate::replay::{
    Credentials, Drive, Outcome, Pace, Player, Script, Side, as_client, as_server,
};

/// Connections that may wait for their turn.
const BACKLOG: usize = 64;
/// Bindings and differences that are told when nobody asked for all of them.
const TOLD: usize = 20;

#[derive(Debug, Error)]
enum ReplayError {
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error("there is nothing to play in it: no connection was recorded")]
    Nothing,
    #[error("--as client needs --to ws://HOST:PORT")]
    NoGateway,
    #[error("--to {0}: expected ws://HOST:PORT")]
    Url(String),
    #[error("--bind {0}: expected RECORDED=LIVE")]
    Bind(String),
    #[error("--pace {0}: expected dropped, kept, or a factor such as 0.5")]
    Pace(String),
    #[error("listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
}

impl ReplayError {
    const fn hint(&self) -> &'static str {
        match self {
            Self::Import(_) | Self::Nothing => {
                "a transcript of `clawproof record` or of a run, or what `clawproof import` reads"
            }
            Self::NoGateway | Self::Url(_) => "for example --to ws://127.0.0.1:18789",
            Self::Bind(_) => "for example --bind '<device-token:1>=the token that is valid now'",
            Self::Pace(_) => "--pace kept waits as long as was waited when it was recorded",
            Self::Listen(..) => "choose another --listen; port 0 takes a free one",
        }
    }

    const fn exit(&self) -> Exit {
        match self {
            Self::Import(_) | Self::Nothing => Exit::InvalidFile,
            Self::Listen(..) => Exit::WorldUnavailable,
            Self::NoGateway | Self::Url(_) | Self::Bind(_) | Self::Pace(_) => Exit::Usage,
        }
    }
}

pub(super) fn replay(args: &ReplayArgs) -> Exit {
    log();
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    match runtime.block_on(play(args)) {
        Ok(outcome) => {
            tell(args, &outcome);
            if outcome.holds(args.strict) {
                Exit::Passed
            } else {
                Exit::Failed
            }
        }
        Err(error) => {
            fail(&error, Some(error.hint()));
            error.exit()
        }
    }
}

async fn play(args: &ReplayArgs) -> Result<Outcome, ReplayError> {
    let drive = drive(args)?;
    let read = import::read(&args.transcript)?;
    for problem in &read.problems {
        say(format_args!("warning: {problem}"));
    }
    let script = Script::of(&import::transcript(&[read]));
    if script.connections() == 0 {
        return Err(ReplayError::Nothing);
    }
    let bound = credentials(args)?.bind(&script);
    match args.side {
        ReplayAs::Client => {
            let url = args.to.as_deref().ok_or(ReplayError::NoGateway)?;
            let addr = url
                .strip_prefix("ws://")
                .and_then(|rest| rest.split(['/', '?']).next())
                .and_then(|host| host.to_socket_addrs().ok()?.next())
                .ok_or_else(|| ReplayError::Url(url.to_owned()))?;
            let player = Player::new(&script, Side::Client, args.seed, bound);
            let dial = |known: &Value| connect(addr, from(known));
            Ok(as_client(player, url, args.origin.as_deref(), dial, drive).await)
        }
        ReplayAs::Server => {
            let listen = |error| ReplayError::Listen(args.listen, error);
            let listener = TcpListener::bind(args.listen).await.map_err(listen)?;
            let addr = listener.local_addr().map_err(listen)?;
            out(json!({ "url": format!("ws://{addr}"), "connections": script.connections() }));
            let (came, incoming) = mpsc::channel(BACKLOG);
            let mut accepting = JoinSet::new();
            accepting.spawn(async move {
                while let Ok((stream, _peer)) = listener.accept().await {
                    if came.send(stream).await.is_err() {
                        return;
                    }
                }
            });
            let player = Player::new(&script, Side::Server, args.seed, bound);
            Ok(as_server(player, incoming, drive).await)
        }
    }
}

/// The address that the recorded client came from, when it is one of this machine.
fn from(known: &Value) -> Option<IpAddr> {
    let ip: IpAddr = known.get("from")?.as_str()?.parse().ok()?;
    ip.is_loopback().then_some(ip)
}

async fn connect(addr: SocketAddr, from: Option<IpAddr>) -> io::Result<TcpStream> {
    let Some(from) = from.filter(|from| from.is_ipv4() == addr.is_ipv4()) else {
        return TcpStream::connect(addr).await;
    };
    let socket = if addr.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.bind(SocketAddr::new(from, 0))?;
    socket.connect(addr).await
}

fn drive(args: &ReplayArgs) -> Result<Drive, ReplayError> {
    let wrong = || ReplayError::Pace(args.pace.clone());
    let pace = match args.pace.as_str() {
        "dropped" => Pace::Dropped,
        "kept" => Pace::Scaled(1.0),
        factor => {
            let factor: f64 = factor.parse().map_err(|_| wrong())?;
            // A negative or endless time can't be waited for.
            if !(0.0..=1e6).contains(&factor) {
                return Err(wrong());
            }
            Pace::Scaled(factor)
        }
    };
    Ok(Drive {
        pace,
        patience: Duration::from_secs(args.patience),
        epoch: UnixMillis(0).plus(std::time::UNIX_EPOCH.elapsed().unwrap_or_default()),
    })
}

fn credentials(args: &ReplayArgs) -> Result<Credentials, ReplayError> {
    let pair = |pair: &String| {
        let (recorded, live) = pair
            .split_once('=')
            .filter(|(recorded, _)| !recorded.is_empty())
            .ok_or_else(|| ReplayError::Bind(pair.clone()))?;
        Ok((recorded.to_owned(), live.to_owned()))
    };
    Ok(Credentials {
        token: args.token.clone(),
        password: args.password.clone(),
        setup_code: args.setup_code.clone(),
        others: args
            .bind
            .iter()
            .map(pair)
            .collect::<Result<_, ReplayError>>()?,
    })
}

fn tell(args: &ReplayArgs, outcome: &Outcome) {
    let holds = outcome.holds(args.strict);
    if args.message_format == MessageFormat::Json {
        let mut value = json!({
            "event": "replayed", "holds": holds, "said": outcome.said, "heard": outcome.heard,
            "findings": outcome.findings,
        });
        if let (true, Some(object)) = (args.strict, value.as_object_mut()) {
            object.insert("bindings".to_owned(), json!(outcome.bindings));
        }
        out(value);
        return;
    }
    if args.strict {
        for binding in &outcome.bindings {
            say(format_args!("bound: {binding}"));
        }
    }
    let (failing, others): (Vec<_>, Vec<_>) = outcome
        .findings
        .iter()
        .partition(|finding| finding.fails(args.strict));
    for finding in &failing {
        say(format_args!("error: {finding}"));
    }
    for finding in others.iter().take(TOLD) {
        say(format_args!("note: {finding}"));
    }
    if others.len() > TOLD {
        say(format_args!(
            "note: {} more differences; --strict fails on them and --message-format json lists them",
            others.len() - TOLD
        ));
    }
    out(format_args!(
        "{}: {} said, {} came as recorded, {} values bound, {} findings, {} differences",
        if holds { "replayed" } else { "not as recorded" },
        outcome.said,
        outcome.heard,
        outcome.bindings.len(),
        failing.len(),
        others.len(),
    ));
}
