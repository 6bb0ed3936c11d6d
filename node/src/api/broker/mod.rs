//! The event feed, topics, consumer groups, jobs and settings.

mod events;
mod groups;
mod jobs;
mod settings;
mod topics;

use crate::gateway::Routes;

pub fn routes(routes: Routes) -> Routes {
    let routes = events::routes(routes);
    let routes = topics::routes(routes);
    let routes = groups::routes(routes);
    let routes = jobs::routes(routes);
    settings::routes(routes)
}
