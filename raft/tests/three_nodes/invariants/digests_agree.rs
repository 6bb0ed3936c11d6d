//! Two nodes that know a digest at the same index know the same one, at any time, not only at the end.

use std::collections::BTreeMap;

use raft::Host;
use storage::Digests;

/// Every digest that any node has ever shown.
#[derive(Default)]
pub struct Seen(BTreeMap<u64, Digests>);

impl Seen {
    pub fn look(&mut self, host: &Host) {
        for (index, digest) in host.digests() {
            let first = self.0.entry(index).or_insert_with(|| digest.clone());
            assert_eq!(*first, digest, "two states at index {index}");
        }
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// At rest all states are equal as a whole.
pub fn check(hosts: &[Host]) {
    let expect = hosts[0].view().digests().clone();
    for host in hosts {
        assert_eq!(*host.view().digests(), expect);
    }
}
