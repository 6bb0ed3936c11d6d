//! The catalogue: what shoppers see, and how staff change it.

mod categories;
mod images;
mod products;
mod store;

pub use images::no_image;

use crate::gateway::Routes;

pub fn routes(routes: Routes) -> Routes {
    let routes = store::routes(routes);
    let routes = products::routes(routes);
    let routes = images::routes(routes);
    categories::routes(routes)
}
