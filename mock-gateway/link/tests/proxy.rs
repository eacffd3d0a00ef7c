//! The man in the middle, with plain sockets on both ends: what passes, what is recorded, what a fault changes.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use link::{FaultName, FaultSpec, FaultTable, Proxy, ProxyOptions};
use rstest::rstest;
use tokio::runtime::Runtime;
use transcript::{Direction, Header, Kind, Recorder, Stage};

const REQUEST: &str = "GET /a/b?c=d HTTP/1.1\r\nhost: gateway.example:18789\r\nOrigin: null\r\n\
     X-Clawproof-Actor: companion\r\nUPGRADE: websocket\r\nConnection:Upgrade\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const RESPONSE: &str =
    "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nX-Odd:  two  blanks\r\n\r\n";

/// A client, a gateway, and the proxy between them; no codec anywhere but in the proxy.
struct Net {
    // Dropped before its runtime.
    proxy: Option<Proxy>,
    runtime: Runtime,
    listener: TcpListener,
    recorder: Recorder,
    faults: FaultTable,
}

impl Net {
    /// With messages that faults may change.
    fn new() -> Self {
        Self::with(false)
    }

    /// Nothing but a recorder between the two.
    fn recording() -> Self {
        Self::with(true)
    }

    fn with(only_records: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let recorder = Recorder::in_memory(Header::new(1, "real", "none"));
        let faults = FaultTable::new();
        let mut options = ProxyOptions::new(
            listener.local_addr().unwrap(),
            recorder.clone(),
            faults.clone(),
        );
        options.forwarding_from = Some([127, 0, 0, 2].into());
        options.only_records = only_records;
        let proxy = {
            let _inside = runtime.enter();
            Proxy::start(options).unwrap()
        };
        Self {
            proxy: Some(proxy),
            runtime,
            listener,
            recorder,
            faults,
        }
    }

    fn addr(&self) -> SocketAddr {
        self.proxy.as_ref().unwrap().addr()
    }

    fn client(&self) -> TcpStream {
        let client = TcpStream::connect(self.addr()).unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        client
    }

    fn gateway(&self) -> TcpStream {
        let gateway = self.listener.accept().unwrap().0;
        gateway
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        gateway
    }

    /// Both ends behind the handshake.
    fn upgraded(&self) -> (TcpStream, TcpStream) {
        let mut client = self.client();
        client.write_all(REQUEST.as_bytes()).unwrap();
        let mut gateway = self.gateway();
        assert_eq!(exactly(&mut gateway, REQUEST.len()), REQUEST.as_bytes());
        gateway.write_all(RESPONSE.as_bytes()).unwrap();
        assert_eq!(exactly(&mut client, RESPONSE.len()), RESPONSE.as_bytes());
        (client, gateway)
    }

    /// Stages of the recorded messages of one kind, in order.
    fn recorded(&self, kind: Kind) -> Vec<(Direction, Stage)> {
        let entries = self.recorder.entries_since(0);
        let of_kind = entries.iter().filter(|entry| entry.kind == kind);
        of_kind
            .map(|entry| (entry.dir.unwrap(), entry.stage.unwrap()))
            .collect()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        if let Some(proxy) = self.proxy.take() {
            self.runtime.block_on(proxy.stop());
        }
    }
}

fn exactly(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

fn to_end(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map(|_| bytes)
}

/// A masked text frame, in two fragments with a ping between them.
const FROM_CLIENT: &[u8] = &[
    0x01,
    0x83,
    9,
    8,
    7,
    6,
    b'a' ^ 9,
    b'b' ^ 8,
    b'c' ^ 7,
    0x89,
    0x80,
    1,
    2,
    3,
    4,
    0x80,
    0x81,
    5,
    5,
    5,
    5,
    b'd' ^ 5,
];
const FROM_GATEWAY: &[u8] = &[0x81, 2, b'h', b'i', 0x8a, 1, b'p'];

/// The handshake and every byte behind it pass unchanged, both ways, and are recorded as messages.
#[rstest]
fn bytes_pass_unchanged_and_are_recorded(#[values(true, false)] only_records: bool) {
    let net = Net::with(only_records);
    let (mut client, mut gateway) = net.upgraded();
    client.write_all(FROM_CLIENT).unwrap();
    let mut came = exactly(&mut gateway, FROM_CLIENT.len());
    let mut sent = FROM_CLIENT.to_vec();
    if !only_records {
        // Messages travel whole: the ping has overtaken the one in whose middle it stood. Its own bytes are the same.
        came.sort_unstable();
        sent.sort_unstable();
    }
    assert_eq!(came, sent);
    gateway.write_all(FROM_GATEWAY).unwrap();
    assert_eq!(exactly(&mut client, FROM_GATEWAY.len()), FROM_GATEWAY);
    let passed = |dir| [(dir, Stage::Sent), (dir, Stage::Delivered)];
    assert_eq!(
        net.recorded(Kind::Text),
        [
            passed(Direction::ClientToGateway),
            passed(Direction::GatewayToClient)
        ]
        .concat()
    );
    let entries = net.recorder.entries_since(0);
    let open = entries
        .iter()
        .find(|entry| entry.kind == Kind::Open)
        .unwrap();
    assert_eq!(open.actor.as_deref(), Some("companion"));
    assert_eq!(net.proxy.as_ref().unwrap().open(), [1]);
}

/// Whatever is said, in whichever pieces it is written, the very bytes arrive in their order; each side hears the other.
#[test]
fn any_bytes_arrive_as_they_were_written() {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    let net = Net::recording();
    let frame = prop_oneof![
        Just(FROM_CLIENT.to_vec()),
        Just(FROM_GATEWAY.to_vec()),
        Just(vec![0x88, 2, 3, 0xe8]),
        (0_u16..2000).prop_map(|length| {
            let mut frame = vec![0x82, 126];
            frame.extend(length.to_be_bytes());
            frame.resize(frame.len() + usize::from(length), 7);
            frame
        }),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    let stream = prop::collection::vec(frame, 1..8).prop_map(|frames| frames.concat());
    let mut runner = TestRunner::new(Config::with_cases(64));
    let pieces = 1_usize..700;
    runner
        .run(&(stream.clone(), stream, pieces), |(up, down, piece)| {
            let (mut client, mut gateway) = net.upgraded();
            for part in up.chunks(piece) {
                client.write_all(part).unwrap();
            }
            prop_assert_eq!(&exactly(&mut gateway, up.len()), &up);
            for part in down.chunks(piece) {
                gateway.write_all(part).unwrap();
            }
            prop_assert_eq!(&exactly(&mut client, down.len()), &down);
            Ok(())
        })
        .unwrap();
}

/// A fragment is on its way before the rest of its message is written.
#[test]
fn a_recorded_fragment_waits_for_nothing() {
    let net = Net::recording();
    let (mut client, mut gateway) = net.upgraded();
    client.write_all(&FROM_CLIENT[..9]).unwrap();
    assert_eq!(exactly(&mut gateway, 9), FROM_CLIENT[..9]);
    client.write_all(&FROM_CLIENT[9..]).unwrap();
    assert_eq!(exactly(&mut gateway, 13), FROM_CLIENT[9..]);
}

/// One side says its last word and still hears the other.
#[rstest]
fn a_stream_that_is_half_closed_goes_on(
    #[values(true, false)] by_client: bool,
    #[values(true, false)] only_records: bool,
) {
    let net = Net::with(only_records);
    let (mut client, mut gateway) = net.upgraded();
    let (ending, other) = if by_client {
        (&mut client, &mut gateway)
    } else {
        (&mut gateway, &mut client)
    };
    ending.write_all(&[0x81, 1, b'x']).unwrap();
    ending.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(to_end(other).unwrap(), [0x81, 1, b'x']);
    other.write_all(FROM_GATEWAY).unwrap();
    assert_eq!(exactly(ending, FROM_GATEWAY.len()), FROM_GATEWAY);
}

/// Close codes, binary and the end of what can be read stand in the record.
#[test]
fn what_is_no_text_is_recorded_too() {
    let net = Net::recording();
    let (mut client, mut gateway) = net.upgraded();
    // A binary message, a compressed one, a close that is no longer read; then a close from the other side.
    let sent = [0x82, 2, 1, 2, 0xc1, 1, b'x', 0x88, 2, 3, 0xe8];
    client.write_all(&sent).unwrap();
    assert_eq!(exactly(&mut gateway, sent.len()), sent);
    gateway
        .write_all(&[0x88, 6, 0x0f, 0xa0, b'b', b'u', b's', b'y'])
        .unwrap();
    exactly(&mut client, 8);
    let entries = net.recorder.entries_since(0);
    let of = |kind: Kind| entries.iter().filter(move |entry| entry.kind == kind);
    assert_eq!(
        of(Kind::Binary).next().unwrap().raw.as_deref(),
        Some("AQI=")
    );
    let close = of(Kind::Close).next().unwrap();
    let said = close.close.as_ref().unwrap();
    assert_eq!((said.code, said.reason.as_str()), (Some(4000), "busy"));
    let note = of(Kind::Note).next().unwrap();
    assert_eq!(note.dir, Some(Direction::ClientToGateway));
    assert!(note.text.as_deref().unwrap().contains("not looked into"));
}

/// What is no sound WebSocket passes too: the gateway must see what the client did.
#[test]
fn nonsense_passes_unchanged() {
    let net = Net::new();
    let (mut client, mut gateway) = net.upgraded();
    let nonsense = [0xff, 0xff, 1, 2, 3, 0x81, 0];
    client.write_all(&nonsense).unwrap();
    assert_eq!(exactly(&mut gateway, nonsense.len()), nonsense);
}

/// A request that does not upgrade is answered by the gateway, its end is seen, and that it was made is noted without what
/// its query may hold.
#[test]
fn http_passes() {
    let net = Net::new();
    let mut client = net.client();
    let request = b"GET /health?token=x HTTP/1.1\r\n\r\n";
    client.write_all(request).unwrap();
    let mut gateway = net.gateway();
    assert_eq!(exactly(&mut gateway, request.len()), request);
    gateway.write_all(b"HTTP/1.1 200 OK\r\n\r\nlive").unwrap();
    drop(gateway);
    assert_eq!(to_end(&mut client).unwrap(), b"HTTP/1.1 200 OK\r\n\r\nlive");
    let entries = net.recorder.entries_since(0);
    let notes: Vec<_> = entries.iter().map(|entry| entry.text.as_deref()).collect();
    assert_eq!(notes, [Some("HTTP GET /health 200")]);
}

/// A body that is still on its way does not wait for the answer, nor does the answer wait for a head that never comes.
#[rstest]
#[case::an_answer(b"HTTP/1.1 413 Too Large\r\n\r\n")]
#[case::no_answer_at_all(b"SSH-2.0-nonsense")]
fn an_upload_passes(#[case] answer: &[u8]) {
    let net = Net::new();
    let mut client = net.client();
    client
        .write_all(b"POST /x HTTP/1.1\r\ncontent-length: 200000\r\n\r\n")
        .unwrap();
    let body = vec![b'b'; 200_000];
    client.write_all(&body).unwrap();
    let mut gateway = net.gateway();
    exactly(&mut gateway, 44);
    assert_eq!(exactly(&mut gateway, body.len()), body);
    gateway.write_all(answer).unwrap();
    drop(gateway);
    assert_eq!(to_end(&mut client).unwrap(), answer);
}

/// A refused upgrade passes with its words.
#[test]
fn a_refused_upgrade_passes() {
    let net = Net::recording();
    let mut client = net.client();
    client.write_all(REQUEST.as_bytes()).unwrap();
    let mut gateway = net.gateway();
    exactly(&mut gateway, REQUEST.len());
    let refusal = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno";
    gateway.write_all(refusal).unwrap();
    drop(gateway);
    assert_eq!(exactly(&mut client, refusal.len()), refusal);
    let entries = net.recorder.entries_since(0);
    assert_eq!(entries[0].text.as_deref(), Some("HTTP GET /a/b 401"));
}

/// A connection that says it was forwarded comes from the address that the gateway trusts; others do not.
#[rstest]
#[case::plain("", [127, 0, 0, 1])]
#[case::forwarded("X-Forwarded-For: 203.0.113.7\r\n", [127, 0, 0, 2])]
#[cfg(target_os = "linux")]
fn a_forwarded_connection_has_an_address_of_its_own(#[case] header: &str, #[case] from: [u8; 4]) {
    let net = Net::new();
    let mut client = net.client();
    client
        .write_all(format!("GET / HTTP/1.1\r\n{header}\r\n").as_bytes())
        .unwrap();
    let (gateway, peer) = net.listener.accept().unwrap();
    assert_eq!(peer.ip(), std::net::IpAddr::from(from));
    drop(gateway);
}

/// An end in order and an abrupt end both stay what they are, whoever makes them.
#[rstest]
fn ends_stay_what_they_are(
    #[values(true, false)] by_client: bool,
    #[values(true, false)] abrupt: bool,
) {
    let net = Net::new();
    let (client, gateway) = net.upgraded();
    let (ending, mut other) = if by_client {
        (client, gateway)
    } else {
        (gateway, client)
    };
    if abrupt {
        let ending = {
            let _inside = net.runtime.enter();
            ending.set_nonblocking(true).unwrap();
            tokio::net::TcpStream::from_std(ending).unwrap()
        };
        ending.set_zero_linger().unwrap();
        drop(ending);
        assert!(to_end(&mut other).is_err());
    } else {
        drop(ending);
        assert_eq!(to_end(&mut other).unwrap(), b"");
    }
}

/// Without a gateway the client sees a broken connection, not a silent one.
#[test]
fn nobody_at_home_is_an_abrupt_end() {
    let mut net = Net::new();
    net.listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = net.client();
    client.write_all(REQUEST.as_bytes()).unwrap();
    assert!(to_end(&mut client).is_err());
}

/// Faults of the link work on a gateway that knows nothing of them.
#[test]
fn faults_work_on_any_gateway() {
    let net = Net::new();
    let (mut client, mut gateway) = net.upgraded();
    net.faults
        .install(FaultSpec::new(FaultName::DropMessage).dir(Direction::GatewayToClient));
    gateway
        .write_all(&[0x81, 4, b'l', b'o', b's', b't', 0x81, 1, b'k'])
        .unwrap();
    assert_eq!(exactly(&mut client, 3), [0x81, 1, b'k']);
    let stages: Vec<Stage> = net
        .recorded(Kind::Text)
        .into_iter()
        .map(|(_, stage)| stage)
        .collect();
    assert_eq!(
        stages,
        [Stage::Sent, Stage::Dropped, Stage::Sent, Stage::Delivered]
    );

    net.faults.install(FaultSpec::new(FaultName::Reset));
    assert!(to_end(&mut client).is_err());
    assert_eq!(
        to_end(&mut gateway).unwrap(),
        b"",
        "the gateway sees the client go"
    );
}

/// What was delivered before a cut arrives before it, on whichever side it was on its way to.
#[rstest]
fn a_message_that_a_reset_follows_arrives(#[values(true, false)] to_client: bool) {
    let net = Net::new();
    let (mut client, mut gateway) = net.upgraded();
    let dir = if to_client {
        Direction::GatewayToClient
    } else {
        Direction::ClientToGateway
    };
    net.faults
        .install(FaultSpec::new(FaultName::Reset).dir(dir).after(1));
    let message = [0x81, 0x81, 1, 1, 1, 1, b'x' ^ 1];
    let (sender, receiver) = if to_client {
        (&mut gateway, &mut client)
    } else {
        (&mut client, &mut gateway)
    };
    sender.write_all(&message).unwrap();
    assert_eq!(exactly(receiver, message.len()), message);
}

/// A duplicated message arrives twice: once as it was, once made anew, both readable.
#[test]
fn a_duplicate_is_made_anew() {
    let net = Net::new();
    let (mut client, mut gateway) = net.upgraded();
    net.faults
        .install(FaultSpec::new(FaultName::Duplicate).dir(Direction::ClientToGateway));
    client
        .write_all(&[0x81, 0x81, 1, 1, 1, 1, b'x' ^ 1])
        .unwrap();
    let twice = exactly(&mut gateway, 14);
    for copy in twice.chunks(7) {
        assert_eq!((copy[0], copy[1], copy[6] ^ copy[2]), (0x81, 0x81, b'x'));
    }
    assert_ne!(twice[..7], twice[7..]);
}
