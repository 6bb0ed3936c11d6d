//! Orders that came with a backup. What the cluster before this one did for them after the backup is in no log of ours, and
//! the provider may have forgotten the keys of its calls: before money is moved for such an order, the provider is asked
//! what it knows.

use shop::order::Order;
use shop::{Timestamp, cluster};
use storage::{Fault, Read};

/// The first node of a cluster.
const FIRST: u64 = 1;

/// When this cluster was made. A restored shop has none of the old cluster's nodes, and the record of a first node is kept for
/// good.
pub fn made_at(view: &impl Read) -> Result<Option<Timestamp>, Fault> {
    Ok(cluster::node(view, FIRST)?.map(|first| first.joined_at))
}

/// When this cluster was made, if the order is older than that: then it came with a backup.
pub fn since(view: &impl Read, order: &Order) -> Result<Option<Timestamp>, Fault> {
    Ok(made_at(view)?.filter(|made| order.created_at <= *made))
}
