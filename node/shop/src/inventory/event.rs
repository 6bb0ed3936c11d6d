//! What the inventory tells: every movement, and what became scarce.

use serde::{Deserialize, Serialize};

use crate::catalog::Sku;
use crate::event::Describe;
use crate::ids::LocationId;
use crate::inventory::{Movement, Reason};

/// Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    LocationCreated(LocationCreated),
    Moved(Movement),
    /// Few are left.
    Low(Alert),
    /// None is left.
    Out(Alert),
    /// There is some again.
    Back(Alert),
}

/// A location was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocationCreated {
    pub location_id: LocationId,
}

/// How much is left of a SKU at a location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    pub sku: Sku,
    pub location_id: LocationId,
    pub available: i64,
    pub on_hand: i64,
}

impl Describe for Event {
    fn kind(&self) -> String {
        let kind = match self {
            Self::LocationCreated(_) => "shopnode.location.created.v1",
            Self::Moved(movement) => match movement.reason {
                Reason::Set | Reason::Adjusted | Reason::Transferred => "shopnode.stock.adjusted.v1",
                Reason::Held => "shopnode.hold.created.v1",
                Reason::Committed => "shopnode.hold.committed.v1",
                Reason::Released => "shopnode.hold.released.v1",
                Reason::Expired => "shopnode.hold.expired.v1",
                Reason::Fulfilled => "shopnode.stock.fulfilled.v1",
            },
            Self::Low(_) => "shopnode.stock.low.v1",
            Self::Out(_) => "shopnode.stock.out.v1",
            Self::Back(_) => "shopnode.stock.back.v1",
        };
        kind.to_owned()
    }

    fn topic(&self) -> &str {
        "inventory"
    }

    fn key(&self) -> String {
        match self {
            Self::LocationCreated(created) => created.location_id.to_string(),
            Self::Moved(movement) => movement.sku.to_string(),
            Self::Low(alert) | Self::Out(alert) | Self::Back(alert) => alert.sku.to_string(),
        }
    }

    #[cfg(feature = "http")]
    fn data(&self) -> serde_json::Value {
        let data = match self {
            Self::LocationCreated(created) => serde_json::to_value(created),
            Self::Moved(movement) => serde_json::to_value(movement),
            Self::Low(alert) | Self::Out(alert) | Self::Back(alert) => serde_json::to_value(alert),
        };
        data.unwrap_or_default()
    }
}
