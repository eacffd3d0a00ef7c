use rstest::rstest;

use super::*;
use crate::scenario::parse_unchecked;

fn codes(text: &str) -> Vec<&'static str> {
    let scenario = parse_unchecked("setup-connect/x", text).unwrap();
    check(&scenario)
        .list
        .iter()
        .map(|problem| problem.code)
        .collect()
}

fn with(extra: &str) -> String {
    format!(
        "title = \"A client connects\"\nabout = \"gateway-behaviour 2\"\n[actor.companion]\nkind = \"client\"\n[actor.mallory]\nkind = \"raw\"\n{extra}\n"
    )
}

const START: &str = "[[step]]\nstart = \"companion\"\n";

#[test]
fn an_ssh_is_in_the_core_only() {
    let text = with("[actor.far]\nkind = \"client\"\nssh = true\n[[step]]\nstart = \"far\"");
    assert_eq!(codes(&text), ["scenario::only_in_core"]);
    assert_eq!(
        codes(&format!("worlds = [\"core\"]\n{text}")),
        Vec::<&str>::new()
    );
}

#[test]
fn a_sound_scenario_has_no_problems() {
    let text = with(&format!(
        "{START}[[step]]\nexpect = {{ from = \"companion\", method = \"connect\", capture = {{ id = \"/device/id\" }} }}\n[[step]]\ncontrol = {{ remove_device = \"$id\" }}\n"
    ));
    assert_eq!(codes(&text), Vec::<&str>::new());
}

#[rstest]
#[case::unknown_actor("[[step]]\nstart = \"companoin\"", "scenario::unknown_actor")]
#[case::send_by_a_client(
    "[[step]]\nsend = { from = \"companion\", text = \"x\" }",
    "scenario::wrong_kind_of_actor"
)]
#[case::do_by_a_raw_actor(
    "[[step]]\ndo = { actor = \"mallory\", intent = \"connect\" }",
    "scenario::wrong_kind_of_actor"
)]
#[case::disk_of_a_raw_actor(
    "[[step]]\ndisk = { of = \"mallory\", fails = 1 }",
    "scenario::wrong_kind_of_actor"
)]
#[case::tunnel_of_nobody(
    "[[step]]\ncontrol = { tunnel = { of = \"companion\", is = \"ended\" } }",
    "scenario::tunnel_of_nobody"
)]
#[case::no_record(
    "[[step]]\ndo = { actor = \"companion\", intent = \"add_gateway\", record = { id = \"g\" } }",
    "scenario::bad_record"
)]
#[case::whose_reports(
    "[[count]]\nreports = { event = \"pairing\" }\nexactly = 1",
    "scenario::missing_argument"
)]
#[case::reports_and_a_message(
    "[[count]]\nactor = \"companion\"\nreports = { event = \"pairing\" }\nopens = true\nexactly = 1",
    "scenario::exactly_one"
)]
#[case::unbound(
    "[[step]]\ncontrol = { approve = \"$id\" }",
    "scenario::unbound_capture"
)]
#[case::nothing_to_do("[[step]]\ncontrol = {}", "scenario::exactly_one")]
#[case::two_things(
    "[[step]]\ncontrol = { approve = \"latest\", reject = \"latest\" }",
    "scenario::exactly_one"
)]
#[case::empty_expect("[[step]]\nexpect = { within = \"3s\" }", "scenario::exactly_one")]
#[case::whose_snapshot(
    "[[step]]\nexpect = { snapshot = { busy = true } }",
    "scenario::missing_argument"
)]
#[case::both_ways(
    "[[step]]\nexpect = { from = \"companion\", to = \"companion\" }",
    "scenario::exactly_one"
)]
#[case::missing_code(
    "[[step]]\ndo = { actor = \"companion\", intent = \"apply_setup_code\" }",
    "scenario::missing_argument"
)]
#[case::extra_argument(
    "[[step]]\ndo = { actor = \"companion\", intent = \"reconnect\", url = \"x\" }",
    "scenario::unknown_argument"
)]
#[case::unknown_method(
    "[[step]]\nexpect = { from = \"companion\", method = \"conect\" }",
    "scenario::unlisted_method"
)]
#[case::unknown_event(
    "[[step]]\nexpect = { to = \"companion\", event = \"tik\" }",
    "scenario::unlisted_event"
)]
#[case::heal_nothing("[[step]]\nheal = \"refuse\"", "scenario::nothing_to_heal")]
#[case::unknown_invariant(
    "[allow]\nsqe_only_grows = \"x\"\n[[step]]\nstart = \"companion\"",
    "scenario::unknown_invariant"
)]
#[case::no_reason(
    "[allow]\nseq_only_grows = \" \"\n[[step]]\nstart = \"companion\"",
    "scenario::allow_without_reason"
)]
#[case::unknown_note(
    "[[step]]\nstart = \"companion\"\n[[never]]\nevent = \"tick\"\nafter = \"later\"",
    "scenario::unknown_note"
)]
#[case::empty_never(
    "[[step]]\nstart = \"companion\"\n[[never]]\nafter = \"later\"",
    "scenario::empty_pattern"
)]
#[case::count_of_what(
    "[[step]]\nstart = \"companion\"\n[[count]]\nevent = \"tick\"",
    "scenario::missing_argument"
)]
#[case::finally_what(
    "[[step]]\nstart = \"companion\"\n[[finally]]\nactor = \"companion\"",
    "scenario::exactly_one"
)]
#[case::behaviour_does_nothing(
    "[[gateway.on]]\nmethod = \"connect\"\n[[step]]\nstart = \"companion\"",
    "scenario::bad_behaviour"
)]
#[case::behaviour_never(
    "[[gateway.on]]\npass = true\n[[step]]\nstart = \"companion\"",
    "scenario::behaviour_without_trigger"
)]
#[case::bad_config(
    "[gateway]\nconfig = { nodess = 1 }\n[[step]]\nstart = \"companion\"",
    "scenario::bad_config"
)]
#[case::config_of_the_other_release(
    "[gateway.config]\ngateway.nodes.commands.allow = [\"a\"]\n[[step]]\nstart = \"companion\"",
    "scenario::bad_config"
)]
#[case::config_without_effect(
    "[gateway.config]\ngateway.bind = \"lan\"\n[[step]]\nstart = \"companion\"",
    "scenario::config_without_effect"
)]
#[case::connection_zero(
    "[[gateway.connection]]\nnumbers = [0]\nfault = \"refuse\"\n[[step]]\nstart = \"companion\"",
    "scenario::bad_connection_number"
)]
#[case::service_of_nobody(
    "[actor.other]\nkind = \"client\"\nservice = \"restarts\"\n[[step]]\nstart = \"companion\"",
    "scenario::service_of_nobody"
)]
#[case::no_steps("", "scenario::no_steps")]
fn what_makes_no_sense_is_told(#[case] extra: &str, #[case] code: &str) {
    let codes = codes(&with(extra));
    assert!(codes.contains(&code), "{codes:?}");
}

#[test]
fn the_core_world_has_no_streams() {
    let text = with(
        "[[gateway.connection]]\nnumbers = [1]\nfault = \"byte_split\"\n[[step]]\nstart = \"companion\"",
    );
    let text = text.replacen("about", "worlds = [\"core\", \"core\"]\nabout", 1);
    let codes = codes(&text);
    assert!(
        codes.contains(&"scenario::world_without_streams"),
        "{codes:?}"
    );
    assert!(codes.contains(&"scenario::duplicate_world"), "{codes:?}");
}

/// Whose port it is can't be played where this machine's own ports answer.
#[test]
fn some_fields_of_a_set_up_are_for_memory_only() {
    let actor = "[actor.setup]\nkind = \"setup\"\ncompanion = \"companion\"\nowners = [\"nobody\"]\n[[step]]\nstart = \"setup\"";
    let only = |worlds: &str| {
        let text = with(actor).replacen("about", &format!("worlds = [{worlds}]\nabout"), 1);
        codes(&text).contains(&"scenario::only_in_memory")
    };
    assert_eq!(
        [only("\"memory\""), only("\"memory\", \"wsl\"")],
        [false, true]
    );
}

#[test]
fn an_unlisted_name_can_be_meant() {
    let step = "[[step]]\nexpect = { from = \"companion\", method = \"conect\", unlisted = true }";
    assert_eq!(codes(&with(step)), Vec::<&str>::new());
}

#[rstest]
#[case("setup-connect/x", true)]
#[case("elsewhere/x", false)]
#[case("setup-connect/Über", false)]
fn the_id_is_a_path_in_a_shard(#[case] id: &str, #[case] sound: bool) {
    let scenario = parse_unchecked(id, &with(START)).unwrap();
    assert_eq!(!check(&scenario).has_errors(), sound);
}
