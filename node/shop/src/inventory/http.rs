//! Stock and locations in the HTTP API.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::broker::queries::Recorded;
use crate::catalog::Sku;
use crate::http::{Checks, Cursor, Limit};
use crate::ids::{LocationId, OrderId};
use crate::inventory::queries::Availability;
use crate::inventory::{
    AdjustStock, CreateLocation, Levels, Location, LocationBook, MAX_UNITS, Movement, Reason, SetStock,
    SetThresholds, StockLevel, TransferStock,
};
use crate::rejection::Rejection;
use crate::time::Timestamp;

/// The body of `POST /admin/v1/stock/set`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetStockInput {
    pub sku: Sku,
    /// The first location if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location_id: Option<LocationId>,
    #[schema(minimum = 0, maximum = 1000000000)]
    pub on_hand: i64,
    /// Compare and set: refused with `stock_changed` unless this is what is on hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_on_hand: Option<i64>,
}

impl SetStockInput {
    pub fn command(self) -> Result<SetStock, Rejection> {
        let mut checks = Checks::new();
        check_units(&mut checks, "/on_hand", self.on_hand, 0);
        checks.finish()?;
        let Self { sku, location_id: location, on_hand, if_on_hand } = self;
        Ok(SetStock { sku, location, on_hand, if_on_hand })
    }
}

/// The body of `POST /admin/v1/stock/adjust`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdjustStockInput {
    pub sku: Sku,
    /// The first location if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location_id: Option<LocationId>,
    #[schema(minimum = -1000000000, maximum = 1000000000, example = -3)]
    pub by: i64,
    /// A word for it, told in events: nothing personal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, example = "damaged")]
    pub reason: Option<String>,
}

impl AdjustStockInput {
    pub fn command(self) -> Result<AdjustStock, Rejection> {
        let mut checks = Checks::new();
        check_units(&mut checks, "/by", self.by, -MAX_UNITS);
        checks.optional_line("/reason", self.reason.as_deref(), 1..=64);
        checks.finish()?;
        let Self { sku, location_id: location, by, reason } = self;
        Ok(AdjustStock { sku, location, by, reason })
    }
}

/// The body of `POST /admin/v1/stock/transfer`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferStockInput {
    pub sku: Sku,
    pub from_location_id: LocationId,
    pub to_location_id: LocationId,
    #[schema(minimum = 1, maximum = 1000000000)]
    pub quantity: i64,
}

impl TransferStockInput {
    pub fn command(self) -> Result<TransferStock, Rejection> {
        let mut checks = Checks::new();
        check_units(&mut checks, "/quantity", self.quantity, 1);
        if self.from_location_id == self.to_location_id {
            checks.fail("/to_location_id", "both locations are the same");
        }
        checks.finish()?;
        let (from, to) = (self.from_location_id, self.to_location_id);
        Ok(TransferStock { sku: self.sku, from, to, quantity: self.quantity })
    }
}

/// The body of `POST /admin/v1/stock/thresholds`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ThresholdsInput {
    pub sku: Sku,
    /// The first location if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location_id: Option<LocationId>,
    /// Units kept back from sale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1000000000)]
    pub safety: Option<i64>,
    /// Available units at which `stock.low` is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1000000000)]
    pub low_at: Option<i64>,
}

impl ThresholdsInput {
    pub fn command(self) -> Result<SetThresholds, Rejection> {
        let mut checks = Checks::new();
        for (pointer, units) in [("/safety", self.safety), ("/low_at", self.low_at)] {
            if let Some(units) = units {
                check_units(&mut checks, pointer, units, 0);
            }
        }
        checks.finish()?;
        let Self { sku, location_id: location, safety, low_at } = self;
        Ok(SetThresholds { sku, location, safety, low_at })
    }
}

/// The body of `POST /admin/v1/locations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LocationInput {
    #[schema(min_length = 1, max_length = 100, example = "Berlin")]
    pub name: String,
}

impl LocationInput {
    pub fn command(self) -> Result<CreateLocation, Rejection> {
        let mut checks = Checks::new();
        checks.line("/name", &self.name, 1..=100);
        checks.finish()?;
        Ok(CreateLocation { name: self.name })
    }
}

fn check_units(checks: &mut Checks, pointer: &str, units: i64, least: i64) {
    if !(least..=MAX_UNITS).contains(&units) {
        checks.fail(pointer, format!("{least} to {MAX_UNITS} units are allowed"));
    }
}

/// A place with stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LocationView {
    pub id: LocationId,
    pub name: String,
    /// Meant where none is named.
    pub is_default: bool,
    pub created_at: Timestamp,
}

impl LocationView {
    pub fn of(location: &Location, default: Option<LocationId>) -> Self {
        let is_default = default == Some(location.id);
        Self { id: location.id, name: location.name.clone(), is_default, created_at: location.created_at }
    }

    /// All locations, the default first: they are few, so the list is one page.
    pub fn all(book: &LocationBook) -> Vec<Self> {
        let default = book.default_location();
        book.locations.iter().map(|location| Self::of(location, default)).collect()
    }
}

/// The stock of a SKU at a location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StockView {
    pub sku: Sku,
    pub location_id: LocationId,
    pub on_hand: i64,
    pub held: i64,
    pub committed: i64,
    pub safety: i64,
    pub low_at: i64,
    /// `on_hand − held − committed − safety`; not below 0 for the sake of the safety alone.
    pub available: i64,
}

impl From<&StockLevel> for StockView {
    fn from(level: &StockLevel) -> Self {
        let Levels { on_hand, held, committed } = level.row.levels;
        Self {
            sku: level.sku.clone(),
            location_id: level.location,
            on_hand,
            held,
            committed,
            safety: level.row.safety,
            low_at: level.row.low_at,
            available: level.row.available(),
        }
    }
}

/// What can be ordered of a SKU: `GET /store/v1/availability`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AvailabilityView {
    pub sku: Sku,
    /// Units over all locations; not below 0.
    pub available: i64,
    /// Whether one can be ordered now, from stock or beyond it.
    pub orderable: bool,
}

impl AvailabilityView {
    pub fn of(sku: Sku, availability: Availability) -> Self {
        Self { sku, available: availability.units.max(0), orderable: availability.orderable }
    }
}

/// A change of a stock row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MovementView {
    /// The sequence number of its event.
    pub seq: u64,
    /// The index of the log entry that did it.
    pub index: u64,
    pub at: Timestamp,
    /// `system`, `guest`, `worker`, `provider`, or the id of a client or an API key.
    pub actor: String,
    pub sku: Sku,
    pub location_id: LocationId,
    pub reason: Reason,
    pub order_id: Option<OrderId>,
    pub note: Option<String>,
    pub change: Levels,
    pub after: Levels,
}

impl From<&(Recorded, Movement)> for MovementView {
    fn from((recorded, movement): &(Recorded, Movement)) -> Self {
        Self {
            seq: recorded.seq,
            index: recorded.index,
            at: recorded.at,
            actor: recorded.actor.to_string(),
            sku: movement.sku.clone(),
            location_id: movement.location_id,
            reason: movement.reason,
            order_id: movement.order_id,
            note: movement.note.clone(),
            change: movement.change,
            after: movement.after,
        }
    }
}

/// The query of `GET /admin/v1/stock`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct StockQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// Only of this SKU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku: Option<Sku>,
}

/// The query of `GET /admin/v1/stock/movements`: of one row, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MovementsQuery {
    pub sku: Sku,
    /// The first location if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location_id: Option<LocationId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}
