//! Reading the state, off the async threads unless it is a matter of a few records. A view holds back the applier, so a
//! query is short and bounded, and no more of them run at once than the blocking pool can take.

use std::sync::Arc;

use shop::Code;
use storage::View;

use super::answer::Seen;
use super::app::{App, Core};
use super::call::STORE;
use super::problem::Problem;

impl App {
    /// Runs one bounded query over the state as this node has it now.
    ///
    /// # Errors
    /// What `query` returns.
    pub async fn read_local<T, Q>(&self, query: Q) -> Result<Seen<T>, Problem>
    where
        T: Send + 'static,
        Q: FnOnce(&View<'_>) -> Result<T, Problem> + Send + 'static,
    {
        let stopping = || Problem::new(Code::NotReady, "the node is stopping").retry_after(1);
        let turn = Arc::clone(&self.reads).acquire_owned().await.map_err(|_| stopping())?;
        let core = Arc::clone(&self.core);
        let span = tracing::Span::current();
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let _entered = span.entered();
            see(&*core, query)
        });
        match task.await {
            Ok(seen) => seen,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(stopping()),
        }
    }
}

/// Runs a query over one moment of the state.
pub(super) fn see<T>(
    core: &dyn Core,
    query: impl FnOnce(&View<'_>) -> Result<T, Problem>,
) -> Result<Seen<T>, Problem> {
    let view = core.store().view();
    let index = core.applied_index(&view)?;
    let view = view.in_scope(STORE);
    Ok(Seen { value: query(&view)?, index })
}
