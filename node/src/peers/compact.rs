//! Asking another node to give its state new files.

use bytes::Bytes;
use net::{NetError, NodeId};
use tokio::time::Instant;

use super::{Peers, kind};

const VERSION: u8 = 1;

impl Peers {
    /// Calls `hear` when another node asks. The first one told stays.
    pub fn hear_compact(&self, hear: impl Fn() + Send + Sync + 'static) {
        // An error means that it was told before.
        let _ = self.0.hear_compact.set(Box::new(hear));
    }

    /// Asks `node`. It answers at once, and compacts when it is its turn.
    ///
    /// # Errors
    /// When it does not answer, or is of a version that does not know the question.
    pub async fn compact(&self, node: NodeId, deadline: Instant) -> Result<(), NetError> {
        self.call(node, kind::COMPACT, Bytes::from_static(&[VERSION]), deadline).await.map(drop)
    }
}

/// The answer to the question `body`.
pub(super) fn answer(hear: Option<&super::HearCompact>, body: &[u8]) -> Result<Bytes, String> {
    if body.first() != Some(&VERSION) {
        return Err("a question about compaction of a version that is not known here".to_owned());
    }
    let hear = hear.ok_or_else(|| "this node is starting".to_owned())?;
    hear();
    Ok(Bytes::new())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::answer;
    use crate::peers::HearCompact;

    #[test]
    fn only_a_question_that_is_understood_is_heard() {
        let heard = Arc::new(AtomicU32::new(0));
        let hear: HearCompact = Box::new({
            let heard = heard.clone();
            move || {
                heard.fetch_add(1, Ordering::Relaxed);
            }
        });
        assert_eq!(answer(Some(&hear), &[1]), Ok(bytes::Bytes::new()));
        assert!(answer(Some(&hear), &[2]).is_err() && answer(Some(&hear), &[]).is_err());
        assert!(answer(None, &[1]).is_err());
        assert_eq!(heard.load(Ordering::Relaxed), 1);
    }
}
