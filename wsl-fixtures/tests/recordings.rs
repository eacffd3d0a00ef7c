//! What the stand-in prints is, byte for byte, what was recorded of wsl.exe.

use std::time::Duration;

use rstest::rstest;
use wsl_fixtures::Call;
use wsl_fixtures::argv::{Install, Verb};
use wsl_fixtures::machine::{Answer, Machine};
use wsl_fixtures::output::{decode, parse_list, parse_version};
use wsl_fixtures::text::Locale;

/// A stopped Ubuntu, and the app's distro running.
fn machine(locale: Locale) -> Machine {
    let mut machine = Machine {
        locale,
        ..Machine::default()
    };
    for name in ["Ubuntu", "OpenClawGateway"] {
        let install = Install::named("Ubuntu", name);
        machine.call(Duration::ZERO, &Call::verb(&Verb::Install(install)), 1);
    }
    machine.call(
        Duration::ZERO,
        &Call::new(["-d", "OpenClawGateway", "--", "true"]),
        1,
    );
    machine
}

fn printed(machine: &mut Machine, words: &str) -> Option<(i32, Vec<u8>)> {
    let answer = machine.call(Duration::ZERO, &Call::new(words.split_whitespace()), 1);
    let Answer::Printed(printed) = answer else {
        return None;
    };
    Some((printed.exit, printed.stdout))
}

#[rstest]
#[case("--version", Locale::EnUs, 0, include_bytes!("../recordings/2.4.13-en-US/version.utf16le"))]
#[case("--version", Locale::FrFr, 0, include_bytes!("../recordings/2.4.13-fr-FR/version.utf16le"))]
#[case("--version", Locale::ZhCn, 0, include_bytes!("../recordings/2.4.13-zh-CN/version.utf16le"))]
#[case("--status", Locale::EnUs, 0, include_bytes!("../recordings/2.4.13-en-US/status.utf16le"))]
#[case("--list --verbose", Locale::EnUs, 0, include_bytes!("../recordings/2.4.13-en-US/list-verbose.utf16le"))]
#[case("--terminate Ubuntu", Locale::EnUs, 0, include_bytes!("../recordings/2.4.13-en-US/terminate.utf16le"))]
#[case("--terminate Gone", Locale::EnUs, -1, include_bytes!("../recordings/2.4.13-en-US/distro-not-found.utf16le"))]
#[case("-d Gone -- true", Locale::EnUs, -1, include_bytes!("../recordings/2.4.13-en-US/distro-not-found.utf16le"))]
#[case("--frobnicate", Locale::EnUs, -1, include_bytes!("../recordings/2.4.13-en-US/unknown-option.utf16le"))]
fn the_bytes_are_the_recorded_ones(
    #[case] words: &str,
    #[case] locale: Locale,
    #[case] exit: i32,
    #[case] recorded: &[u8],
) {
    let (said, stdout) = printed(&mut machine(locale), words).unwrap();
    assert_eq!(decode(&stdout), decode(recorded));
    assert_eq!((said, stdout.as_slice()), (exit, recorded));
}

/// Nothing is installed: the list is an error, and says so with its code.
#[test]
fn an_empty_list_is_an_error() {
    let recorded = include_bytes!("../recordings/2.4.13-en-US/none-installed.utf16le");
    for words in ["--list --quiet", "--list --verbose", "-- true"] {
        assert_eq!(
            printed(&mut Machine::default(), words),
            Some((-1, recorded.to_vec())),
            "{words}"
        );
    }
}

/// The readers find in every recording what stands in it, whatever the language.
#[test]
fn every_recorded_version_is_read() {
    for bytes in [
        include_bytes!("../recordings/2.4.13-en-US/version.utf16le").as_slice(),
        include_bytes!("../recordings/2.4.13-fr-FR/version.utf16le"),
        include_bytes!("../recordings/2.4.13-zh-CN/version.utf16le"),
    ] {
        assert_eq!(parse_version(&decode(bytes)), Some(vec![2, 4, 13, 0]));
    }
    let list = parse_list(&decode(include_bytes!(
        "../recordings/2.4.13-en-US/list-verbose.utf16le"
    )))
    .unwrap();
    assert_eq!(list.len(), 2);
    assert!(list[0].is_default);
}
