//! The memory net ends connections as TCP does, in virtual time.

#![expect(
    clippy::unwrap_used,
    reason = "helpers outside of test functions fail by panicking too"
)]

use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Duration;

use axum::serve::Listener as _;
use link::{
    Controlled as _, FaultName, FaultSpec, FaultStream, FaultTable, MemoryNet, MemoryStream, Wire,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use transcript::Recorder;

async fn connected(net: &MemoryNet) -> (MemoryStream, FaultStream<MemoryStream>) {
    let mut listener = net.listener();
    let client = net.connect().unwrap();
    let (gateway, _) = listener.accept().await;
    (client, gateway)
}

#[tokio::test(start_paused = true)]
async fn a_dropped_stream_is_an_orderly_end() {
    let (mut client, mut gateway) = connected(&MemoryNet::new(FaultTable::new())).await;
    gateway.write_all(b"last").await.unwrap();
    drop(gateway);
    let mut bytes = Vec::new();
    assert_eq!(client.read_to_end(&mut bytes).await.unwrap(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_an_error_behind_what_was_sent() {
    let (mut client, mut gateway) = connected(&MemoryNet::new(FaultTable::new())).await;
    gateway.write_all(b"last").await.unwrap();
    gateway.control().reset();
    assert_eq!(
        gateway.read(&mut [0; 8]).await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    assert_eq!(
        gateway.write(b"x").await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    let mut bytes = Vec::new();
    let error = client.read_to_end(&mut bytes).await.unwrap_err();
    assert_eq!(
        (bytes.as_slice(), error.kind()),
        (&b"last"[..], ErrorKind::ConnectionReset)
    );
    assert_eq!(
        client.write(b"x").await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
}

#[tokio::test(start_paused = true)]
async fn a_reset_wakes_a_reader_that_waits() {
    let (client, mut gateway) = connected(&MemoryNet::new(FaultTable::new())).await;
    let control = gateway.control();
    let (read, ()) = tokio::join!(async move { gateway.read(&mut [0; 8]).await }, async {
        tokio::task::yield_now().await;
        control.reset();
    });
    assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_fin_wakes_a_reader_that_waits_and_leaves_the_other_half() {
    let (mut client, mut gateway) = connected(&MemoryNet::new(FaultTable::new())).await;
    let control = gateway.control();
    let gateway_side = async move {
        let mut buffer = [0; 8];
        let read = gateway.read(&mut buffer).await.unwrap();
        (
            buffer[..read].to_vec(),
            gateway.write(b"x").await.unwrap_err().kind(),
        )
    };
    let client_side = async {
        tokio::task::yield_now().await;
        control.fin();
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
        client.write_all(b"still").await.unwrap();
    };
    let ((read, error), ()) = tokio::join!(gateway_side, client_side);
    assert_eq!(
        (read.as_slice(), error),
        (&b"still"[..], ErrorKind::BrokenPipe)
    );
}

#[tokio::test(start_paused = true)]
async fn a_stall_hides_even_a_drop_until_it_is_over() {
    let (mut client, mut gateway) = connected(&MemoryNet::new(FaultTable::new())).await;
    let control = gateway.control();
    control.stall(true);
    client.write_all(b"a").await.unwrap();
    let hour = Duration::from_hours(1);
    assert!(timeout(hour, gateway.read(&mut [0; 8])).await.is_err());
    assert!(timeout(hour, gateway.write(b"b")).await.is_err());
    drop(gateway);
    assert!(timeout(hour, client.read(&mut [0; 8])).await.is_err());
    control.stall(false);
    assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0, "the late FIN");
}

#[tokio::test(start_paused = true)]
async fn a_split_stream_gives_one_byte_at_a_time() {
    let faults = FaultTable::new();
    let (mut client, mut gateway) = connected(&MemoryNet::new(faults.clone())).await;
    faults.attach(1, gateway.control());
    let _wire = Wire::new(1, faults.clone(), Recorder::off());
    faults.install(FaultSpec::new(FaultName::ByteSplit));
    client.write_all(b"abc").await.unwrap();
    assert_eq!(gateway.read(&mut [0; 8]).await.unwrap(), 1);
    let reader = async {
        let mut pieces = Vec::new();
        for _ in 0..3 {
            pieces.push(client.read(&mut [0; 8]).await.unwrap());
        }
        pieces
    };
    let (pieces, written) = tokio::join!(biased; reader, gateway.write_all(b"def"));
    written.unwrap();
    assert_eq!(pieces, [1, 1, 1]);
    faults.heal_all();
    assert_eq!(gateway.read(&mut [0; 8]).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn muted_writes_vanish() {
    let (mut client, mut gateway) = connected(&MemoryNet::new(FaultTable::new())).await;
    gateway.control().mute();
    gateway.write_all(b"gone").await.unwrap();
    assert!(
        timeout(Duration::from_secs(9), client.read(&mut [0; 8]))
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_listening_is_refused() {
    let faults = FaultTable::new();
    let net = MemoryNet::new(faults.clone());
    let kind = || net.connect().map(drop).unwrap_err().kind();
    assert_eq!(kind(), ErrorKind::ConnectionRefused);
    let listener = net.listener();
    let mut queued = net.connect().unwrap();
    let id = faults.install(FaultSpec::new(FaultName::Refuse));
    assert_eq!(kind(), ErrorKind::ConnectionRefused);
    assert_eq!(
        queued.read(&mut [0; 8]).await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    faults.heal(id);
    assert!(net.connect().is_ok());
    faults.set_down(true);
    assert_eq!(kind(), ErrorKind::ConnectionRefused);
    faults.set_down(false);
    let queued: Vec<MemoryStream> = (0..128).filter_map(|_| net.connect().ok()).collect();
    assert_eq!(queued.len(), 128, "the queue is as long as it says");
    assert_eq!(kind(), ErrorKind::ConnectionRefused);
    drop(listener);
    assert_eq!(kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test(start_paused = true)]
async fn the_gateway_sees_where_a_peer_comes_from() {
    let net = MemoryNet::new(FaultTable::new());
    let mut listener = net.listener();
    let ip: IpAddr = "192.0.2.7".parse().unwrap();
    let _remote = net.connect_from(ip).unwrap();
    let _local = net.connect().unwrap();
    assert_eq!(listener.accept().await.1.ip(), ip);
    assert!(listener.accept().await.1.ip().is_loopback());
}

#[tokio::test(start_paused = true)]
async fn a_later_listener_takes_over() {
    let net = MemoryNet::new(FaultTable::new());
    let first = net.listener();
    let mut second = net.listener();
    drop(first);
    let _client = net.connect().unwrap();
    second.accept().await;
}

#[tokio::test(start_paused = true)]
async fn a_stall_hides_a_reset_and_a_fin_until_it_is_over() {
    for is_reset in [true, false] {
        let (mut client, mut gateway) = connected(&MemoryNet::new(FaultTable::new())).await;
        let control = gateway.control();
        control.stall(true);
        if is_reset {
            control.reset();
        } else {
            control.fin();
        }
        let minute = Duration::from_mins(1);
        let mut buffer = [0; 8];
        let ended = timeout(minute, gateway.read(&mut buffer)).await;
        assert_eq!(
            ended.is_ok(),
            is_reset,
            "the gateway's side of a reset ends at once"
        );
        assert!(timeout(minute, client.read(&mut [0; 8])).await.is_err());
        control.stall(false);
        let gateway_side = timeout(minute, gateway.read(&mut buffer));
        let mut seen = [0; 8];
        let (seen, _) = tokio::join!(biased; client.read(&mut seen), gateway_side);
        assert_eq!(
            seen.map_err(|error| error.kind()),
            if is_reset {
                Err(ErrorKind::ConnectionReset)
            } else {
                Ok(0)
            }
        );
    }
}
