//! What a command answers. Stored with idempotency keys, so that a repeated request gets the same body. Append-only.

use serde::{Deserialize, Serialize};

use crate::{broker, cart, catalog, cluster, inventory, order, payment, sms, user};

/// The result of a command that was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Nothing to say but that it is done (or needed no doing).
    Done,
    User(user::Outcome),
    Catalog(catalog::Outcome),
    Inventory(inventory::Outcome),
    Cart(cart::Outcome),
    Order(order::Outcome),
    Payment(payment::Outcome),
    Broker(broker::Outcome),
    Cluster(cluster::Outcome),
    Sms(sms::Outcome),
}
