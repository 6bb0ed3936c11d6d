use serde::{Deserialize, Serialize};

use crate::broker::{Event, Outcome, Settings, SettingsTable, settings};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::rejection::{Halt, Rejection};

/// Replaces the settings with the result of a merge patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateSettings {
    /// The revision that the patch was applied to: refused with `precondition_failed` if it is not the current one.
    /// `None`: any.
    pub if_revision: Option<u64>,
    /// Its own revision and time are not looked at.
    pub settings: Settings,
}

impl Execute for UpdateSettings {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let before = settings(&*ctx.tx)?;
        if self.if_revision.is_some_and(|revision| revision != before.revision) {
            let detail = format!("the settings are at revision {}", before.revision);
            return Err(Rejection::new(Code::PreconditionFailed, detail).into());
        }
        let same = Settings { updated_at: before.updated_at, revision: before.revision, ..self.settings.clone() };
        if same == before {
            return Ok(Outcome::Settings(before).into());
        }
        let after = Settings { updated_at: ctx.now, revision: before.revision + 1, ..same };
        ctx.tx.put::<SettingsTable>(&(), &after)?;
        ctx.emit(crate::Event::Broker(Event::SettingsUpdated { revision: after.revision }));
        Ok(Outcome::Settings(after).into())
    }
}

#[cfg(test)]
mod tests {
    use super::UpdateSettings;
    use crate::broker::{Settings, settings};
    use crate::testing::Bench;

    #[test]
    fn settings_change_from_a_known_revision() {
        let mut bench = Bench::new();
        assert_eq!(settings(&bench.view()).unwrap(), Settings::default());
        let set = |if_revision, hold_minutes| UpdateSettings {
            if_revision,
            settings: Settings { hold_minutes, ..Settings::default() },
        };
        bench.ok(set(Some(0), 10));
        assert_eq!(bench.refused(set(Some(0), 20)).code.as_str(), "precondition_failed");
        bench.ok(set(None, 10));
        let now = settings(&bench.view()).unwrap();
        assert_eq!((now.hold_minutes, now.revision), (10, 1), "the same again is no change");
        assert_eq!(bench.event_kinds(), ["shopnode.settings.updated.v1"]);
    }
}
