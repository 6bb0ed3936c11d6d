//! The routes, one file a slice. A handler parses, submits commands, renders; it decides nothing but whose an object is.

mod backups;
mod broker;
mod carts;
mod catalog;
pub mod cluster;
mod errors;
mod imports;
mod jobs;
mod join_tokens;
mod notifications;
mod oauth;
mod openapi;
mod orders;
mod payments;
mod probes;
mod sms;
mod stock;
mod users;

pub use jobs::{Jobs, end_lost_jobs};
pub use payments::SigningSecretsOf;

use shop::Code;

use crate::gateway::{App, Problem, Routes, document};

/// Every route, one line a slice.
fn all(app: &App) -> Routes {
    let routes = Routes::new(app, document(app));
    let routes = probes::routes(routes);
    let routes = errors::routes(routes);
    let routes = openapi::routes(routes);
    let routes = oauth::routes(routes);
    let routes = catalog::routes(routes);
    let routes = imports::routes(routes);
    let routes = users::routes(routes);
    let routes = stock::routes(routes);
    let routes = carts::routes(routes);
    let routes = orders::routes(routes);
    let routes = payments::routes(routes);
    let routes = notifications::routes(routes);
    let routes = sms::routes(routes);
    let routes = broker::routes(routes);
    let routes = backups::routes(routes);
    let routes = join_tokens::routes(routes);
    cluster::routes(routes)
}

/// All routes and their document.
pub fn router(app: &App) -> (axum::Router<App>, utoipa::openapi::OpenApi) {
    let (router, document) = all(app).split();
    let text = openapi::text(&document);
    let router = router
        .layer(axum::Extension(text))
        .fallback(async || Problem::new(Code::NotFound, "no route has this path"))
        .method_not_allowed_fallback(async || {
            Problem::new(Code::MethodNotAllowed, "this path does not take this method")
        });
    (router, document)
}

#[cfg(test)]
mod tests {
    use crate::gateway::testing::Bench;

    #[test]
    fn no_two_types_are_documented_under_one_name() {
        let routes = super::all(&Bench::new().app);
        assert!(routes.clashes().is_empty(), "{:?}", routes.clashes());
    }
}
