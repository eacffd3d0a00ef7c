//! How a byte stream to a gateway comes about, without the WebSocket on it.
//!
//! [`TcpConnector`] dials over TCP. Worlds without sockets bring their own [`Connector`] (an in-memory
//! pipe), and everything above it stays the same.

use std::future::Future;
use std::io;

use client_core::url::GatewayUrl;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Opens byte streams.
pub trait Connector: Send + Sync + 'static {
    /// What carries the WebSocket.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Opens a stream to the host of a ws or wss URL. The upgrade is not the connector's business.
    ///
    /// Deadlines come from the client's core: a connector may take as long as it wants and is dropped
    /// when the core gives up.
    ///
    /// # Errors
    /// Whatever the network says; its text is what the core classifies (client-behaviour.md §11.3).
    fn connect(&self, url: &str) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// Why no stream was even tried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The URL is none. It is left out: it may hold a password.
    #[error("expected a ws URL, got text that is no gateway URL")]
    NotAUrl,
    /// A wss URL, and this connector carries plain text only.
    #[error("expected a ws URL, got a wss one: this connector does not speak TLS")]
    TlsUnsupported(String),
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> Self {
        let kind = match &error {
            ConnectError::NotAUrl => io::ErrorKind::InvalidInput,
            ConnectError::TlsUnsupported(_) => io::ErrorKind::Unsupported,
        };
        Self::new(kind, error)
    }
}

/// Dials plain TCP.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use gateway_client::{ConnectError, Connector as _, TcpConnector};
///
/// let error = TcpConnector.connect("wss://gateway.example").await.unwrap_err();
/// let cause = error.get_ref().and_then(|error| error.downcast_ref::<ConnectError>());
/// assert!(matches!(cause, Some(ConnectError::TlsUnsupported(_))));
/// # });
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpConnector;

impl Connector for TcpConnector {
    type Stream = TcpStream;

    async fn connect(&self, url: &str) -> io::Result<TcpStream> {
        let url = GatewayUrl::parse(url).ok_or(ConnectError::NotAUrl)?;
        if url.tls {
            return Err(ConnectError::TlsUnsupported(url.display()).into());
        }
        let stream = TcpStream::connect((url.host.as_str(), url.port)).await?;
        // Frames are small and answered one by one: Nagle would hold each for the peer's delayed ACK.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
