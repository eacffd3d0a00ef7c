//! TLS under wss URLs: whom to trust, and a connector that dials TCP with or without it.
//!
//! There is no way to switch the check off. A gateway that can't be proven gets no upgrade, hence no credential, and
//! nothing that it says is stored or retried with a stronger one. ref: client-behaviour.md §17.4
//!
//! ```
//! use gateway_client::tls::Fingerprint;
//! let colons = vec!["AB"; 32].join(":");
//! let pin: Fingerprint = colons.parse().unwrap();
//! assert_eq!(pin, "ab".repeat(32).parse().unwrap());
//! assert!("abcd".parse::<Fingerprint>().is_err());
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use client_core::url::GatewayUrl;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use crate::connector::{ConnectError, Connector};

/// SHA-256 of a gateway's certificate, as `openssl x509 -fingerprint -sha256` prints it or as 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate.
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = TlsError;

    fn from_str(text: &str) -> Result<Self, TlsError> {
        let digits: Vec<u8> = text
            .chars()
            .filter(|c| *c != ':')
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect::<Option<_>>()
            .ok_or(TlsError::Fingerprint)?;
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return Err(TlsError::Fingerprint);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair.iter().fold(0, |sum, digit| sum * 16 + digit);
        }
        Ok(Self(bytes))
    }
}

/// Whom a wss URL is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TlsTrust {
    /// Certificates that the computer's own roots vouch for.
    #[default]
    System,
    /// Certificates that these roots vouch for, and no others.
    Ca(Vec<CertificateDer<'static>>),
    /// This one certificate, whatever its name, issuer and dates.
    Pinned(Fingerprint),
}

impl TlsTrust {
    /// The roots in a PEM file.
    ///
    /// # Errors
    /// [`TlsError::CaFile`] when the file can't be read or holds no certificate.
    pub fn ca_file(path: impl Into<PathBuf>) -> Result<Self, TlsError> {
        let path = path.into();
        let roots = read_pem(&path).map_err(|reason| TlsError::CaFile {
            path: path.clone(),
            reason,
        })?;
        Ok(Self::Ca(roots))
    }

    /// A client that believes nobody else.
    ///
    /// # Errors
    /// When there are no roots to believe, or one of them is none.
    pub fn config(&self) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Setup(error.to_string()))?;
        let roots = match self {
            Self::System => system_roots()?,
            Self::Ca(certificates) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates {
                    roots
                        .add(certificate.clone())
                        .map_err(|error| TlsError::Setup(error.to_string()))?;
                }
                roots
            }
            Self::Pinned(pin) => {
                let verifier = Arc::new(PinnedVerifier {
                    pin: *pin,
                    provider,
                });
                return Ok(builder
                    .dangerous()
                    .with_custom_certificate_verifier(verifier)
                    .with_no_client_auth());
            }
        };
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

fn read_pem(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
    let certificates: Result<Vec<_>, _> = certificates.collect();
    let certificates = certificates.map_err(|error| error.to_string())?;
    if certificates.is_empty() {
        return Err("expected PEM certificates, got none".to_owned());
    }
    Ok(certificates)
}

/// Roots that can't be read are left out, as every program on the computer does.
fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, _ignored) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(TlsError::NoSystemRoots);
    }
    Ok(roots)
}

/// Why TLS can't be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// Text that is no fingerprint.
    #[error("expected a SHA-256 fingerprint: 64 hex digits, with or without colons")]
    Fingerprint,
    /// A file of roots that can't be used.
    #[error("{path}: {reason}", path = path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The computer has none, so nobody could be believed.
    #[error("TLS: this computer has no root certificates; name a CA file or a fingerprint")]
    NoSystemRoots,
    /// A root that is no root, or a cipher set that can't work.
    #[error("TLS: {0}")]
    Setup(String),
}

/// Believes one certificate. Possession of its key is still proven by the handshake's signature.
#[derive(Debug)]
struct PinnedVerifier {
    pin: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if Fingerprint::of(end_entity) == self.pin {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Dials TCP for ws URLs, and TLS over it for wss ones.
#[derive(Debug, Default)]
pub struct NetConnector {
    trust: TlsTrust,
    /// Made at the first wss URL: reading the computer's roots takes a while, and most gateways are local.
    config: OnceLock<Result<Arc<ClientConfig>, TlsError>>,
}

impl NetConnector {
    /// A connector that believes nobody else.
    pub fn new(trust: TlsTrust) -> Self {
        Self {
            trust,
            config: OnceLock::new(),
        }
    }

    fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        self.config
            .get_or_init(|| self.trust.config().map(Arc::new))
            .clone()
    }
}

impl Connector for NetConnector {
    type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

    async fn connect(&self, url: &str) -> io::Result<Self::Stream> {
        let url = GatewayUrl::parse(url).ok_or(ConnectError::NotAUrl)?;
        let stream = TcpStream::connect((url.host.as_str(), url.port)).await?;
        // Frames are small and answered one by one: Nagle would hold each for the peer's delayed ACK.
        stream.set_nodelay(true)?;
        if !url.tls {
            return Ok(Either::Left(stream));
        }
        let config = self.config().map_err(io::Error::other)?;
        let name = ServerName::try_from(url.host)
            .map_err(|_| io::Error::other("TLS: the gateway's host is no server name"))?;
        // The core knows by this word that trust failed, not the network. ref: client-behaviour.md §11.3
        let named = |error: io::Error| io::Error::new(error.kind(), format!("TLS: {error}"));
        let stream = TlsConnector::from(config).connect(name, stream).await;
        Ok(Either::Right(Box::new(stream.map_err(named)?)))
    }
}
