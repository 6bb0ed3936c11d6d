//! Waiting for something to become true, with a bound.

use std::future::Future;
use std::time::{Duration, Instant};

/// Polls until `probe` gives a value; fails, saying what was waited for, after `limit`.
pub async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> F,
) -> anyhow::Result<T> {
    let started = Instant::now();
    loop {
        if let Some(value) = probe().await {
            return Ok(value);
        }
        if started.elapsed() > limit {
            anyhow::bail!("waited {limit:?} in vain for: {what}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether times are to be held against what is promised, and not only printed: on request, because most machines have other
/// things to do meanwhile.
pub fn bounds_are_wanted() -> bool {
    std::env::var("SHOPNODE_TEST_BOUNDS").is_ok_and(|value| value == "1")
}
