//! wss against gateways with certificates of every kind: who is believed, and what the others never see.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

#[expect(dead_code, reason = "the peer serves several test programs")]
mod peer;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use client_core::{ErrorKind, Intent, OperatorState};
use gateway_client::tls::{Fingerprint, NetConnector, TlsError, TlsTrust};
use gateway_client::{ClientHandle, Clock, Connector as _, MemoryState, MemoryStore, Setup};
use gateway_protocol::{DeviceToken, Role, UnixMillis};
use peer::Connection;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rstest::rstest;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::either::Either;
use watch::until;

/// A CA and a certificate of its making.
struct Certificates {
    ca: CertificateDer<'static>,
    leaf: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

/// A certificate for these names, valid to the end of that year.
fn certificates(names: &[&str], until: i32) -> Certificates {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut leaf = CertificateParams::new(names).unwrap();
    leaf.not_before = rcgen::date_time_ymd(2000, 1, 1);
    leaf.not_after = rcgen::date_time_ymd(until, 12, 31);
    let key = KeyPair::generate().unwrap();
    let leaf = leaf.signed_by(&key, &ca).unwrap();
    Certificates {
        ca: ca.der().clone(),
        leaf: leaf.der().clone(),
        key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
    }
}

fn acceptor(certificates: &Certificates) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificates.leaf.clone()],
            certificates.key.clone_key(),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

#[derive(Clone, Copy, Debug)]
enum Trust {
    System,
    ItsCa,
    AnotherCa,
    ItsPin,
    AnotherPin,
}

fn trust(kind: Trust, certificates: &Certificates) -> TlsTrust {
    match kind {
        Trust::System => TlsTrust::System,
        Trust::ItsCa => TlsTrust::Ca(vec![certificates.ca.clone()]),
        Trust::AnotherCa => TlsTrust::Ca(vec![self::certificates(&["localhost"], 2099).ca]),
        Trust::ItsPin => TlsTrust::Pinned(Fingerprint::of(&certificates.leaf)),
        Trust::AnotherPin => TlsTrust::Pinned(Fingerprint::of(&certificates.ca)),
    }
}

#[rstest]
#[case::by_its_ca(&["localhost"], 2099, Trust::ItsCa, true)]
#[case::by_its_pin(&["localhost"], 2099, Trust::ItsPin, true)]
#[case::pinned_whatever_its_name(&["elsewhere.example"], 2099, Trust::ItsPin, true)]
#[case::pinned_whatever_its_dates(&["localhost"], 2001, Trust::ItsPin, true)]
#[case::not_by_the_system(&["localhost"], 2099, Trust::System, false)]
#[case::not_by_another_ca(&["localhost"], 2099, Trust::AnotherCa, false)]
#[case::not_by_another_pin(&["localhost"], 2099, Trust::AnotherPin, false)]
#[case::not_for_another_name(&["elsewhere.example"], 2099, Trust::ItsCa, false)]
#[case::not_after_its_end(&["localhost"], 2001, Trust::ItsCa, false)]
#[tokio::test]
async fn only_a_proven_gateway_is_believed(
    #[case] names: &[&str],
    #[case] until: i32,
    #[case] kind: Trust,
    #[case] believed: bool,
) {
    let certificates = certificates(names, until);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}", listener.local_addr().unwrap().port());
    let acceptor = acceptor(&certificates);
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        match acceptor.accept(stream).await {
            Ok(mut stream) => {
                let mut first = [0];
                stream.read(&mut first).await.unwrap_or_default()
            }
            Err(_) => 0,
        }
    };
    let connector = NetConnector::new(trust(kind, &certificates));
    let client = async {
        let stream = connector.connect(&url).await;
        let error = stream.as_ref().err().map(ToString::to_string);
        drop(stream);
        error
    };
    let (error, sent) = tokio::join!(client, server);
    assert_eq!(error.is_none(), believed, "{error:?}");
    assert_eq!(sent, 0, "nothing is said before the gateway is proven");
    if let Some(error) = error {
        assert!(error.starts_with("TLS: "), "{error}");
        assert_eq!(client_core::classify::classify_text(&error), ErrorKind::Tls);
    }
}

fn client(url: &str, trust: TlsTrust) -> ClientHandle {
    client_over(&MemoryState::default(), url, trust)
}

fn client_over(state: &MemoryState, url: &str, trust: TlsTrust) -> ClientHandle {
    let mut record = client_core::GatewayRecord::new("g", url);
    record.shared_gateway_token = Some(gateway_protocol::SharedToken::new("s3cret"));
    state.with(|state| {
        state.registry.active_id = Some("g".to_owned());
        state.registry.upsert(record);
    });
    let options = client_core::ClientOptions {
        node_enabled: false,
        ..client_core::ClientOptions::default()
    };
    Setup::new(
        options,
        MemoryStore::over(state.clone()),
        NetConnector::new(trust),
        Clock::system(),
    )
    .spawn()
    .unwrap()
}

#[tokio::test]
async fn an_operator_connects_through_tls() {
    let certificates = certificates(&["localhost"], 2099);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let trust = trust(Trust::ItsCa, &certificates);
    let client = client(&format!("wss://localhost:{port}"), trust);
    client.intent(Intent::Connect).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let stream = acceptor(&certificates).accept(stream).await.unwrap();
    let mut gateway = Connection::over(stream).await;
    gateway
        .event("connect.challenge", json!({"nonce": "n", "ts": 1}))
        .await;
    let connect = gateway.request("connect").await;
    assert_eq!(connect["params"]["auth"], json!({"token": "s3cret"}));
    let hello = json!({"type": "hello-ok", "auth": {"role": "operator", "scopes": []}});
    gateway
        .say(json!({"type": "res", "id": connect["id"], "ok": true, "payload": hello}))
        .await;
    let snapshot = until(&client, |it| it.operator.state == OperatorState::Connected).await;
    assert_eq!(snapshot.operator.error, None);
    client.shutdown().await;
}

/// Whoever answers at another address over plain ws could refuse the device token only to be shown the stronger one. The
/// second address of the loopback interface is no loopback name to the client.
#[cfg(target_os = "linux")]
#[rstest]
#[case::plain(None)]
#[case::by_its_ca(Some(Trust::ItsCa))]
#[case::by_its_pin(Some(Trust::ItsPin))]
#[tokio::test]
async fn a_remote_gateway_gets_the_shared_token_only_when_it_is_proven(
    #[case] proven: Option<Trust>,
) {
    let certificates = certificates(&["127.0.0.2"], 2099);
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (scheme, trust) = match proven {
        Some(kind) => ("wss", trust(kind, &certificates)),
        None => ("ws", TlsTrust::System),
    };
    let accept = async || {
        let (stream, _) = listener.accept().await.unwrap();
        Connection::over(match proven {
            Some(_) => Either::Left(acceptor(&certificates).accept(stream).await.unwrap()),
            None => Either::Right(stream),
        })
        .await
    };
    let mut identity = client_core::Identity::from_seed([1; 32], UnixMillis(1));
    identity.set_token(Role::Operator, Some(DeviceToken::new("old")), None);
    let state = MemoryState::default();
    state.with(|state| state.identities.insert("g".to_owned(), identity));
    let client = client_over(&state, &format!("{scheme}://127.0.0.2:{port}"), trust);
    client.intent(Intent::Connect).await.unwrap();
    let mut gateway = accept().await;
    let connect = gateway.challenge().await;
    assert_eq!(connect["params"]["auth"], json!({"deviceToken": "old"}));
    let mismatch = json!({"code": "INVALID_REQUEST", "message": "unauthorized: device token mismatch",
        "details": {"code": "AUTH_DEVICE_TOKEN_MISMATCH"}});
    gateway.refuse(&connect["id"], mismatch).await;
    if proven.is_some() {
        let mut again = timeout(Duration::from_mins(1), accept()).await.unwrap();
        let connect = again.challenge().await;
        assert_eq!(connect["params"]["auth"], json!({"token": "s3cret"}));
    } else {
        until(&client, |it| it.operator.state == OperatorState::Error).await;
        let identity = state.read().identities["g"].clone();
        let kept = identity.token(Role::Operator);
        assert_eq!(kept, Some("old"), "no recovery has begun");
    }
    client.shutdown().await;
    let dialled = futures_util::FutureExt::now_or_never(listener.accept());
    assert!(dialled.is_none(), "nothing else was sent");
}

#[tokio::test]
async fn an_impostor_is_named_as_a_matter_of_trust() {
    let certificates = certificates(&["localhost"], 2099);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let trust = trust(Trust::AnotherCa, &certificates);
    let client = client(&format!("wss://localhost:{port}"), trust);
    client.intent(Intent::Connect).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    drop(acceptor(&certificates).accept(stream).await);
    let snapshot = until(&client, |it| it.operator.error.is_some()).await;
    assert_eq!(snapshot.operator.error_kind, Some(ErrorKind::Tls));
    client.shutdown().await;
}

#[tokio::test]
async fn a_ws_url_is_dialled_without_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://localhost:{}", listener.local_addr().unwrap().port());
    let connector = NetConnector::default();
    let (client, server) = tokio::join!(connector.connect(&url), listener.accept());
    let (mut server, _): (TcpStream, _) = server.unwrap();
    drop(client.unwrap());
    let mut heard = Vec::new();
    server.read_to_end(&mut heard).await.unwrap();
    assert!(heard.is_empty());
}

#[rstest]
#[case::missing(None, "No such file")]
#[case::no_certificate(Some("hello\n"), "expected PEM certificates, got none")]
#[case::cut_off(Some("-----BEGIN CERTIFICATE-----\nAAAA\n"), "")]
fn a_ca_file_that_is_none_is_named(#[case] content: Option<&str>, #[case] reason: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    if let Some(content) = content {
        std::io::Write::write_all(
            &mut std::fs::File::create(&path).unwrap(),
            content.as_bytes(),
        )
        .unwrap();
    }
    let error = TlsTrust::ca_file(&path).unwrap_err();
    assert!(matches!(error, TlsError::CaFile { .. }));
    let text = error.to_string();
    assert!(text.contains("ca.pem") && text.contains(reason), "{text}");
}
