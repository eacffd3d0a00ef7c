//! Which definition describes what. The schema itself does not say: definitions are named after methods and events,
//! and `data/definitions.tsv` holds those that are not.

use std::collections::BTreeMap;
use std::sync::LazyLock;

struct Exception {
    params: &'static str,
    result: &'static str,
}

static EXCEPTIONS: LazyLock<BTreeMap<&'static str, Exception>> = LazyLock::new(|| {
    include_str!("../../data/definitions.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut columns = line.split('\t');
            let method = columns.next()?;
            let (params, result) = (columns.next()?, columns.next()?);
            Some((method, Exception { params, result }))
        })
        .collect()
});

/// The name that the params of a method have.
pub(super) fn params(method: &str) -> Option<String> {
    let usual = || format!("{}Params", pascal(method));
    match EXCEPTIONS.get(method).map(|exception| exception.params) {
        None | Some("=") => Some(usual()),
        Some("-") => None,
        Some(other) => Some(other.to_owned()),
    }
}

/// The names that the result of a method can have.
pub(super) fn results(method: &str) -> Vec<String> {
    let usual = || {
        let name = pascal(method);
        vec![format!("{name}Result"), format!("{name}Response")]
    };
    match EXCEPTIONS.get(method).map(|exception| exception.result) {
        None | Some("=") => usual(),
        Some("-") => Vec::new(),
        Some(other) => vec![other.to_owned()],
    }
}

/// The name that the payload of an event has.
pub(super) fn event(event: &str) -> String {
    format!("{}Event", pascal(event))
}

/// `device.pair.setup_code` is `DevicePairSetupCode`.
fn pascal(name: &str) -> String {
    let part = |part: &str| {
        let mut letters = part.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    name.split(['.', '-', '_']).map(part).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("device.pair.setupCode", Some("DevicePairSetupCodeParams"), &["DevicePairSetupCodeResult", "DevicePairSetupCodeResponse"])]
    #[case("tasks.retry", Some("TasksRecoveryParams"), &["TasksRecoveryResult"])]
    #[case("connect", Some("ConnectParams"), &["HelloOk"])]
    #[case("sessions.steer", Some("SessionsSendParams"), &[])]
    fn methods(#[case] method: &str, #[case] expected: Option<&str>, #[case] result: &[&str]) {
        assert_eq!(params(method).as_deref(), expected);
        assert_eq!(results(method), result);
    }

    #[test]
    fn events() {
        assert_eq!(event("node.invoke.request"), "NodeInvokeRequestEvent");
    }
}
