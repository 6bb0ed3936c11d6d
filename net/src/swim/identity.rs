//! Who a node is in the gossip.

use serde::{Deserialize, Serialize};

use crate::transport::NodeId;

/// The longest address: three identities and their surroundings must fit into a datagram.
const MAX_ADDRESS_BYTES: usize = 200;

/// A node in one of its lives. The order of the fields is the format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub node: NodeId,
    /// Grows with each life, and each time that the node was wrongly declared down.
    pub generation: u64,
    /// How often the latter has happened.
    renewed: u8,
    /// Where it serves.
    pub address: String,
}

impl Identity {
    pub(super) fn new(node: NodeId, generation: u64, address: &str) -> Identity {
        let cut = (0..=MAX_ADDRESS_BYTES.min(address.len())).rev().find(|at| address.is_char_boundary(*at));
        let address = address.get(..cut.unwrap_or(0)).unwrap_or_default().to_owned();
        Identity { node, generation, renewed: 0, address }
    }

    /// Somebody of whom only the log has told.
    pub(super) fn introduced(node: NodeId, address: &str) -> Identity {
        Identity::new(node, 0, address)
    }
}

impl foca::Identity for Identity {
    type Addr = NodeId;

    /// In ever longer steps: a node whose clock was set back between two lives soon overtakes the earlier one.
    fn renew(&self) -> Option<Identity> {
        let step = 1u64 << self.renewed.min(40);
        Some(Identity {
            generation: self.generation.saturating_add(step),
            renewed: self.renewed.saturating_add(1),
            ..self.clone()
        })
    }

    fn addr(&self) -> NodeId {
        self.node
    }

    fn win_addr_conflict(&self, adversary: &Identity) -> bool {
        self.generation > adversary.generation
    }
}

#[cfg(test)]
mod tests {
    use foca::Identity as _;

    use super::Identity;

    #[test]
    fn a_renewed_life_overrules_even_one_of_a_clock_that_was_ahead() {
        let day_ms = 24 * 3_600_000;
        let earlier = Identity::new(7, 1_800_000_000_000 + 30 * day_ms, "a:1");
        let mut now = Identity::new(7, 1_800_000_000_000, "a:1");
        let mut renewals = 0;
        while !now.win_addr_conflict(&earlier) {
            now = now.renew().unwrap();
            renewals += 1;
        }
        assert!(renewals < 40, "{renewals}");
        assert!(!earlier.win_addr_conflict(&now));
    }

    #[test]
    fn an_address_is_bounded() {
        assert_eq!(Identity::new(1, 1, &"ä".repeat(150)).address.len(), 200);
        assert_eq!(Identity::new(1, 1, "host:1").address, "host:1");
    }
}
