//! The first process of a distro: it buries orphans, and connects the relay to the distro's network.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, waitpid};

use super::{Failed, Said};

/// Where the relay knocks, as the distro sees it.
const SOCKET: &str = "/run/clawproof/relay.sock";

/// Runs until it is killed.
pub(super) fn run() -> Said {
    let child_ended = SigSet::from(Signal::SIGCHLD);
    child_ended.thread_block().map_err(io::Error::from)?;
    if Path::new(SOCKET).exists() {
        std::fs::remove_file(SOCKET)?;
    }
    let listener = UnixListener::bind(SOCKET)?;
    std::thread::Builder::new()
        .name("relay".to_owned())
        .spawn(move || serve(&listener))?;
    io::stdout().write_all(b"up\n")?;
    io::stdout().flush()?;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) | Ok(nix::sys::wait::WaitStatus::StillAlive) => {
                child_ended
                    .wait()
                    .map_err(|error| Failed(1, error.to_string()))?;
            }
            Ok(_) | Err(_) => {}
        }
    }
}

fn serve(listener: &UnixListener) {
    for knock in listener.incoming().flatten() {
        let carrier = std::thread::Builder::new().name("relay".to_owned());
        drop(carrier.spawn(move || carry(&knock)));
    }
}

/// The first line names the port; then bytes go both ways.
fn carry(windows: &UnixStream) -> io::Result<()> {
    let mut line = String::new();
    // The relay writes nothing after the line until it is answered, so nothing is lost in the buffer.
    BufReader::new(windows).read_line(&mut line)?;
    let port: u16 = line.trim().parse().map_err(io::Error::other)?;
    let guest = TcpStream::connect(("127.0.0.1", port))?;
    let mut answer = windows;
    answer.write_all(b"+\n")?;
    super::relay::both_ways(windows, &guest)
}
