use rstest::rstest;
use serde_json::json;

use super::*;
use crate::redact::Redactor;
use crate::redact::structure::members;

fn hidden(text: &str) -> String {
    let shown = Places::default().hide(text, Marks::of(text));
    shown.unwrap_or_else(|| text.to_owned())
}

#[rstest]
#[case::v4("from 192.168.1.5", "from <ip:1>")]
#[case::port("ws://10.0.0.7:18789/x", "ws://<ip:1>:18789/x")]
#[case::labelled("addr:100.64.3.9.", "addr:<ip:1>.")]
#[case::twice("10.0.0.1, 10.0.0.2, 10.0.0.1", "<ip:1>, <ip:2>, <ip:1>")]
#[case::v6("[fe80::1c2:3%eth0]:80", "[<ip:1>%eth0]:80")]
#[case::mapped("::ffff:10.0.0.5", "<ip:1>")]
#[case::unix("cd /home/anna/.openclaw", "cd /home/<user:1>/.openclaw")]
#[case::mac("/Users/anna", "/Users/<user:1>")]
#[case::mounted("/mnt/c/Users/Anna B/x", "/mnt/c/Users/<user:1>/x")]
#[case::windows("C:\\Users\\Anna B\\AppData", "C:\\Users\\<user:1>\\AppData")]
#[case::escaped(r"C:\\\\Users\\\\anna\\\\x", r"C:\\\\Users\\\\<user:1>\\\\x")]
#[case::host("wss://anna-box.tail12.ts.net/ws", "wss://<host:1>/ws")]
#[case::mail("mail anna.b@corp.eu!", "mail <email:1>!")]
#[case::ssh("ssh anna@box", "ssh <email:1>")]
fn what_names_somebody_is_hidden(#[case] text: &str, #[case] shown: &str) {
    assert_eq!(hidden(text), shown);
    assert_eq!(hidden(shown), shown, "hiding twice changes nothing");
}

#[rstest]
#[case::loopback("ws://127.0.0.1:18789, [::1]:80, 0.0.0.0, [::]")]
#[case::documentation("203.0.113.9 2001:db8::9 gateway.example wss://gw.test/")]
#[case::version("openclaw 2026.6.34, v1.2.3.4, Windows 10.0.26200.1, 2026.9.6-1")]
#[case::package("openclaw@2026.6.34 @openclaw/cli@latest")]
#[case::time("12:34:56, 2026-11-26T12:34:56.789Z")]
#[case::code("std::net::IpAddr a::b ::c")]
#[case::nobody("/home/openclaw/.openclaw, C:\\Users\\Public\\x")]
#[case::digest("sha256:8f14e45fceea167a5a36dedd4bea2543")]
#[case::pseudonym("<host:1> and ws://<host:2>:80 and /home/<user:1>/x")]
fn what_a_reader_needs_stays(#[case] text: &str) {
    assert_eq!(hidden(text), text);
}

#[test]
fn a_name_that_was_learned_is_hidden_as_a_word() {
    let mut places = Places::default();
    let object = json!({"host": "DESKTOP-7Q:18789", "user": "anna"});
    places.learn_object(members(object.as_object().unwrap()));
    places.learn_text("/home/bert/x", Marks::of("/home/bert/x"));
    let shown = places.hide(
        "desktop-7q of Anna, anna-2, bert, annabel; user host",
        Marks::of("desktop-7q of Anna, anna-2, bert, annabel; user host"),
    );
    assert_eq!(
        shown.as_deref(),
        Some("<host:1> of <user:1>, <user:1>-2, <user:2>, annabel; user host")
    );
}

#[rstest]
#[case::ordinary("gateway")]
#[case::loopback("localhost")]
#[case::everybodys("root")]
#[case::address("127.0.0.1")]
#[case::client_id("node-host")]
fn an_ordinary_word_is_not_learned(#[case] name: &str) {
    let mut places = Places::default();
    places.learn("host", name);
    let text = format!("the {name} of a run");
    assert_eq!(places.hide(&text, Marks::of(&text)), None);
}

#[test]
fn what_people_call_their_devices_is_hidden_in_what_comes_from_them() {
    let client = json!({"displayName": "Anna's phone", "id": "openclaw-ios"});
    let client = client.as_object().unwrap();
    for (mut places, shown) in [
        (Places::default(), None),
        (Places::of_people(), Some("<name:1> is openclaw-ios")),
    ] {
        places.learn_object(members(client));
        let said = places.hide(
            "Anna's phone is openclaw-ios",
            Marks::of("Anna's phone is openclaw-ios"),
        );
        assert_eq!(said.as_deref(), shown);
    }
}

/// However many names there are, and whichever of them begin alike.
#[test]
fn of_names_that_begin_alike_the_longest_whole_one_is_hidden() {
    let mut places = Places::default();
    for name in ["anna", "anna-box", "box", "anna-box-2"] {
        places.learn("host", name);
    }
    let shown = places.hide(
        "ANNA-BOX-2, anna-box, anna-bo, box2",
        Marks::of("ANNA-BOX-2, anna-box, anna-bo, box2"),
    );
    assert_eq!(
        shown.as_deref(),
        Some("<host:4>, <host:2>, <host:1>-bo, box2")
    );
    places.learn("host", "box2");
    assert_eq!(
        places.hide("box2", Marks::of("box2")).as_deref(),
        Some("<host:5>")
    );
}

#[test]
fn a_short_host_is_hidden_where_it_stands_and_as_a_word() {
    let mut redactor = Redactor::new().hiding_places();
    let shown = redactor.redact(&json!({"host": "vm", "hostname": "x", "text": "Node: vm, vmx"}));
    assert_eq!(
        shown,
        json!({"host": "<host:1>", "hostname": "<host:2>", "text": "Node: <host:1>, vmx"})
    );
}

#[test]
fn the_companions_own_name_stays_without_the_machine_in_it() {
    let mut redactor = Redactor::new().hiding_people();
    let shown = redactor.redact(&json!([
        {"displayName": "OpenClaw Windows Tray"},
        {"displayName": "Windows Node (DESKTOP-7Q)", "host": "Windows Node (DESKTOP-7Q)"},
        "desktop-7q",
    ]));
    assert_eq!(
        shown,
        json!([
            {"displayName": "OpenClaw Windows Tray"},
            {"displayName": "Windows Node (<host:1>)", "host": "Windows Node (<host:1>)"},
            "<host:1>",
        ])
    );
}
