//! Who does the work of which queue.
//!
//! Each queue has a preferred node among those that take work, by rendezvous hashing (Thaler and Ravishankar, 1998): when
//! a node comes or goes, only its own queues move. The lease in the state says who really does it. A holder that is
//! there keeps it until it gives it back; from one that is gone, the preferred node takes it. Nodes may see each other
//! differently for a moment: a lease follows the one that its taker saw, or it is refused.

use std::collections::BTreeSet;

use raft::NodeId;
use sha2::{Digest, Sha256};
use shop::broker::Lease;

use crate::peers::Present;

/// The holder of a lease that was given back.
pub const NOBODY: NodeId = 0;

/// What a node should do about a queue whose lease it does not hold in this life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    Wait,
    /// Take the lease that follows this epoch.
    Take {
        after_epoch: u64,
    },
    /// It is recorded as the holder and is not the one to hold it.
    GiveBack {
        after_epoch: u64,
    },
}

/// The node of these that should do the work of `queue`.
pub fn preferred(queue: &str, willing: &BTreeSet<NodeId>) -> Option<NodeId> {
    willing.iter().copied().max_by_key(|node| weight(queue, *node))
}

fn weight(queue: &str, node: NodeId) -> [u8; 32] {
    Sha256::new().chain_update(node.to_be_bytes()).chain_update(queue).finalize().into()
}

/// What `own` should do about a queue with this lease.
pub fn decide(own: NodeId, queue: &str, present: &Present, lease: Option<&Lease>) -> Move {
    let (holder, after_epoch) = lease.map_or((NOBODY, 0), |lease| (lease.holder, lease.epoch));
    let is_preferred = preferred(queue, &present.willing) == Some(own);
    // One that is there hands over by itself.
    let is_held = holder != NOBODY && holder != own && present.workers.contains(&holder);
    match (is_preferred, is_held) {
        (true, false) => Move::Take { after_epoch },
        (false, _) if holder == own => Move::GiveBack { after_epoch },
        _ => Move::Wait,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use shop::Timestamp;
    use shop::broker::Lease;

    use super::{Move, NOBODY, decide, preferred};
    use crate::peers::Present;

    fn queues() -> impl Iterator<Item = String> {
        (0..64).map(|n| format!("queue-{n}"))
    }

    #[test]
    fn queues_spread_and_only_those_of_a_node_move_with_it() {
        let (three, two) = (BTreeSet::from([1, 2, 3]), BTreeSet::from([1, 3]));
        let mut shares = BTreeMap::<u64, u32>::new();
        for queue in queues() {
            let node = preferred(&queue, &three).unwrap();
            *shares.entry(node).or_default() += 1;
            if node != 2 {
                assert_eq!(preferred(&queue, &two), Some(node), "{queue}");
            }
        }
        assert!(shares.values().all(|share| *share >= 12), "{shares:?}");
        assert_eq!(preferred("queue", &BTreeSet::new()), None);
    }

    #[test]
    fn a_lease_moves_when_its_holder_is_gone_or_gave_it_back() {
        let present = |workers: &[u64], willing: &[u64]| Present {
            workers: workers.iter().copied().collect(),
            willing: willing.iter().copied().collect(),
        };
        let all = present(&[1, 2, 3], &[1, 2, 3]);
        let queue = queues().find(|queue| preferred(queue, &all.willing) == Some(1)).unwrap();
        let lease = |holder| Lease { holder, epoch: 7, acquired_at: Timestamp::from_millis(1) };
        let check = |own, present: &Present, holder: Option<u64>, expect| {
            let lease = holder.map(lease);
            assert_eq!(decide(own, &queue, present, lease.as_ref()), expect, "{own} {present:?} {lease:?}");
        };
        check(1, &all, None, Move::Take { after_epoch: 0 });
        check(1, &all, Some(NOBODY), Move::Take { after_epoch: 7 });
        // Its own, of an earlier life.
        check(1, &all, Some(1), Move::Take { after_epoch: 7 });
        check(1, &all, Some(2), Move::Wait);
        check(1, &present(&[1, 3], &[1, 3]), Some(2), Move::Take { after_epoch: 7 });
        // Node 2 drains: it still works, and gives back by itself.
        check(1, &present(&[1, 2, 3], &[1, 3]), Some(2), Move::Wait);
        check(2, &present(&[1, 2, 3], &[1, 3]), Some(2), Move::GiveBack { after_epoch: 7 });
        check(3, &all, None, Move::Wait);
        check(3, &all, Some(2), Move::Wait);
    }
}
