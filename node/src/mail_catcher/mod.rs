//! A mail server that keeps what it gets and sends nothing on, for trying the shop out.
//!
//! SMTP (RFC 5321) comes in; `GET /mail` lists, `GET /mail/{n}` shows one as it came, `/` is a page for people. The
//! last 1,000 mails of at most 1 MiB are kept, in memory. Everybody may read them: it listens on this machine only.

mod http;
mod mailbox;
mod session;
mod smtp;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use mailbox::Mailbox;

/// A running mail catcher. Dropping it ends it.
pub struct Handle {
    smtp: SocketAddr,
    http: SocketAddr,
    tasks: TaskTracker,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

impl Handle {
    /// Where it takes mail.
    pub fn smtp_address(&self) -> SocketAddr {
        self.smtp
    }

    /// Where it shows mail.
    pub fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// Ends it. Mails are gone.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("smtp", &self.smtp).field("http", &self.http).finish_non_exhaustive()
    }
}

/// Starts a mail catcher on two listeners, on the current runtime.
///
/// # Errors
/// When a listener has no address.
pub fn serve(smtp_listener: TcpListener, http_listener: TcpListener) -> io::Result<Handle> {
    let (smtp, http) = (smtp_listener.local_addr()?, http_listener.local_addr()?);
    let mailbox = Arc::new(Mailbox::default());
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    tasks.spawn(smtp::accept(smtp_listener, mailbox.clone(), stop.clone()));
    tasks.spawn(http::serve(http_listener, mailbox, stop.clone()));
    tasks.close();
    Ok(Handle { smtp, http, tasks, _stop_on_drop: stop.clone().drop_guard(), stop })
}

#[cfg(test)]
mod tests;
