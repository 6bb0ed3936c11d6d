//! `shopctl autopilot`: how the cluster chooses who votes.

use shop::cluster::Autopilot as Settings;

use crate::client::Payload;
use crate::context::Context;
use crate::failure::Failure;
use crate::output;
use crate::table::{Cell, Table};

const AUTOPILOT: [&str; 4] = ["admin", "v1", "cluster", "autopilot"];

/// Show and change how the cluster chooses who votes
#[derive(Debug, clap::Subcommand)]
pub enum Autopilot {
    /// Show the settings
    Get,
    /// Change some of the settings; the others stay
    Set(Change),
}

/// What changes.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub struct Change {
    /// Whether it gives and takes votes by itself
    #[arg(long, value_name = "true|false")]
    enabled: Option<bool>,
    /// The most nodes that vote, 1 to 7; even numbers count as the odd one below
    #[arg(long, value_name = "COUNT")]
    max_voters: Option<u32>,
    /// How long a node must have been well before it votes, in milliseconds
    #[arg(long, value_name = "MS")]
    stable_ms: Option<u64>,
    /// The most entries of the log that it may lack then
    #[arg(long, value_name = "ENTRIES")]
    max_lag: Option<u64>,
    /// After how long a silent voter is replaced by a node that waits, in milliseconds; 0 for never
    #[arg(long, value_name = "MS")]
    replace_dead_after_ms: Option<u64>,
}

impl Change {
    fn apply(self, before: Settings) -> Settings {
        Settings {
            enabled: self.enabled.unwrap_or(before.enabled),
            max_voters: self.max_voters.unwrap_or(before.max_voters),
            stable_ms: self.stable_ms.unwrap_or(before.stable_ms),
            max_lag: self.max_lag.unwrap_or(before.max_lag),
            replace_dead_after_ms: self.replace_dead_after_ms.unwrap_or(before.replace_dead_after_ms),
        }
    }
}

impl Autopilot {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let answer = context.client.get(&AUTOPILOT, &()).await?;
        let Self::Set(change) = self else {
            return context.output.answer(&answer.body, |settings: &Settings| vec![table(settings)]);
        };
        let after = change.apply(output::read(&answer.body)?);
        let answer = context.client.put(&AUTOPILOT, Payload::json(&after)?).await?;
        context.changed(&answer, |settings: &Settings| {
            ("changed the autopilot".to_owned(), vec![table(settings)])
        })
    }
}

fn table(settings: &Settings) -> Table {
    let dead = match settings.replace_dead_after_ms {
        0 => Cell::text("never"),
        ms => Cell::text(format!("{ms} ms")),
    };
    Table::details([
        ("enabled", Cell::of(settings.enabled)),
        ("max voters", Cell::number(settings.max_voters)),
        ("stable for", Cell::text(format!("{} ms", settings.stable_ms))),
        ("max lag", Cell::text(format!("{} entries", settings.max_lag))),
        ("dead replaced after", dead),
    ])
}

#[cfg(test)]
mod tests {
    use shop::cluster::Autopilot as Settings;

    use super::Change;

    #[test]
    fn what_is_not_named_stays() {
        let change = Change {
            enabled: Some(false),
            max_voters: None,
            stable_ms: None,
            max_lag: Some(7),
            replace_dead_after_ms: None,
        };
        let before = Settings::default();
        assert_eq!(change.apply(before), Settings { enabled: false, max_lag: 7, ..before });
    }
}
