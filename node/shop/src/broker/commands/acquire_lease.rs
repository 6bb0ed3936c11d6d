use serde::{Deserialize, Serialize};
use storage::Read;

use crate::broker::{self, Lease, Leases};
use crate::codes::Code;
use crate::command::Execute;
use crate::rejection::Rejection;
use crate::{Ctx, Halt, Outcome};

/// The longest name of a queue, in bytes.
const MAX_QUEUE_BYTES: usize = 64;

/// Takes the work of a queue over, whoever has it: a new epoch, which ends all earlier ones. Whoever held it learns of
/// it from the refusal of its next command. Nodes that share work out among them use [`broker::TakeLease`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcquireLease {
    pub queue: String,
    /// The node.
    pub holder: u64,
}

impl Execute for AcquireLease {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        check_queue(&self.queue)?;
        let epoch = ctx.tx.get::<Leases>(&self.queue)?.map_or(0, |lease| lease.epoch) + 1;
        let lease = Lease { holder: self.holder, epoch, acquired_at: ctx.now };
        ctx.tx.put::<Leases>(&self.queue, &lease)?;
        Ok(Outcome::Broker(broker::Outcome::Lease(epoch)))
    }
}

/// Refuses what is no name of a queue.
pub(super) fn check_queue(queue: &str) -> Result<(), Rejection> {
    if queue.is_empty() || queue.len() > MAX_QUEUE_BYTES {
        let detail = format!("a queue's name has 1 to {MAX_QUEUE_BYTES} bytes");
        return Err(Rejection::at(Code::InvalidValue, "/queue", detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::broker::{AcquireLease, Fence, Outcome};
    use crate::testing::Bench;

    #[test]
    fn a_new_lease_ends_the_old_one() {
        let mut bench = Bench::new();
        let mut acquire = |holder| bench.ok(AcquireLease { queue: "mail".into(), holder });
        assert_eq!(acquire(1), crate::Outcome::Broker(Outcome::Lease(1)));
        assert_eq!(acquire(2), crate::Outcome::Broker(Outcome::Lease(2)));
        let fence = |epoch| Fence { queue: "mail".into(), epoch };
        assert!(fence(2).check(&bench.view()).is_ok());
        for stale in [0, 1, 3] {
            assert!(fence(stale).check(&bench.view()).is_err(), "{stale}");
        }
    }
}
