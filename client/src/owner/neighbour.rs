//! Whether two ports of this computer belong to one process: what a gateway serves beside its own port, or `ssh` forwards
//! beside it, is served by the same process. ref: client-behaviour.md §22.1

use crate::tunnel::{Listeners, Owner};

/// Whether exactly one process, and one that may be looked at, has everything that loopback reaches on both ports.
pub fn is_one_process(listeners: &impl Listeners, one: u16, other: u16) -> bool {
    let first = only_owner(listeners, one);
    first.is_some() && first == only_owner(listeners, other)
}

fn only_owner(listeners: &impl Listeners, port: u16) -> Option<Owner> {
    let found = listeners.on_port(port).ok()?;
    let mut owners = found.iter().filter_map(|listener| {
        let address = listener.address.to_canonical();
        (address.is_loopback() || address.is_unspecified()).then_some(listener.owner)
    });
    let owner = owners.next()??;
    owners.all(|other| other == Some(owner)).then_some(owner)
}

#[cfg(test)]
mod tests {
    use std::io;

    use rstest::rstest;

    use super::*;
    use crate::tunnel::Listener;

    const GATEWAY: Owner = Owner { pid: 7, started: 1 };
    const STRANGER: Owner = Owner { pid: 8, started: 1 };

    /// Who listens on port 2; on port 1 it is the gateway.
    struct Beside(Vec<(&'static str, Option<Owner>)>);

    impl Listeners for Beside {
        fn on_port(&self, port: u16) -> io::Result<Vec<Listener>> {
            let gateway = vec![("127.0.0.1", Some(GATEWAY))];
            let found = match port {
                1 => &gateway,
                2 => &self.0,
                _ => return Err(io::Error::other("the table can't be read")),
            };
            let listener = |(address, owner): &(&str, Option<Owner>)| Listener {
                address: address.parse().unwrap(),
                owner: *owner,
            };
            Ok(found.iter().map(listener).collect())
        }

        fn process(&self, _pid: u32) -> Option<Owner> {
            None
        }
    }

    #[rstest]
    #[case::the_gateway(&[("127.0.0.1", Some(GATEWAY)), ("::1", Some(GATEWAY))], true)]
    #[case::on_the_network_too(&[("127.0.0.1", Some(GATEWAY)), ("192.0.2.1", Some(STRANGER))], true)]
    #[case::nobody(&[], false)]
    #[case::stranger(&[("127.0.0.1", Some(STRANGER))], false)]
    #[case::somebody_else_too(&[("127.0.0.1", Some(GATEWAY)), ("::1", Some(STRANGER))], false)]
    #[case::not_to_be_looked_at(&[("127.0.0.1", None)], false)]
    fn only_the_gateways_own_process_is_its_neighbour(
        #[case] beside: &[(&'static str, Option<Owner>)],
        #[case] expected: bool,
    ) {
        assert_eq!(is_one_process(&Beside(beside.to_vec()), 1, 2), expected);
    }

    #[test]
    fn a_table_that_can_not_be_read_proves_nothing() {
        assert!(!is_one_process(&Beside(Vec::new()), 3, 3));
    }
}
