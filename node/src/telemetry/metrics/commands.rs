//! Commands that this node submitted, and what applying them takes.

use std::time::Duration;

use prometheus::{Error, HistogramVec, IntCounterVec, IntGauge};

use super::{DISK_SECONDS, REQUEST_SECONDS, Register};

/// How a submitted command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandOutcome {
    /// Carried out.
    Done,
    /// The stored answer of an earlier, identical request.
    Replayed,
    /// Refused by a guard: a 4xx.
    Rejected,
    /// Not accepted: no leader, no majority, too many at once.
    Unavailable,
    /// May or may not have been carried out.
    Unknown,
}

impl CommandOutcome {
    const ALL: [CommandOutcome; 5] = [
        CommandOutcome::Done,
        CommandOutcome::Replayed,
        CommandOutcome::Rejected,
        CommandOutcome::Unavailable,
        CommandOutcome::Unknown,
    ];

    const fn label(self) -> &'static str {
        match self {
            CommandOutcome::Done => "done",
            CommandOutcome::Replayed => "replayed",
            CommandOutcome::Rejected => "rejected",
            CommandOutcome::Unavailable => "unavailable",
            CommandOutcome::Unknown => "unknown",
        }
    }
}

#[derive(Debug)]
pub struct CommandMetrics {
    commands: IntCounterVec,
    duration: HistogramVec,
    apply: HistogramVec,
    /// Commands submitted here whose outcome is awaited.
    pub in_flight: IntGauge,
}

impl CommandMetrics {
    pub(super) fn new(register: &Register) -> Result<CommandMetrics, Error> {
        Ok(CommandMetrics {
            commands: register.counters(
                "commands_total",
                "Commands submitted by this node, by name and outcome.",
                &["command", "outcome"],
            )?,
            duration: register.histograms(
                "command_duration_seconds",
                "Time from submitting a command to its outcome: log, majority and apply.",
                &["command"],
                &REQUEST_SECONDS,
            )?,
            apply: register.histograms(
                "apply_duration_seconds",
                "Time that the state machine took for one command.",
                &["command"],
                &DISK_SECONDS,
            )?,
            in_flight: register.gauge("commands_in_flight", "Commands whose outcome this node awaits.")?,
        })
    }

    /// Counts one submitted command. `command` is [`shop::Command::name`].
    pub fn ended(&self, command: &'static str, outcome: CommandOutcome, took: Duration) {
        self.commands.with_label_values(&[command, outcome.label()]).inc();
        self.duration.with_label_values(&[command]).observe(took.as_secs_f64());
    }

    /// Counts one applied command, whichever node submitted it.
    pub fn applied(&self, command: &'static str, took: Duration) {
        self.apply.with_label_values(&[command]).observe(took.as_secs_f64());
    }

    /// How often `command` ended with `outcome`.
    pub fn count(&self, command: &str, outcome: CommandOutcome) -> u64 {
        self.commands.with_label_values(&[command, outcome.label()]).get()
    }

    /// How often any outcome of `command` was counted.
    pub fn count_all(&self, command: &str) -> u64 {
        CommandOutcome::ALL.iter().map(|outcome| self.count(command, *outcome)).sum()
    }
}
