//! Customers, for staff: all of them.

use axum::response::Response;
use serde::{Deserialize, Serialize};
use shop::Code;
use shop::http::{Cursor, Limit, Page};
use shop::ids::{ClientId, CustomerId};
use shop::order::http::OrderView;
use shop::order::queries::{OwnedKey, list_of_owner};
use shop::user::http::{CustomerView, CustomersQuery};
use shop::user::{Scope, customer, customers};
use storage::View;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::customers::{erase_whole, missing};
use crate::gateway::{Call, PathId, Policy, Problem, Query, Routes};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(routes!(list), Policy::staff(Scope::CustomersRead))
        .add(routes!(get), Policy::staff(Scope::CustomersRead))
        .add(routes!(export), Policy::staff(Scope::CustomersRead))
        .add(routes!(erase), Policy::staff(Scope::CustomersWrite))
}

/// Lists customers.
#[utoipa::path(
    get, path = "/admin/v1/customers", tag = "customers", operation_id = "list_customers",
    params(CustomersQuery),
    responses((status = 200, description = "Customers", body = Page<CustomerView>))
)]
async fn list(call: Call, Query(query): Query<CustomersQuery>) -> Result<Response, Problem> {
    let (filter, after, limit) = query.read()?;
    let seen = call.read(move |view| {
        Ok(Page::of(customers(view, &filter, after, limit)?, |(id, customer)| {
            CustomerView::of(id, &customer)
        }))
    });
    seen.await?.answer()
}

/// One customer.
#[utoipa::path(
    get, path = "/admin/v1/customers/{id}", tag = "customers", operation_id = "get_any_customer",
    params(("id" = CustomerId, Path)),
    responses((status = 200, description = "The customer", body = CustomerView), (status = 304, description = "Not changed"))
)]
async fn get(call: Call, PathId(id): PathId<CustomerId>) -> Result<Response, Problem> {
    let seen = call
        .read(move |view| Ok(CustomerView::of(id, &customer(view, id, None)?.ok_or_else(missing)?)))
        .await?;
    seen.answer_revision(seen.value.revision, &call)
}

/// The query of `GET /admin/v1/customers/{id}/export`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// Orders on a page.
    pub limit: Option<Limit>,
    pub cursor: Option<Cursor>,
}

/// All that the shop keeps about a customer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CustomerExport {
    pub customer: CustomerView,
    /// Page by page.
    pub orders: Page<OrderView>,
}

/// All that the shop keeps about a customer: what somebody may ask for by law.
#[utoipa::path(
    get, path = "/admin/v1/customers/{id}/export", tag = "customers", operation_id = "export_customer",
    params(("id" = CustomerId, Path), ExportQuery),
    responses((status = 200, description = "The customer and a page of its orders", body = CustomerExport))
)]
async fn export(
    call: Call,
    PathId(id): PathId<CustomerId>,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    let after: Option<OwnedKey> = query.cursor.as_ref().map(Cursor::key).transpose()?;
    let limit = query.limit.unwrap_or_default().get();
    let seen = call.read(move |view| {
        let found = customer(view, id, None)?.ok_or_else(missing)?;
        let orders = orders_of(view, found.owner, id, after, limit)?;
        Ok(CustomerExport { customer: CustomerView::of(id, &found), orders })
    });
    seen.await?.answer()
}

/// Orders that the customer's client placed, then those that staff did.
fn orders_of(
    view: &View<'_>,
    owner: Option<ClientId>,
    id: CustomerId,
    after: Option<OwnedKey>,
    limit: usize,
) -> Result<Page<OrderView>, Problem> {
    let mut placers = vec![owner];
    placers.extend(owner.map(|_| None));
    if let Some((placer, customer, _)) = after {
        let place = placers.iter().position(|known| *known == placer).filter(|_| customer == Some(id));
        let foreign = || Problem::new(Code::InvalidParameter, "cursor: this is no cursor of this list");
        placers.drain(..place.ok_or_else(foreign)?);
    }
    let (mut data, mut after) = (Vec::new(), after);
    for placer in placers {
        let found = list_of_owner(view, placer, Some(id), false, after.take(), limit - data.len())?;
        data.extend(found.items.iter().map(|(order, found)| (placer, *order, OrderView::of(*order, found))));
        if found.next.is_some() || data.len() == limit {
            let next = data.last().map(|(placer, order, _)| Cursor::at(&(*placer, Some(id), *order)));
            return Ok(Page { data: data.into_iter().map(|(_, _, view)| view).collect(), next_cursor: next });
        }
    }
    Ok(Page { data: data.into_iter().map(|(_, _, view)| view).collect(), next_cursor: None })
}

/// Erases the personal data of a customer, also in its orders.
#[utoipa::path(
    post, path = "/admin/v1/customers/{id}/erase", tag = "customers", operation_id = "erase_customer",
    params(("id" = CustomerId, Path)),
    responses((status = 204, description = "Erased"))
)]
async fn erase(call: Call, PathId(id): PathId<CustomerId>) -> Result<Response, Problem> {
    // Staff may be a client, too, one that may do everything: the customer need not be its own.
    erase_whole(&call, id, None).await
}
