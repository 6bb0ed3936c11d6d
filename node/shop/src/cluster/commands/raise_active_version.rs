use serde::{Deserialize, Serialize};

use crate::cluster::{Event, MAX_VERSION_BYTES, Outcome, Raise, Raises};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::rejection::{Halt, Rejection};

/// Every node supports this level, so the cluster computes by it from the next entry on. It is the end of an upgrade:
/// programs that do not support it stop at this entry, and there is no way back.
///
/// Whether every node does was asked before this was proposed: apply cannot ask. A raise to what is active already changes
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaiseActiveVersion {
    /// The active version to be: one more than it is.
    pub to: u32,
    /// The version of the program that proposes it, for whoever needs one that supports it.
    pub program: String,
}

impl Execute for RaiseActiveVersion {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let Self { to, program } = self;
        if program.len() > MAX_VERSION_BYTES || program.chars().any(char::is_control) {
            let detail = format!("at most {MAX_VERSION_BYTES} bytes in one line are allowed");
            return Err(Rejection::at(Code::InvalidValue, "/program", detail).into());
        }
        let active = ctx.active_version;
        if *to != active {
            if active.checked_add(1) != Some(*to) {
                let detail =
                    format!("the active version is {active}: it is raised one at a time and never lowered");
                return Err(Rejection::at(Code::Conflict, "/to", detail).into());
            }
            ctx.tx.insert::<Raises>(to, &Raise { program: program.clone(), at: ctx.now })?;
            ctx.raise_active_version(*to);
            ctx.emit(crate::Event::Cluster(Event::ActiveVersionRaised { version: *to }));
        }
        Ok(Outcome::ActiveVersion(*to).into())
    }
}

#[cfg(test)]
mod tests {
    use super::RaiseActiveVersion;
    use crate::cluster::{Outcome, raise};
    use crate::command::Dedupe;
    use crate::testing::Bench;

    fn to(to: u32) -> RaiseActiveVersion {
        RaiseActiveVersion { to, program: "0.2.0".into() }
    }

    #[test]
    fn it_goes_up_by_one_and_holds_for_the_next_command() {
        let mut bench = Bench::new();
        for _ in 0..2 {
            assert_eq!(bench.ok(to(2)), Outcome::ActiveVersion(2).into());
            assert_eq!(bench.active_version, 2);
        }
        bench.ok(to(3));
        assert_eq!(bench.active_version, 3);
        assert_eq!(raise(&bench.view(), 2).unwrap().unwrap().program, "0.2.0");
        assert_eq!(bench.event_kinds(), ["shopnode.cluster.upgraded.v1"; 2]);
    }

    #[test]
    fn nothing_is_skipped_and_nothing_goes_back() {
        let mut bench = Bench::new();
        bench.ok(to(2));
        for wrong in [0, 1, 4, u32::MAX] {
            assert_eq!(bench.refused(to(wrong)).code.as_str(), "conflict");
            assert_eq!(bench.active_version, 2);
        }
        let long = RaiseActiveVersion { to: 3, program: "9".repeat(65) };
        assert_eq!(bench.refused(long).errors[0].pointer, "/program");
        assert_eq!(bench.active_version, 2);
    }

    #[test]
    fn a_repetition_is_answered_and_raises_nothing() {
        let mut bench = Bench::new();
        let key = Dedupe::Key { scope: [1; 32], fingerprint: [2; 32] };
        bench.reply(to(2), key.clone());
        bench.ok(to(3));
        let again = bench.reply(to(2), key);
        assert!(again.replayed && again.result == Ok(Outcome::ActiveVersion(2).into()));
        assert_eq!(bench.active_version, 3);
    }
}
