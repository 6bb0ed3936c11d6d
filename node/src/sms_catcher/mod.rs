//! A provider of text messages that keeps what it gets and sends nothing on, for trying the shop out.
//!
//! It speaks Twilio's Messages API: `POST` and `GET /2010-04-01/Accounts/{account}/Messages.json`. `GET /texts` lists what
//! came, `/` is a page for people, `POST /faults` makes the next requests go wrong. The last 1,000 texts are kept, in
//! memory. Everybody may read them: it listens on this machine only.

mod http;
mod store;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use store::{Fault, Text};

use http::App;
use store::Store;

/// A running catcher. Dropping it ends it.
pub struct Handle {
    address: SocketAddr,
    store: Arc<Store>,
    tasks: TaskTracker,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

impl Handle {
    /// Where it takes and shows texts.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that are kept, oldest first.
    pub fn texts(&self) -> Vec<Text> {
        self.store.texts()
    }

    /// What goes wrong with the next text that no fault waits for yet.
    pub fn next(&self, fault: Fault) {
        self.store.add_fault(fault, 1);
    }

    /// Ends it. Texts are gone.
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

/// Starts a catcher for one account, on the current runtime.
///
/// # Errors
/// When the listener has no address.
pub fn serve(listener: TcpListener, account: String, token: SecretString) -> io::Result<Handle> {
    let address = listener.local_addr()?;
    let store = Arc::new(Store::default());
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let router = http::router(App { store: store.clone(), account: account.into(), token: Arc::new(token) });
    tasks.spawn(crate::sandbox::server::accept(listener, router, stop.clone()));
    tasks.close();
    Ok(Handle { address, store, tasks, _stop_on_drop: stop.clone().drop_guard(), stop })
}
