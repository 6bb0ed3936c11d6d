//! Payments: what staff see and do with money. The provider is called by workers, never here.

mod admin;
mod hooks;

use crate::gateway::Routes;

pub use hooks::SigningSecretsOf;

pub fn routes(routes: Routes) -> Routes {
    let routes = admin::routes(routes);
    hooks::routes(routes)
}
