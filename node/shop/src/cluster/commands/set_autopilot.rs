use serde::{Deserialize, Serialize};
use storage::Read;

use crate::cluster::{Autopilot, ClusterSettings, ClusterSettingsTable, Event, Outcome};
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::rejection::Halt;

/// What the autopilot goes by from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAutopilot {
    pub autopilot: Autopilot,
}

impl Execute for SetAutopilot {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        self.autopilot.check()?;
        let before = ctx.tx.get::<ClusterSettingsTable>(&())?.unwrap_or_default();
        if before.autopilot != self.autopilot {
            let after = ClusterSettings { autopilot: self.autopilot, updated_at: ctx.now };
            ctx.tx.put::<ClusterSettingsTable>(&(), &after)?;
            ctx.emit(crate::Event::Cluster(Event::AutopilotUpdated));
        }
        Ok(Outcome::Autopilot(self.autopilot).into())
    }
}

#[cfg(test)]
mod tests {
    use super::SetAutopilot;
    use crate::cluster::{Autopilot, autopilot};
    use crate::testing::Bench;

    #[test]
    fn it_is_bounded_and_kept() {
        let mut bench = Bench::new();
        assert_eq!(autopilot(&bench.view()).unwrap(), Autopilot::default());
        let three = Autopilot { max_voters: 3, ..Autopilot::default() };
        for _ in 0..2 {
            bench.ok(SetAutopilot { autopilot: three });
        }
        assert_eq!(autopilot(&bench.view()).unwrap(), three);
        assert_eq!(bench.event_kinds(), ["shopnode.autopilot.updated.v1"]);
        let check = |bench: &mut Bench, change: fn(&mut Autopilot), pointer: &str| {
            let mut autopilot = Autopilot::default();
            change(&mut autopilot);
            assert_eq!(bench.refused(SetAutopilot { autopilot }).errors[0].pointer, pointer);
        };
        check(&mut bench, |autopilot| autopilot.max_voters = 0, "/max_voters");
        check(&mut bench, |autopilot| autopilot.max_voters = 8, "/max_voters");
        check(&mut bench, |autopilot| autopilot.stable_ms = 3_600_001, "/stable_ms");
        check(&mut bench, |autopilot| autopilot.max_lag = 1_000_001, "/max_lag");
        check(&mut bench, |autopilot| autopilot.replace_dead_after_ms = 9_999, "/replace_dead_after_ms");
    }
}
