//! The authorization server: OAuth 2 client credentials (RFC 6749, section 4.4), its metadata (RFC 8414) and the keys
//! that its tokens are checked with (RFC 7517).

mod form;
mod metadata;
mod refusal;
mod token;

use crate::gateway::Routes;

pub fn routes(routes: Routes) -> Routes {
    let routes = token::routes(routes);
    metadata::routes(routes)
}
