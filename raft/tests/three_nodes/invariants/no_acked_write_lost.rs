//! An acknowledged command is in every node's state, at the index that was acknowledged, whatever crashed since.

use raft::Host;

use crate::journal::line;

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    pub index: u64,
    pub command: Vec<u8>,
}

pub fn check(host: &Host, acknowledged: &[Acknowledged]) {
    for ack in acknowledged {
        let found = line(host, ack.index).map(|line| line.command);
        assert_eq!(found.as_ref(), Some(&ack.command), "at index {}", ack.index);
    }
}
