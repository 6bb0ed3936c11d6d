//! The catalogue: what shoppers see, and how staff change it.

mod categories;
mod products;
mod store;

use crate::gateway::Routes;

pub fn routes(routes: Routes) -> Routes {
    let routes = store::routes(routes);
    let routes = products::routes(routes);
    categories::routes(routes)
}
