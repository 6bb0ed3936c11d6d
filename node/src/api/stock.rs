//! Stock and locations: what shoppers can order, and what staff count.

use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shop::catalog::{ParseSkuError, Sku};
use shop::http::{Cursor, Page};
use shop::ids::LocationId;
use shop::inventory::http::{
    AdjustStockInput, AvailabilityView, LocationInput, LocationView, MovementView, MovementsQuery,
    SetStockInput, StockQuery, StockView, ThresholdsInput, TransferStockInput,
};
use shop::inventory::{self, queries};
use shop::user::Scope;
use shop::{Code, Command, Outcome};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use crate::gateway::{Call, Done, Json, Policy, Problem, Query, Routes, unexpected};

pub fn routes(routes: Routes) -> Routes {
    let write = Policy::only(Scope::StockWrite);
    routes
        .add(routes!(availability), Policy::open())
        .add(routes!(list), Policy::only(Scope::StockRead))
        .add(routes!(movements), Policy::only(Scope::StockRead))
        .add(routes!(set), write.key_required())
        .add(routes!(adjust), write.key_required())
        .add(routes!(transfer), write.key_required())
        .add(routes!(thresholds), write.key_required())
        .add(routes!(locations), Policy::only(Scope::StockRead))
        .add(routes!(create_location), write)
}

/// The query of `GET /store/v1/availability`.
#[derive(Debug, Clone, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AvailabilityQuery {
    /// 1 to 100 SKUs with commas between them.
    #[param(example = "TEA-1,TEA-2", min_length = 1, max_length = 6500)]
    pub sku: String,
}

/// The most SKUs that are asked for at once.
const MOST_SKUS: usize = 100;

/// What can be ordered of SKUs now. Those that are not for sale are left out.
#[utoipa::path(
    get, path = "/store/v1/availability", tag = "store", operation_id = "get_availability",
    params(AvailabilityQuery),
    responses((status = 200, description = "Units over all locations", body = Page<AvailabilityView>))
)]
async fn availability(call: Call, Query(query): Query<AvailabilityQuery>) -> Result<Response, Problem> {
    let invalid = |detail: String| Problem::new(Code::InvalidParameter, format!("sku: {detail}"));
    let skus: Result<Vec<Sku>, _> = query.sku.split(',').take(MOST_SKUS + 1).map(str::parse).collect();
    let skus = skus.map_err(|error: ParseSkuError| invalid(error.to_string()))?;
    if skus.len() > MOST_SKUS {
        return Err(invalid(format!("at most {MOST_SKUS} at once")));
    }
    let seen = call.read(move |view| {
        let mut data = Vec::new();
        for sku in skus {
            let found = queries::availability(view, &sku)?;
            data.extend(found.map(|found| AvailabilityView::of(sku, found)));
        }
        Ok(Page { data, next_cursor: None })
    });
    seen.await?.answer()
}

/// Lists stock by SKU and location; of one SKU, all its rows.
#[utoipa::path(
    get, path = "/admin/v1/stock", tag = "stock", operation_id = "list_stock",
    params(StockQuery),
    responses((status = 200, description = "Rows of stock", body = Page<StockView>))
)]
async fn list(call: Call, Query(query): Query<StockQuery>) -> Result<Response, Problem> {
    let after: Option<(Sku, LocationId)> = query.cursor.as_ref().map(Cursor::key).transpose()?;
    let limit = query.limit.unwrap_or_default().get();
    let seen = call.read(move |view| match &query.sku {
        // At most one row for each location, and those are few.
        Some(sku) => {
            let data = queries::stock_of(view, sku)?.iter().map(StockView::from).collect();
            Ok(Page { data, next_cursor: None })
        }
        None => Ok(Page::of(queries::list(view, after, limit)?, |level| StockView::from(&level))),
    });
    seen.await?.answer()
}

/// Lists the movements of a SKU at a location, newest first.
#[utoipa::path(
    get, path = "/admin/v1/stock/movements", tag = "stock", operation_id = "list_movements",
    params(MovementsQuery),
    responses((status = 200, description = "Movements", body = Page<MovementView>))
)]
async fn movements(call: Call, Query(query): Query<MovementsQuery>) -> Result<Response, Problem> {
    let from: Option<u64> = query.cursor.as_ref().map(Cursor::key).transpose()?;
    let limit = query.limit.unwrap_or_default().get();
    let seen = call.read(move |view| {
        let location = query.location_id.or(queries::locations(view)?.default_location());
        let rows = queries::stock_of(view, &query.sku)?;
        let row = rows.iter().find(|level| Some(level.location) == location);
        // A cursor is a place in the feed: only one of this very row's movements may be read on from.
        let from = match (row, from) {
            (None, _) => 0,
            (Some(row), None) => row.row.last_movement,
            (Some(row), Some(from)) => checked(view, row, from)?,
        };
        Ok(Page::of(queries::movements(view, from, limit)?, |found| MovementView::from(&found)))
    });
    seen.await?.answer()
}

fn checked(view: &storage::View<'_>, row: &inventory::StockLevel, from: u64) -> Result<u64, Problem> {
    let recorded = shop::broker::queries::event_at(view, from)?;
    let of_row = recorded.is_none_or(|recorded| match recorded.event {
        shop::Event::Inventory(inventory::Event::Moved(movement)) => {
            movement.sku == row.sku && movement.location_id == row.location
        }
        _ => false,
    });
    let refuse = || Problem::new(Code::InvalidParameter, "cursor: this is no cursor of this list");
    of_row.then_some(from).ok_or_else(refuse)
}

/// Sets what is on hand of a SKU; with `if_on_hand` only if that is what is there.
#[utoipa::path(
    post, path = "/admin/v1/stock/set", tag = "stock", operation_id = "set_stock",
    request_body = SetStockInput,
    responses((status = 200, description = "The row as it is now", body = StockView))
)]
async fn set(call: Call, body: Json<SetStockInput>) -> Result<Response, Problem> {
    one_row(&call, body.value.command()?.into(), body.fingerprint).await
}

/// Adds to or takes from what is on hand of a SKU.
#[utoipa::path(
    post, path = "/admin/v1/stock/adjust", tag = "stock", operation_id = "adjust_stock",
    request_body = AdjustStockInput,
    responses((status = 200, description = "The row as it is now", body = StockView))
)]
async fn adjust(call: Call, body: Json<AdjustStockInput>) -> Result<Response, Problem> {
    one_row(&call, body.value.command()?.into(), body.fingerprint).await
}

/// Moves units of a SKU from one location to another.
#[utoipa::path(
    post, path = "/admin/v1/stock/transfer", tag = "stock", operation_id = "transfer_stock",
    request_body = TransferStockInput,
    responses((status = 200, description = "Both rows as they are now", body = Page<StockView>))
)]
async fn transfer(call: Call, body: Json<TransferStockInput>) -> Result<Response, Problem> {
    let done = call
        .carry_out(body.value.command()?, body.fingerprint)
        .await
        .map_err(|problem| problem.renamed("/from", "/from_location_id").renamed("/to", "/to_location_id"))?;
    done.answer(StatusCode::OK, &Page { data: rows_of(&done)?, next_cursor: None })
}

/// Sets how much of a SKU is kept back, and when it is low.
#[utoipa::path(
    post, path = "/admin/v1/stock/thresholds", tag = "stock", operation_id = "set_stock_thresholds",
    request_body = ThresholdsInput,
    responses((status = 200, description = "The row as it is now", body = StockView))
)]
async fn thresholds(call: Call, body: Json<ThresholdsInput>) -> Result<Response, Problem> {
    one_row(&call, body.value.command()?.into(), body.fingerprint).await
}

/// Lists the locations, the default one first: they are few.
#[utoipa::path(
    get, path = "/admin/v1/locations", tag = "stock", operation_id = "list_locations",
    responses((status = 200, description = "Locations", body = Page<LocationView>))
)]
async fn locations(call: Call) -> Result<Response, Problem> {
    let seen =
        call.read(|view| Ok(Page { data: LocationView::all(&queries::locations(view)?), next_cursor: None }));
    seen.await?.answer()
}

/// Creates a location.
#[utoipa::path(
    post, path = "/admin/v1/locations", tag = "stock", operation_id = "create_location",
    request_body = LocationInput,
    responses((status = 201, description = "The location", body = LocationView))
)]
async fn create_location(call: Call, body: Json<LocationInput>) -> Result<Response, Problem> {
    let done = call.carry_out(body.value.command()?, body.fingerprint).await?;
    match &done.outcome {
        Outcome::Inventory(inventory::Outcome::LocationCreated(location)) => {
            // The first one is the default for good, so that the answer is the same whenever it is given.
            let default =
                call.read_after(done.index, |view| Ok(queries::locations(view)?.default_location()));
            let view = LocationView::of(location, default.await?.value);
            done.created("/admin/v1/locations", &view)
        }
        other => Err(unexpected(other)),
    }
}

async fn one_row(call: &Call, command: Command, fingerprint: [u8; 32]) -> Result<Response, Problem> {
    let done = call.carry_out(command, fingerprint).await?;
    match rows_of(&done)?.first() {
        Some(row) => done.answer(StatusCode::OK, row),
        None => Err(unexpected(&done.outcome)),
    }
}

fn rows_of(done: &Done) -> Result<Vec<StockView>, Problem> {
    match &done.outcome {
        Outcome::Inventory(inventory::Outcome::Stock(rows)) => Ok(rows.iter().map(StockView::from).collect()),
        other => Err(unexpected(other)),
    }
}
