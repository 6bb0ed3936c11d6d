//! The queue of payments in parts, so that its work spreads over nodes: an order is always in the same one.

use shop::ids::OrderId;

/// How many there are. More or fewer would move orders between queues: it is for ever.
const PARTITIONS: u8 = 8;

/// The names of all of them: `payments-0` and on.
pub fn queues() -> Vec<String> {
    (0..PARTITIONS).map(name).collect()
}

/// The queue that an order's payments are in.
pub fn queue_of(order: OrderId) -> String {
    // FNV-1a (Fowler, Noll, Vo), 32 bits: ids of one moment differ in few bits.
    let hash = order
        .0
        .iter()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    name((hash % u32::from(PARTITIONS)) as u8)
}

fn name(partition: u8) -> String {
    format!("payments-{partition}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use shop::ids::OrderId;

    use super::{queue_of, queues};

    #[test]
    fn orders_spread_evenly_and_stay_where_they_are() {
        let mut shares = BTreeMap::<String, u32>::new();
        for n in 0..4_000u32 {
            let mut id = [7; 16];
            id[12..].copy_from_slice(&n.to_be_bytes());
            *shares.entry(queue_of(OrderId(id))).or_default() += 1;
        }
        assert_eq!(shares.keys().cloned().collect::<Vec<_>>(), queues());
        assert!(shares.values().all(|share| (300..=700).contains(share)), "{shares:?}");
        // Pinned: where an order is must not change with a release.
        assert_eq!(queue_of(OrderId([1; 16])), "payments-5");
    }
}
