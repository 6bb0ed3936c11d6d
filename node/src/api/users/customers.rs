//! Customers, for the client that created them. Another one's customer is not there.

use axum::response::Response;
use http::StatusCode;
use serde_json::Value;
use shop::Code;
use shop::ids::{ClientId, CustomerId};
use shop::user::http::{CustomerInput, CustomerView, patch_customer};
use shop::user::{EraseCustomer, Outcome, Scope, customer};
use utoipa_axum::routes;

use crate::gateway::{Call, Json, PathId, Policy, Problem, Routes, Seen, Tagged, unexpected};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(routes!(create), Policy::guest_or(Scope::CustomersWrite))
        .add(routes!(get), Policy::only(Scope::CustomersRead))
        .add(routes!(patch), Policy::only(Scope::CustomersWrite))
        .add(routes!(erase), Policy::only(Scope::CustomersWrite))
}

/// Creates a customer.
#[utoipa::path(
    post, path = "/store/v1/customers", tag = "store", operation_id = "create_customer",
    request_body = CustomerInput,
    responses((status = 201, description = "The customer", body = CustomerView))
)]
async fn create(call: Call, body: Json<CustomerInput>) -> Result<Response, Problem> {
    let command = body.value.command(call.principal.client())?;
    let personal = Some(command.personal.clone());
    let done = call.carry_out(command, body.fingerprint).await?;
    match &done.outcome {
        // Outcomes are kept and personal data must not be: the view is made of the request, which is the same again.
        shop::Outcome::User(Outcome::Customer { id, revision }) => {
            let customer = shop::user::Customer {
                owner: call.principal.client(),
                created_at: done.at,
                updated_at: done.at,
                erased_at: None,
                revision: *revision,
                personal,
            };
            done.created(&format!("/store/v1/customers/{id}"), &CustomerView::of(*id, &customer))
        }
        other => Err(unexpected(other)),
    }
}

/// One customer.
#[utoipa::path(
    get, path = "/store/v1/customers/{id}", tag = "store", operation_id = "get_customer",
    params(("id" = CustomerId, Path)),
    responses((status = 200, description = "The customer", body = CustomerView), (status = 304, description = "Not changed"))
)]
async fn get(call: Call, PathId(id): PathId<CustomerId>) -> Result<Response, Problem> {
    let seen = find(&call, id).await?;
    seen.answer_revision(seen.value.revision, &call)
}

/// Changes a customer by a merge patch (RFC 7396).
#[utoipa::path(
    patch, path = "/store/v1/customers/{id}", tag = "store", operation_id = "patch_customer",
    params(("id" = CustomerId, Path)),
    request_body(content = CustomerInput, content_type = "application/merge-patch+json", description = "Any of the members; null removes one"),
    responses((status = 200, description = "The customer as it is now", body = CustomerView))
)]
async fn patch(call: Call, PathId(id): PathId<CustomerId>, body: Json<Value>) -> Result<Response, Problem> {
    let client = call.principal.client();
    let current = call.read(move |view| customer(view, id, client)?.ok_or_else(missing)).await?.value;
    let command = patch_customer(id, &current, client, body.value)?;
    let personal = Some(command.personal.clone());
    let done = call.carry_out(command, body.fingerprint).await?;
    match &done.outcome {
        shop::Outcome::User(Outcome::Customer { revision, .. }) => {
            let changed =
                shop::user::Customer { revision: *revision, updated_at: done.at, personal, ..current };
            done.answer(StatusCode::OK, &CustomerView::of(id, &changed))?.tagged(*revision)
        }
        other => Err(unexpected(other)),
    }
}

/// Erases the personal data of a customer.
#[utoipa::path(
    delete, path = "/store/v1/customers/{id}", tag = "store", operation_id = "erase_own_customer",
    params(("id" = CustomerId, Path)),
    responses((status = 204, description = "Erased"))
)]
async fn erase(call: Call, PathId(id): PathId<CustomerId>) -> Result<Response, Problem> {
    let client = call.principal.client();
    erase_whole(&call, id, client).await
}

pub(super) fn missing() -> Problem {
    Problem::new(Code::NotFound, "there is no such customer, or it is not yours")
}

async fn find(call: &Call, id: CustomerId) -> Result<Seen<CustomerView>, Problem> {
    let client = call.principal.client();
    call.read(move |view| Ok(CustomerView::of(id, &customer(view, id, client)?.ok_or_else(missing)?))).await
}

/// The most commands that one request sends: 100 orders each.
const ERASE_STEPS: usize = 64;

/// Erases a customer, of this client if one is named, and its orders, a bounded number at a time. Stopped half-way, it can
/// be asked for again.
pub(super) async fn erase_whole(
    call: &Call,
    id: CustomerId,
    client: Option<ClientId>,
) -> Result<Response, Problem> {
    let command = |orders_after| EraseCustomer { id, client, orders_after };
    let first = call.carry_out(command(None), call.no_body()).await?;
    let mut outcome = first.outcome.clone();
    for _ in 0..ERASE_STEPS {
        match outcome {
            shop::Outcome::User(Outcome::Erased { next: Some(next) }) => {
                outcome = call.carry_on(command(Some(next))).await?.outcome;
            }
            _ => return Ok(first.no_content()),
        }
    }
    let detail = "the customer has very many orders: erase again, with a fresh key, to go on";
    Err(Problem::new(Code::OutcomeUnknown, detail).retry_after(1))
}
