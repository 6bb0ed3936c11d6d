//! Customers, API clients and their keys.

mod admin_customers;
mod clients;
mod customers;

use crate::gateway::Routes;

pub fn routes(routes: Routes) -> Routes {
    let routes = customers::routes(routes);
    let routes = admin_customers::routes(routes);
    clients::routes(routes)
}
