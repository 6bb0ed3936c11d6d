use serde::{Deserialize, Serialize};
use storage::Read;

use super::acquire_lease::check_queue;
use crate::broker::{self, Lease, Leases};
use crate::codes::Code;
use crate::command::Execute;
use crate::rejection::Rejection;
use crate::{Ctx, Halt, Outcome};

/// Gives the lease of a queue to a node, or to nobody, if it is still the one that the proposer saw: of two nodes that
/// take over from a third one, the second is refused with `stale_epoch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeLease {
    pub queue: String,
    /// The node; 0 for nobody: the lease is given back.
    pub holder: u64,
    /// The epoch of the lease that this one follows; 0 if there is none.
    pub after_epoch: u64,
}

impl Execute for TakeLease {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        check_queue(&self.queue)?;
        let current = ctx.tx.get::<Leases>(&self.queue)?.map_or(0, |lease| lease.epoch);
        if current != self.after_epoch {
            let detail =
                format!("queue {} is at epoch {current}, not at {}", self.queue, self.after_epoch);
            return Err(Rejection::new(Code::StaleEpoch, detail).into());
        }
        let lease = Lease { holder: self.holder, epoch: current + 1, acquired_at: ctx.now };
        ctx.tx.put::<Leases>(&self.queue, &lease)?;
        Ok(Outcome::Broker(broker::Outcome::Lease(lease.epoch)))
    }
}

#[cfg(test)]
mod tests {
    use crate::Code;
    use crate::broker::{Fence, Outcome, TakeLease, queries};
    use crate::testing::Bench;

    fn take(holder: u64, after_epoch: u64) -> TakeLease {
        TakeLease { queue: "mail".into(), holder, after_epoch }
    }

    #[test]
    fn of_two_who_take_over_one_is_refused() {
        let mut bench = Bench::new();
        let granted = |epoch| crate::Outcome::Broker(Outcome::Lease(epoch));
        assert_eq!(bench.ok(take(1, 0)), granted(1));
        assert_eq!(bench.ok(take(2, 1)), granted(2));
        assert_eq!(bench.refused(take(3, 1)).code, Code::StaleEpoch);
        let lease = queries::lease(&bench.view(), "mail").unwrap().unwrap();
        assert_eq!((lease.holder, lease.epoch), (2, 2));
    }

    #[test]
    fn who_gave_its_lease_back_acts_no_more() {
        let mut bench = Bench::new();
        bench.ok(take(1, 0));
        bench.ok(take(0, 1));
        let fence = Fence { queue: "mail".into(), epoch: 1 };
        assert!(fence.check(&bench.view()).is_err());
        assert_eq!(queries::lease(&bench.view(), "mail").unwrap().unwrap().holder, 0);
    }
}
