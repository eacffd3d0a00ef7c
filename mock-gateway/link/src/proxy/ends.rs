//! The two streams of a connection, each plain or under TLS.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::Site;
use crate::stream::{Carrier as _, FaultStream};

/// What every TLS handshake begins with: a record of the kind handshake.
const HANDSHAKE: u8 = 0x16;

/// How the proxy speaks TLS, on either side. Neither side needs the other.
#[derive(Clone, Debug, Default)]
pub struct ProxyTls {
    /// For clients that begin with a TLS handshake; those that don't are served on the same port without.
    pub to_clients: Option<Arc<ServerConfig>>,
    /// For the gateway, and the name that its certificate must be for.
    pub to_gateway: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// The stream of a client or of the gateway.
#[derive(Debug)]
pub(super) enum End {
    Client(FaultStream<TcpStream>),
    ClientTls(Box<server::TlsStream<FaultStream<TcpStream>>>),
    Gateway(TcpStream),
    GatewayTls(Box<client::TlsStream<TcpStream>>),
}

impl End {
    /// What a client opened, behind its TLS handshake if it makes one.
    pub(super) async fn of_client(
        stream: FaultStream<TcpStream>,
        tls: &ProxyTls,
    ) -> io::Result<Self> {
        let Some(config) = &tls.to_clients else {
            return Ok(Self::Client(stream));
        };
        let mut first = [0];
        let carrier = stream.carrier().ok_or(io::ErrorKind::ConnectionReset)?;
        if carrier.peek(&mut first).await? == 0 || first != [HANDSHAKE] {
            return Ok(Self::Client(stream));
        }
        let acceptor = TlsAcceptor::from(Arc::clone(config));
        Ok(Self::ClientTls(Box::new(acceptor.accept(stream).await?)))
    }

    /// A new connection to the gateway; a forwarded one comes from the address that the gateway trusts.
    pub(super) async fn to_gateway(site: &Site, is_forwarded: bool) -> io::Result<Self> {
        let socket = if site.upstream.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        if let Some(from) = site.forwarding_from
            && is_forwarded
        {
            socket.bind(SocketAddr::from((from, 0)))?;
        }
        let stream = socket.connect(site.upstream).await?;
        stream.set_nodelay(true)?;
        let Some((config, name)) = &site.tls.to_gateway else {
            return Ok(Self::Gateway(stream));
        };
        let connector = TlsConnector::from(Arc::clone(config));
        let stream = connector.connect(name.clone(), stream).await?;
        Ok(Self::GatewayTls(Box::new(stream)))
    }

    /// Makes the drop of this stream an abrupt end.
    pub(super) fn abort(&mut self) {
        match self {
            Self::Gateway(stream) => stream.abort(),
            Self::GatewayTls(stream) => stream.get_mut().0.abort(),
            // A client's stream is reset by its control.
            Self::Client(_) | Self::ClientTls(_) => {}
        }
    }

    /// Whether TLS is spoken.
    pub(super) const fn is_tls(&self) -> bool {
        match self {
            Self::ClientTls(_) | Self::GatewayTls(_) => true,
            Self::Client(_) | Self::Gateway(_) => false,
        }
    }
}

/// A peer that ends its stream without saying so in TLS has ended it all the same.
fn plain_end(read: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
    match read {
        Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Poll::Ready(Ok(()))
        }
        Poll::Ready(_) | Poll::Pending => read,
    }
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Client(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::ClientTls(stream) => plain_end(Pin::new(stream).poll_read(cx, buf)),
            Self::Gateway(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::GatewayTls(stream) => plain_end(Pin::new(stream).poll_read(cx, buf)),
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Client(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::ClientTls(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Gateway(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::GatewayTls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Client(stream) => Pin::new(stream).poll_flush(cx),
            Self::ClientTls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Gateway(stream) => Pin::new(stream).poll_flush(cx),
            Self::GatewayTls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Client(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::ClientTls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Gateway(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::GatewayTls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
