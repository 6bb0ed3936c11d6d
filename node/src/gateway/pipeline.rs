//! The one way of a request through the gateway, outermost step first.

use axum::Router;
use axum::middleware::from_fn_with_state;
use tower::ServiceBuilder;

use super::app::App;
use super::{authenticate, hygiene, limits, observe, rate_limit};

/// A request in, an answer out: always an answer.
pub type Pipeline = Router;

/// The last of the steps, for reads that another node has passed on after it did the others.
pub fn for_peers(app: App) -> Router {
    let (routes, _) = crate::api::router(&app);
    let known = from_fn_with_state(app.clone(), authenticate::authenticate);
    Router::new().fallback_service(routes.with_state(app)).layer(known)
}

/// Puts the steps together.
pub fn pipeline(app: App) -> Pipeline {
    let steps = ServiceBuilder::new()
        // Names the request, writes problems, logs, counts, and survives panics.
        .layer(from_fn_with_state(app.clone(), observe::observe))
        .layer(from_fn_with_state(app.clone(), limits::limit))
        .layer(from_fn_with_state(app.clone(), hygiene::clean))
        .layer(from_fn_with_state(app.clone(), rate_limit::admit))
        .layer(from_fn_with_state(app.clone(), authenticate::authenticate));
    // Each route is wrapped in `route::admit`, which authorizes by scope and checks what the document says of it.
    let (routes, _) = crate::api::router(&app);
    // A router of its own around the routes, so that the steps come before routing and hold for unknown paths too.
    Router::new().fallback_service(routes.with_state(app)).layer(steps)
}
