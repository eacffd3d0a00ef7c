//! Who does not know who listens says nothing that is worth knowing.

use super::{Breach, Evidence, Row, Subject, breach, text};

pub(super) const ROW: Row = Row {
    name: "nothing_for_a_stranger",
    doc: "After a client has kept a credential back because it was not proven who listens, no connect frame follows on a socket that was open then.",
    source: "client-behaviour §17.6, §18; scenario-catalogue K7, 023, 124; field-bugs 104",
    subject: Subject::Companion,
    mutant: "client:send_to_strangers",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for withheld in &evidence.record.withheld {
        let role = withheld.role.as_str();
        // A socket that is opened later was opened after another look.
        let late = evidence.connects().find(|(said, frame)| {
            let opened = evidence.wire.connection(said.conn);
            evidence.actor(said.conn) == withheld.actor
                && text(frame, "/params/role").unwrap_or("operator") == role
                && opened.is_some_and(|known| known.opened_us < withheld.t_us)
                && said.entry.t_us >= withheld.t_us
        });
        if let Some((said, _)) = late {
            let what = format!(
                "{} connected as {role} although it had just kept the credential back",
                withheld.actor
            );
            breaches.push(breach(what, &[said.n()]));
        }
    }
    breaches
}
