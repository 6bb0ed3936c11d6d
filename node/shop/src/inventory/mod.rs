//! The inventory slice: locations, stock per SKU and location, and what orders claim of it.
//!
//! It owns the rule that nothing is promised twice. It never knows prices, payments or customers.

mod commands;
mod event;
mod hold;
#[cfg(feature = "http")]
pub mod http;
mod model;
mod movement;
pub mod queries;

use serde::{Deserialize, Serialize};

use crate::ids::LocationId;

pub use commands::{AdjustStock, Command, CreateLocation, SetStock, SetThresholds, TransferStock};
pub use event::{Alert, Event, LocationCreated};
pub use hold::{Claim, Demand, Held, Shortage};
pub(crate) use hold::{Outstanding, add_to, claim, commit, fulfil, outstanding, release};
pub use model::{
    Allocation, DEFAULT_LOW_AT, Levels, Location, LocationBook, Locations, MAX_LOCATIONS, MAX_UNITS, Stock,
    StockRow,
};
pub use movement::{Movement, Reason, fold};

/// What the inventory's commands answer. Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    LocationCreated(Location),
    /// The rows that were changed, as they are now.
    Stock(Vec<StockLevel>),
}

/// One row of stock with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockLevel {
    pub sku: crate::catalog::Sku,
    pub location: LocationId,
    pub row: StockRow,
}
