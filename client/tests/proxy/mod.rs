//! A reverse proxy of a few lines. It listens on the second loopback address, which is no loopback name to the client;
//! terminates TLS, rewrites the path, overwrites every forwarding header, and answers 502 while the gateway is away.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::net::SocketAddr;
use std::sync::Arc;

use gateway_client::tls::TlsTrust;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Where the proxy says that its clients come from.
const CLIENT: &str = "203.0.113.7";
/// What the proxy publishes the gateway under.
const PREFIX: &str = "/claw";

/// The proxy, as long as it is kept.
pub(crate) struct Proxy {
    address: SocketAddr,
    certificate: Option<CertificateDer<'static>>,
    _task: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn before(gateway: SocketAddr, with_tls: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (acceptor, certificate) = if with_tls {
            let (acceptor, certificate) = tls();
            (Some(acceptor), Some(certificate))
        } else {
            (None, None)
        };
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut carriers = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                carriers.spawn(async move {
                    match acceptor {
                        Some(acceptor) => carry(acceptor.accept(stream).await?, gateway).await,
                        None => carry(stream, gateway).await,
                    }
                });
            }
        });
        Self {
            address,
            certificate,
            _task: task,
        }
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.certificate.is_some() {
            "wss"
        } else {
            "ws"
        };
        format!("{scheme}://{}{PREFIX}", self.address)
    }

    pub(crate) fn trust(&self) -> TlsTrust {
        self.certificate
            .clone()
            .map_or(TlsTrust::System, |it| TlsTrust::Ca(vec![it]))
    }
}

fn tls() -> (TlsAcceptor, CertificateDer<'static>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.2".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), cert.der().clone())
}

/// One request and what follows it.
async fn carry(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    gateway: SocketAddr,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let Some((request, fields)) = head
        .strip_prefix("GET /claw")
        .and_then(|rest| rest.split_once("\r\n"))
    else {
        return client
            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            .await;
    };
    let Ok(mut upstream) = TcpStream::connect(gateway).await else {
        return client
            .write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            .await;
    };
    let forwarded = |line: &&str| !line.to_ascii_lowercase().starts_with("x-forwarded-");
    let kept: Vec<&str> = fields.trim_end().split("\r\n").filter(forwarded).collect();
    let path = if request.starts_with('/') { "" } else { "/" };
    let sent = format!(
        "GET {path}{request}\r\n{}\r\nX-Forwarded-For: {CLIENT}\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: claw.example\r\n\r\n",
        kept.join("\r\n")
    );
    upstream.write_all(sent.as_bytes()).await?;
    copy_bidirectional(&mut client, &mut upstream)
        .await
        .map(drop)
}
