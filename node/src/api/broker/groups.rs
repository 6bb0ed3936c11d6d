//! Consumer groups and how far they are.

use axum::response::Response;
use shop::broker::http::{GroupView, GroupsQuery};
use shop::broker::queries;
use shop::http::Page;
use shop::user::Scope;
use utoipa_axum::routes;

use crate::gateway::{Call, Policy, Problem, Query, Routes};

pub fn routes(routes: Routes) -> Routes {
    routes.add(routes!(list), Policy::only(Scope::EventsRead))
}

/// Lists the consumer groups with their positions and lag.
#[utoipa::path(
    get, path = "/admin/v1/groups", tag = "events", operation_id = "list_groups",
    params(GroupsQuery),
    responses((status = 200, description = "Groups", body = Page<GroupView>))
)]
async fn list(call: Call, Query(query): Query<GroupsQuery>) -> Result<Response, Problem> {
    let (after, limit) = query.read()?;
    let seen = call.read(move |view| {
        let last = queries::last_seq(view)?;
        let found = queries::groups(view, after, limit)?.try_map(|(name, group)| {
            let offsets = queries::offsets(view, &name)?;
            Ok(GroupView::of(name, group, offsets, last))
        })?;
        Ok(Page::of(found, |view| view))
    });
    seen.await?.answer()
}
