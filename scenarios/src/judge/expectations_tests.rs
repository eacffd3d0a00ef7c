use rstest::rstest;
use serde_json::json;

use super::*;
use crate::judge::sample::Talk;
use crate::scenario::{ClosePattern, Lapse, RoleName};

fn expect() -> Expect {
    Expect::default()
}

fn watch(talk: &Talk) -> Watch {
    let mut watch = Watch::default();
    watch.feed(talk.raw());
    watch
}

fn from(actor: &str, method: &str) -> Expect {
    Expect {
        from: Some(actor.to_owned()),
        method: Some(method.to_owned()),
        ..expect()
    }
}

fn to(actor: &str, response: &str, ok: bool) -> Expect {
    Expect {
        to: Some(actor.to_owned()),
        response: Some(response.to_owned()),
        ok: Some(ok),
        ..expect()
    }
}

fn refused() -> Talk {
    Talk::new()
        .connect(1, "companion", "operator", &json!({"token":"t-0123456789"}))
        .refusal(1, "AUTH_TOKEN_MISMATCH")
}

#[rstest]
#[case::request(from("companion", "connect"), true)]
#[case::of_nobody(from("mallory", "connect"), false)]
#[case::role(Expect { role: Some(RoleName::Operator), ..from("companion", "connect") }, true)]
#[case::other_role(Expect { role: Some(RoleName::Node), ..from("companion", "connect") }, false)]
#[case::params(Expect { params: Some(json!({"auth":{"token":"$any"},"role":"operator"})), ..from("companion", "connect") }, true)]
#[case::absent(Expect { params: Some(json!({"auth":{"deviceToken":"$absent"}})), ..from("companion", "connect") }, true)]
#[case::present(Expect { params: Some(json!({"auth":{"deviceToken":"$any"}})), ..from("companion", "connect") }, false)]
#[case::answer(to("companion", "connect", false), true)]
#[case::good_answer(to("companion", "connect", true), false)]
#[case::error(Expect { error: Some(json!({"details":{"code":"AUTH_TOKEN_MISMATCH"}})), ..to("companion", "connect", false) }, true)]
#[case::event(Expect { to: Some("companion".into()), event: Some("connect.challenge".into()), ..expect() }, true)]
#[case::close(Expect { to: Some("companion".into()), close: Some(ClosePattern { code: Some(1008), ..ClosePattern::default() }), ..expect() }, true)]
#[case::close_code(Expect { to: Some("companion".into()), close: Some(ClosePattern { code: Some(1000), ..ClosePattern::default() }), ..expect() }, false)]
#[case::opens(Expect { from: Some("companion".into()), opens: true, ..expect() }, true)]
#[case::ends(Expect { from: Some("companion".into()), ends: Some(Ended::Anyhow), ..expect() }, true)]
#[case::eof(Expect { from: Some("companion".into()), ends: Some(Ended::Eof), ..expect() }, false)]
#[case::next(Expect { connection: Some(Which::Next), ..from("companion", "connect") }, true)]
#[case::current(Expect { connection: Some(Which::Current), ..from("companion", "connect") }, false)]
#[case::nth(Expect { nth_connection: Some(2), ..from("companion", "connect") }, false)]
#[case::too_soon(Expect { not_before: Some(Lapse::seconds(1)), ..from("companion", "connect") }, false)]
#[case::dropped(Expect { at: Some(At::Dropped), ..from("companion", "connect") }, false)]
fn an_expectation_sees_what_it_means(#[case] expect: Expect, #[case] seen: bool) {
    let found = watch(&refused()).seek(&expect, &mut Captured::new());
    assert_eq!(found.is_some(), seen);
}

#[test]
fn a_message_is_taken_once_and_captured_from() {
    let mut watch = watch(&refused());
    let mut captured = Captured::new();
    let mut expect = from("companion", "connect");
    expect
        .capture
        .insert("device".to_owned(), "/device/id".to_owned());
    expect
        .capture
        .insert("id".to_owned(), "frame/id".to_owned());
    assert!(watch.seek(&expect, &mut captured).is_some());
    assert_eq!(captured.get("device"), Some(&json!("d1")));
    assert_eq!(captured.get("id"), Some(&json!("c1")));
    assert!(watch.seek(&expect, &mut captured).is_none(), "taken");
}

#[test]
fn what_came_before_the_last_action_does_not_count() {
    let mut watch = watch(&refused());
    watch.mark(1);
    assert!(
        watch
            .seek(&from("companion", "connect"), &mut Captured::new())
            .is_none()
    );
    assert_eq!(
        watch.intrusion(&from("companion", "connect").pattern()),
        None
    );
}

#[test]
fn a_miss_names_the_nearest_message_and_the_place() {
    let expect = Expect {
        params: Some(json!({"role":"node"})),
        ..from("companion", "connect")
    };
    let missed = watch(&refused()).miss(&expect, Duration::from_secs(30));
    assert_eq!(
        missed.wanted,
        "request connect from companion with {\"role\":\"node\"}"
    );
    let nearest = missed.nearest.unwrap();
    assert_eq!(
        (
            nearest.pointer.as_str(),
            nearest.expected.as_str(),
            nearest.got.as_str()
        ),
        ("/params/role", "\"node\"", "\"operator\"")
    );
}

#[test]
fn counts_are_taken_between_notes() {
    let mut watch = Watch::default();
    let talk = refused();
    let raw = talk.raw();
    let half = raw.len() / 2;
    watch.feed(raw[..half].to_vec());
    watch.note("half");
    watch.feed(raw[half..].to_vec());
    let pattern = Expect {
        to: Some("companion".into()),
        ..expect()
    }
    .pattern();
    let all = watch.all(&pattern, None, None).len();
    let after = watch.all(&pattern, Some("half"), None).len();
    let before = watch.all(&pattern, None, Some("half")).len();
    assert_eq!(all, after + before);
    assert!(after > 0 && before > 0);
}

#[test]
fn the_newest_open_connection_is_found_by_role() {
    let talk = Talk::new()
        .joined(1, "companion", "operator")
        .joined(2, "companion", "node")
        .joined(3, "companion", "node")
        .eof(3);
    let watch = watch(&talk);
    assert_eq!(watch.newest_connection("companion", Some("node")), Some(2));
    assert_eq!(watch.newest_connection("companion", None), Some(2));
    assert_eq!(watch.newest_connection("mallory", None), None);
}
