//! The servers of the benches, each on a thread of its own.

pub(crate) mod race;
pub(crate) mod table;

use std::net::SocketAddr;
use std::thread::JoinHandle;

use futures_util::{SinkExt as _, StreamExt as _};
use mock_gateway::{Config, Control, MockGateway};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use transcript::{Header, Recorder};

use crate::support::TOKEN;

/// Entries kept by a recording gateway: a bench must not run out of memory.
const KEPT_ENTRIES: usize = 100_000;

/// A server that ends with this value.
pub(crate) struct Ground {
    pub(crate) addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Bytes of a frame of the request bench.
pub(crate) const FRAME_BYTES: usize = 600;

/// Answers `bench.echo` with a response of [`FRAME_BYTES`].
fn echo_behavior() -> gateway_core::Behavior {
    let empty = json!({"type": "res", "id": "r", "ok": true, "payload": {"text": ""}})
        .to_string()
        .len();
    let payload = json!({"text": "x".repeat(FRAME_BYTES - empty)});
    let behavior =
        json!({"name": "echo", "when": {"method": "bench.echo"}, "reply": {"respond": payload}});
    serde_json::from_value(behavior).unwrap()
}

/// Keeps this thread, and those it starts, on one processor. Waking another virtual processor costs more than a signed
/// handshake, and the scheduler decides by turns whether a wake-up is one of those: the ratio would be a coin's.
pub(crate) fn one_processor() {
    #[cfg(target_os = "linux")]
    {
        use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
        use nix::unistd::Pid;
        let this = Pid::from_raw(0);
        let allowed = sched_getaffinity(this).unwrap();
        let last = (0..CpuSet::count())
            .rev()
            .find(|at| allowed.is_set(*at).unwrap_or(false));
        let mut one = CpuSet::new();
        one.set(last.unwrap()).unwrap();
        sched_setaffinity(this, &one).unwrap();
    }
}

/// A runtime for the client's thread.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn block_on<F: Future>(runtime: &Runtime, future: F) -> F::Output {
    runtime.block_on(future)
}

impl Ground {
    /// The mock gateway.
    pub(crate) fn gateway(recorded: bool) -> Self {
        Self::on_thread(move |started, stopped| async move {
            let header = Header::new(1, "loopback", "mock profile 2026.6.34");
            let recorder = if recorded {
                Recorder::keeping_last(header, KEPT_ENTRIES)
            } else {
                Recorder::off()
            };
            let gateway = MockGateway::new()
                .config(Config::with_token(TOKEN))
                .recorder(recorder)
                .serve_tcp(([127, 0, 0, 1], 0).into())
                .await
                .unwrap();
            gateway
                .control(Control::Mount {
                    behavior: Box::new(echo_behavior()),
                })
                .await
                .unwrap();
            started.send(gateway.addr()).unwrap();
            stopped.await.ok();
            gateway.stop().await;
        })
    }

    /// tokio-tungstenite that echoes, with the buffers that the anchors measured as its best.
    pub(crate) fn bare() -> Self {
        Self::on_thread(|started, stopped| async move {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            started.send(listener.local_addr().unwrap()).unwrap();
            let accept = async {
                let mut tasks = tokio::task::JoinSet::new();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    stream.set_nodelay(true).unwrap();
                    tasks.spawn(echo(stream));
                    while tasks.try_join_next().is_some() {}
                }
            };
            tokio::select! {
                biased;
                _ = stopped => {}
                () = accept => {}
            }
        })
    }

    fn on_thread<F>(
        serve: impl FnOnce(std::sync::mpsc::Sender<SocketAddr>, oneshot::Receiver<()>) -> F
        + Send
        + 'static,
    ) -> Self
    where
        F: Future<Output = ()>,
    {
        let (started, addr) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || runtime().block_on(serve(started, stopped)));
        Self {
            addr: addr.recv().unwrap(),
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

async fn echo(stream: tokio::net::TcpStream) {
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(4096);
    let Ok(mut socket) = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await
    else {
        return;
    };
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Text(_) | Message::Binary(_) => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {}
        }
    }
}
