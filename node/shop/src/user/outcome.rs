use serde::{Deserialize, Serialize};

use crate::ids::{ApiKeyId, ClientId, CustomerId, OrderId};

/// What commands of this slice answer: ids, because outcomes are kept and personal data must not be. Stored by
/// position: append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Customer {
        id: CustomerId,
        revision: u64,
    },
    Client {
        id: ClientId,
    },
    ApiKey {
        id: ApiKeyId,
    },
    /// Erased; `next`: orders of the customer behind this one may have personal data yet, send the command again from
    /// there.
    Erased {
        next: Option<OrderId>,
    },
}

impl From<Outcome> for crate::Outcome {
    fn from(outcome: Outcome) -> Self {
        Self::User(outcome)
    }
}
