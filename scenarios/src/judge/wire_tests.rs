use serde_json::json;

use super::*;
use crate::judge::sample::Talk;

#[test]
fn the_fold_knows_actor_role_and_request() {
    let transcript = Talk::new()
        .joined(1, "companion", "operator")
        .joined(2, "companion", "node")
        .says(1, &json!({"type":"req","id":"r1","method":"health"}))
        .hears(1, &json!({"type":"res","id":"r1","ok":false,"error":{"code":"UNAVAILABLE","message":"not now"}}))
        .eof(2)
        .transcript();
    let wire = Wire::of(&transcript.entries);
    assert_eq!(wire.describe(2), "connection 2 (companion, node)");
    assert_eq!(wire.nth_of_actor(2), Some(2));
    assert!(wire.connection(2).unwrap().ended.is_some());
    let answer = transcript
        .entries
        .iter()
        .rev()
        .find(|entry| entry.frame_type() == Some("res"))
        .unwrap();
    assert_eq!(wire.answers(answer.n), Some("health"));
    assert!(line(answer, &wire).ends_with("#1 <- error for health: UNAVAILABLE \"not now\""));
}

#[test]
fn a_connect_is_summed_up_by_role_and_credential_class() {
    let transcript = Talk::new()
        .connect(1, "companion", "node", &json!({"token":"t-0123456789"}))
        .transcript();
    let wire = Wire::of(&transcript.entries);
    let connect = transcript
        .entries
        .iter()
        .find(|entry| entry.method() == Some("connect"))
        .unwrap();
    assert_eq!(
        summary(connect, &wire),
        "request connect as node with token"
    );
}
