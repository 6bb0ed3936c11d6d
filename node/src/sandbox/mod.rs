//! A card processor for trying things out: it speaks Stripe's protocol over real HTTP, charges nobody, and fails as
//! real ones do, when told to.
//!
//! `card_ok`, `card_declined`, `card_3ds`, `card_slow` and `card_drop_response` are its cards (see `method`); faults,
//! refunds and the way of webhooks are set by `POST /sandbox/control` (see `control`). `GET /sandbox/ledger` lists
//! every movement of money: it is the judge of double charges, so it is written where the money moves and nowhere
//! else. Everything is in memory, and bounded: past the counts in `store` requests are refused with `sandbox_full`.
//!
//! It knows nothing of the shop and shares no code with the adapter that it tests.

mod authentication;
mod charge;
mod control;
mod control_api;
mod faults;
mod form;
mod idempotency;
mod intents;
mod ledger;
mod method;
mod objects;
mod pipeline;
mod reads;
mod refunds;
mod refusal;
mod routes;
pub(crate) mod server;
mod store;
mod three_ds;
mod webhooks;

use std::fmt;
use std::io;
use std::net::SocketAddr;

use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// What the sandbox is started with.
pub struct Options {
    /// Where webhooks go, each attempt to the next of these; nowhere until one is set here or by the control API.
    pub webhook_urls: Vec<String>,
    /// Signs webhooks.
    pub webhook_secret: SecretString,
    /// What clients must present.
    pub api_key: SecretString,
}

/// A running sandbox. Dropping it ends it.
pub struct Handle {
    address: SocketAddr,
    tasks: TaskTracker,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

impl Handle {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL to configure a provider with.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it: connections are cut, webhooks that wait are forgotten.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Starts a sandbox on a listener, on the current runtime.
///
/// # Errors
/// When the listener has no address, the operating system no randomness, or no HTTP client can be made.
pub fn serve(listener: TcpListener, options: Options) -> io::Result<Handle> {
    let address = listener.local_addr()?;
    let app = store::App::new(format!("http://{address}"), options)?;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    tasks.spawn(webhooks::deliver(app.clone(), stop.clone()));
    tasks.spawn(server::accept(listener, routes::router(app), stop.clone()));
    tasks.close();
    Ok(Handle { address, tasks, _stop_on_drop: stop.clone().drop_guard(), stop })
}
