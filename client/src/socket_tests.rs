use std::io;
use std::sync::Mutex;

use rstest::rstest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use super::*;

/// Hands out one end of a pipe.
struct Pipe(Mutex<Option<DuplexStream>>);

impl Connector for Pipe {
    type Stream = DuplexStream;

    async fn connect(&self, _url: &str) -> io::Result<DuplexStream> {
        let stream = self.0.lock().unwrap().take();
        std::future::ready(stream.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused)))
            .await
    }
}

struct Client {
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<(SocketId, SocketEvent)>,
    task: JoinSet<()>,
}

impl Client {
    /// A socket and the gateway's end of its stream.
    fn dial(options: SocketOptions) -> (Self, DuplexStream) {
        let (near, far) = duplex(64 * 1024);
        (Self::over(Pipe(Mutex::new(Some(near))), options), far)
    }

    fn over(pipe: Pipe, options: SocketOptions) -> Self {
        let (commands, inbox) = mpsc::channel(16);
        let (to_driver, events) = mpsc::channel(16);
        let plan = Plan {
            id: SocketId(1),
            url: "ws://gateway:1/path?q=1".to_owned(),
            origin: "http://gateway:1".to_owned(),
            basic: Some("ada:pw".to_owned()),
            options,
        };
        let mut task = JoinSet::new();
        task.spawn(run(Arc::new(pipe), plan, inbox, to_driver));
        Self {
            commands,
            events,
            task,
        }
    }

    async fn event(&mut self) -> SocketEvent {
        self.events.recv().await.expect("an event").1
    }

    async fn opened() -> (Self, WebSocketStream<DuplexStream>) {
        Self::opened_with(SocketOptions {
            keepalive: None,
            ..SocketOptions::default()
        })
        .await
    }

    async fn opened_with(options: SocketOptions) -> (Self, WebSocketStream<DuplexStream>) {
        let (mut client, far) = Self::dial(options);
        let gateway = tokio_tungstenite::accept_async(far).await.unwrap();
        assert_eq!(client.event().await, SocketEvent::Opened);
        (client, gateway)
    }
}

fn closed(code: Option<u16>, reason: &str) -> SocketEvent {
    SocketEvent::Closed {
        code,
        reason: reason.to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn the_upgrade_names_origin_and_user() {
    let (mut client, far) = Client::dial(SocketOptions::default());
    let mut seen = None;
    #[expect(clippy::result_large_err, reason = "the codec chose the type")]
    let look = |request: &Request, response: Response| {
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        seen = Some((
            request.uri().to_string(),
            header("host"),
            header("origin"),
            header("authorization"),
        ));
        Ok(response)
    };
    let _gateway = tokio_tungstenite::accept_hdr_async(far, look)
        .await
        .unwrap();
    assert_eq!(client.event().await, SocketEvent::Opened);
    let expected = [
        "/path?q=1",
        "gateway:1",
        "http://gateway:1",
        "Basic YWRhOnB3",
    ]
    .map(ToOwned::to_owned);
    assert_eq!(
        seen.map(|(path, host, origin, user)| [path, host, origin, user]),
        Some(expected)
    );
}

#[tokio::test(start_paused = true)]
async fn messages_go_both_ways_in_order() {
    let (mut client, mut gateway) = Client::opened().await;
    for text in ["one", "two"] {
        client
            .commands
            .send(Command::Send(Message::text(text)))
            .await
            .unwrap();
    }
    assert_eq!(gateway.next().await.unwrap().unwrap(), Message::text("one"));
    assert_eq!(gateway.next().await.unwrap().unwrap(), Message::text("two"));
    gateway.send(Message::text("three")).await.unwrap();
    gateway.send(Message::binary(vec![4])).await.unwrap();
    assert_eq!(client.event().await, SocketEvent::Text("three".to_owned()));
    assert_eq!(client.event().await, SocketEvent::Binary(vec![4]));
}

#[tokio::test(start_paused = true)]
async fn a_close_frame_is_reported_and_echoed() {
    let (mut client, mut gateway) = Client::opened().await;
    gateway
        .close(Some(close_frame(1012, "service restart".to_owned())))
        .await
        .unwrap();
    assert_eq!(client.event().await, closed(Some(1012), "service restart"));
    let echo = gateway.next().await.unwrap().unwrap();
    assert_eq!(
        echo,
        Message::Close(Some(close_frame(1012, "service restart".to_owned())))
    );
    assert!(gateway.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_end_without_close_frame_has_no_code() {
    let (mut client, gateway) = Client::opened().await;
    drop(gateway);
    assert_eq!(
        client.event().await,
        closed(None, "connection closed without a close frame")
    );
}

#[tokio::test(start_paused = true)]
async fn a_close_from_here_carries_code_and_reason_behind_what_was_sent() {
    let (mut client, mut gateway) = Client::opened().await;
    client
        .commands
        .send(Command::Send(Message::text("last")))
        .await
        .unwrap();
    client
        .commands
        .send(Command::Close {
            code: 1000,
            reason: "Disconnecting".to_owned(),
        })
        .await
        .unwrap();
    assert_eq!(
        gateway.next().await.unwrap().unwrap(),
        Message::text("last")
    );
    let frame = gateway.next().await.unwrap().unwrap();
    assert_eq!(
        frame,
        Message::Close(Some(close_frame(1000, "Disconnecting".to_owned())))
    );
    assert!(gateway.next().await.is_none());
    assert_eq!(client.event().await, closed(Some(1000), "Disconnecting"));
}

/// A gateway that never answers a close frame can't keep the socket alive.
#[tokio::test(start_paused = true)]
async fn a_close_waits_for_its_answer_two_seconds() {
    let (mut client, gateway) = Client::opened().await;
    let began = Instant::now();
    client
        .commands
        .send(Command::Close {
            code: 1000,
            reason: String::new(),
        })
        .await
        .unwrap();
    assert_eq!(client.event().await, closed(Some(1000), ""));
    assert_eq!(began.elapsed(), CLOSE_WAIT);
    client.task.join_next().await.unwrap().unwrap();
    drop(gateway);
}

#[tokio::test(start_paused = true)]
async fn a_retired_socket_ends_without_a_close_frame() {
    let (client, mut gateway) = Client::opened().await;
    drop(client);
    let end = gateway.next().await.unwrap();
    assert!(
        matches!(
            end,
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))
        ),
        "{end:?}"
    );
}

#[rstest]
#[case::just_inside(8, None)]
#[case::just_outside(9, Some("message too large"))]
#[tokio::test(start_paused = true)]
async fn a_message_over_the_limit_closes_with_1009(
    #[case] length: usize,
    #[case] reason: Option<&str>,
) {
    let (mut client, mut gateway) = Client::opened_with(SocketOptions {
        max_message_utf16: 8,
        keepalive: None,
    })
    .await;
    gateway
        .send(Message::text("é".repeat(length)))
        .await
        .unwrap();
    match reason {
        None => assert_eq!(client.event().await, SocketEvent::Text("é".repeat(length))),
        Some(reason) => {
            assert_eq!(client.event().await, closed(Some(1009), reason));
            let frame = gateway.next().await.unwrap().unwrap();
            assert_eq!(
                frame,
                Message::Close(Some(close_frame(1009, reason.to_owned())))
            );
        }
    }
}

/// A frame whose header alone announces too much is refused before its payload is read.
#[tokio::test(start_paused = true)]
async fn a_huge_frame_is_refused_unread() {
    let (mut client, mut gateway) = Client::opened_with(SocketOptions {
        max_message_utf16: 8,
        keepalive: None,
    })
    .await;
    gateway.send(Message::text("x".repeat(1000))).await.unwrap();
    assert_eq!(
        client.event().await,
        closed(Some(1009), "message too large")
    );
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_websocket_close_with_1002() {
    let (mut client, gateway) = Client::opened().await;
    let mut raw = gateway.into_inner();
    raw.write_all(&[0xf1, 0x00]).await.unwrap();
    assert_eq!(client.event().await, closed(Some(1002), "protocol error"));
}

#[tokio::test(start_paused = true)]
async fn a_ping_goes_out_every_thirty_seconds() {
    let (_client, mut gateway) = Client::opened_with(SocketOptions::default()).await;
    let began = Instant::now();
    for n in 1..=3 {
        assert!(gateway.next().await.unwrap().unwrap().is_ping());
        assert_eq!(began.elapsed(), Duration::from_secs(30) * n);
    }
}

#[rstest]
#[case::status(
    "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
    "upgrade: expected status 101, got 503"
)]
#[case::nothing("", "upgrade: connection closed before an answer")]
#[case::half("HTTP/1.1 101 Swi", "upgrade: connection closed before an answer")]
#[case::nonsense("SSH-2.0-x\r\n\r\n", "upgrade: the answer is no WebSocket upgrade")]
#[case::no_accept(
    "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    "upgrade: the answer is no WebSocket upgrade"
)]
#[tokio::test(start_paused = true)]
async fn a_failed_upgrade_says_why(#[case] answer: &str, #[case] error: &str) {
    let (mut client, mut far) = Client::dial(SocketOptions::default());
    let mut request = [0; 1024];
    assert!(far.read(&mut request).await.unwrap() > 0);
    far.write_all(answer.as_bytes()).await.unwrap();
    drop(far);
    assert_eq!(
        client.event().await,
        SocketEvent::OpenFailed(error.to_owned())
    );
    client.task.join_next().await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_says_so() {
    let mut client = Client::over(Pipe(Mutex::new(None)), SocketOptions::default());
    assert_eq!(
        client.event().await,
        SocketEvent::OpenFailed("connect: connection refused".to_owned())
    );
}

#[rstest]
#[case("abc", 3, false)]
#[case("abcd", 3, true)]
#[case("ééé", 3, false)]
#[case("🦀🦀", 3, true)]
fn the_limit_counts_utf16_units(#[case] text: &str, #[case] limit: usize, #[case] longer: bool) {
    assert_eq!(is_longer_than(text, limit), longer);
}
