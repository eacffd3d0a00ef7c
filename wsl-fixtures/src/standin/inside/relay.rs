//! The Windows side of a distro's ports, as wslrelay.exe has it: a process that listens on both loopback families
//! and carries each connection into the distro.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use super::{Failed, Said};

/// One side of a connection.
pub(super) trait Side: Sync {
    fn reader(&self) -> impl Read + Send;
    fn writer(&self) -> impl Write + Send;
    fn end(&self) -> io::Result<()>;
}

impl Side for TcpStream {
    fn reader(&self) -> impl Read + Send {
        self
    }
    fn writer(&self) -> impl Write + Send {
        self
    }
    fn end(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Side for UnixStream {
    fn reader(&self) -> impl Read + Send {
        self
    }
    fn writer(&self) -> impl Write + Send {
        self
    }
    fn end(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// Carries bytes both ways until both sides have ended.
pub(super) fn both_ways(one: &impl Side, other: &impl Side) -> io::Result<()> {
    std::thread::scope(|scope| {
        let there = scope.spawn(|| pour(one, other));
        let back = pour(other, one);
        there
            .join()
            .map_err(|_| io::Error::other("a relay thread panicked"))?
            .and(back)
    })
}

fn pour(from: &impl Side, to: &impl Side) -> io::Result<()> {
    let copied = io::copy(&mut from.reader(), &mut to.writer());
    // Whatever ended it, the far side has to learn it.
    drop(to.end());
    copied.map(drop)
}

/// Listens on these ports until it is killed. The folder it is started in has the distro's socket.
pub(super) fn run(ports: &[String]) -> Said {
    let mut listeners = Vec::new();
    for port in ports {
        let number: u16 = port
            .parse()
            .map_err(|_| Failed(2, format!("expected a port, got '{port}'")))?;
        for ip in [
            SocketAddr::from((Ipv4Addr::LOCALHOST, number)),
            SocketAddr::from((Ipv6Addr::LOCALHOST, number)),
        ] {
            match TcpListener::bind(ip) {
                Ok(listener) => listeners.push((number, listener)),
                // A machine without IPv6 has one family only.
                Err(error) if ip.is_ipv6() && error.kind() == io::ErrorKind::AddrNotAvailable => {}
                Err(error) => return Ok(format!("{ip}: {error}\n")),
            }
        }
    }
    io::stdout().write_all(b"up\n")?;
    io::stdout().flush()?;
    std::thread::scope(|scope| {
        for (port, listener) in &listeners {
            scope.spawn(move || serve(*port, listener));
        }
    });
    Ok(String::new())
}

fn serve(port: u16, listener: &TcpListener) {
    for windows in listener.incoming().flatten() {
        let carrier = std::thread::Builder::new().name("relay".to_owned());
        drop(carrier.spawn(move || carry(port, &windows)));
    }
}

fn carry(port: u16, windows: &TcpStream) -> io::Result<()> {
    let guest = UnixStream::connect("relay.sock")?;
    (&guest).write_all(format!("{port}\n").as_bytes())?;
    let mut answer = [0; 2];
    // The distro closes without a word when nothing listens there; Windows sees its connection end.
    (&guest).read_exact(&mut answer)?;
    both_ways(windows, &guest)
}

/// Has the port of a gateway that runs outside: listens on the first and carries each connection to the second. It ends
/// as a service does, and its connections with it.
pub(super) fn gateway(ports: &[String]) -> Said {
    let numbers: Vec<u16> = ports.iter().filter_map(|port| port.parse().ok()).collect();
    let [here, there] = numbers.as_slice() else {
        return Err(Failed(
            2,
            format!("expected two ports, got '{}'", ports.join(" ")),
        ));
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, *here))?;
    for client in listener.incoming().flatten() {
        let there = *there;
        let carrier = std::thread::Builder::new().name("relay".to_owned());
        drop(carrier.spawn(move || {
            let gateway = TcpStream::connect((Ipv4Addr::LOCALHOST, there))?;
            // Frames are small and answered one by one.
            gateway.set_nodelay(true)?;
            client.set_nodelay(true)?;
            both_ways(&client, &gateway)
        }));
    }
    Ok(String::new())
}
