//! Applies one log entry: decode, recognise a repetition, execute, store the events and the answer. All or nothing.

use serde::{Deserialize, Serialize};
use storage::{Fault, Read, Scope, Span, Txn};

use crate::broker::{Events, Kept, StoredReply};
use crate::codes::Code;
use crate::command::{Command, Dedupe, Envelope, Execute};
use crate::ctx::Ctx;
use crate::event::{Answer, Batch, Counters};
use crate::ids::IdSource;
use crate::outcome::Outcome;
use crate::rejection::{Halt, Rejection};
use crate::replies::{ReplySlot, kept};
use crate::time::Timestamp;

/// How long an idempotency key is honoured, in log time: 7 days.
pub const KEY_KEPT_MILLIS: u64 = 7 * 24 * 60 * 60 * 1_000;
/// How long a request id is honoured, in log time: 10 minutes.
pub const REQUEST_KEPT_MILLIS: u64 = 10 * 60 * 1_000;
/// The level from which on the answer to a request with an idempotency key is kept in the batch of its events.
const ANSWERS_IN_BATCHES_SINCE: u32 = 6;
/// The level from which on the reply to a request with an idempotency key is stored by its time first.
pub(crate) const REPLIES_BY_EPOCH_SINCE: u32 = 7;
/// The most keys that one command may change.
pub const MAX_KEYS_PER_COMMAND: usize = 1_000;

/// What the log says about an entry besides its command.
#[derive(Debug, Clone, Copy)]
pub struct EntryInfo {
    pub index: u64,
    /// The stamp, already clamped: never before that of an earlier entry.
    pub now_ms: u64,
    pub seed: [u8; 16],
    pub active_version: u32,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    pub result: Result<Outcome, Rejection>,
    /// The index at which it was carried out: an earlier one than this entry's if it was a repetition.
    pub index: u64,
    /// Log time at which it was carried out.
    pub at: Timestamp,
    /// Whether this is the stored answer of an earlier, identical request.
    pub replayed: bool,
}

/// The state machine. What it remembers between entries is derived from the state and can be forgotten at any time.
#[derive(Debug, Default)]
pub struct Shop {
    counters: Option<Counters>,
    /// Collected only for a shop that was asked to: see [`Shop::telling`].
    emitted: Option<Vec<Batch>>,
    /// The active version that the last command brought, until it was asked for.
    raised: Option<u32>,
}

impl Shop {
    /// Forgets what was derived from the state, because another state has taken its place.
    pub fn forget(&mut self) {
        self.counters = None;
        self.take_emitted();
    }

    /// A shop that keeps what it emits until [`Shop::take_emitted`], so that whoever waits for events need not search
    /// the state.
    pub fn telling() -> Self {
        Self { emitted: Some(Vec::new()), ..Self::default() }
    }

    /// The events of the commands applied since this was last asked, in commit order. To be asked at the end of each
    /// run of entries, which bounds it.
    pub fn take_emitted(&mut self) -> Vec<Batch> {
        self.emitted.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The active version from the next entry on, if the last one has raised it. To be asked after each entry.
    pub fn take_raised(&mut self) -> Option<u32> {
        self.raised.take()
    }

    /// Applies the envelope in `payload`. An `Err` is a fault: the node must stop.
    pub fn apply(&mut self, tx: &mut Txn<'_>, entry: &EntryInfo, payload: &[u8]) -> Result<Reply, Fault> {
        self.apply_envelope(tx, entry, &Envelope::decode(payload)?)
    }

    /// As [`Shop::apply`], for whoever looks into the envelope first.
    pub fn apply_envelope(
        &mut self,
        tx: &mut Txn<'_>,
        entry: &EntryInfo,
        envelope: &Envelope,
    ) -> Result<Reply, Fault> {
        tx.set_scope(Scope(envelope.store));
        tx.begin();
        let reply = self.run(tx, entry, envelope);
        match &reply {
            Ok(Reply { result: Ok(_), replayed: false, .. }) => tx.keep(),
            _ => tx.rollback(),
        }
        reply
    }

    fn run(&mut self, tx: &mut Txn<'_>, entry: &EntryInfo, envelope: &Envelope) -> Result<Reply, Fault> {
        let now = Timestamp::from_millis(entry.now_ms);
        let done = |result| Reply { result, index: entry.index, at: now, replayed: false };
        if let Some(rejection) = level_too_low(&envelope.command, entry.active_version) {
            return Ok(done(Err(rejection)));
        }
        let counters = match self.counters {
            Some(counters) => counters,
            None => read_counters(tx)?,
        };
        self.counters = Some(counters);
        let mut slot = ReplySlot::of(envelope, entry.active_version, counters);
        if let Some(slot) = &mut slot
            && let Some(stored) = slot.find(tx)?
            && now.since(stored.at) < slot.kept_millis
        {
            if stored.fingerprint != slot.fingerprint {
                let detail = "the stored request has another body";
                return Ok(done(Err(Rejection::new(Code::IdempotencyKeyReused, detail))));
            }
            let StoredReply { at, index, answer, .. } = stored;
            return Ok(Reply { result: Ok(kept(tx, answer)?), index, at, replayed: true });
        }
        let ids = IdSource::new(now, entry.seed);
        let active_version = entry.active_version;
        let mut ctx = Ctx {
            tx,
            now,
            actor: envelope.actor,
            index: entry.index,
            active_version,
            ids,
            counters,
            events: Vec::new(),
            raised: None,
        };
        let outcome = match execute(&envelope.command, &mut ctx) {
            Ok(outcome) => outcome,
            Err(Halt::Rejected(rejection)) => return Ok(done(Err(rejection))),
            Err(Halt::Fault(fault)) => return Err(fault),
        };
        // A request id is in order of time already, and remembered for minutes.
        let in_batch = matches!(envelope.dedupe, Dedupe::Key { .. })
            && active_version >= ANSWERS_IN_BATCHES_SINCE
            && !ctx.events.is_empty();
        let answer = in_batch.then(|| Answer::of(&outcome)).transpose()?;
        let batch = append_events(&mut ctx, counters, envelope, answer)?;
        if let Some(slot) = slot {
            let answer =
                if in_batch { Kept::InBatch(counters.next_seq) } else { Kept::Here(outcome.clone()) };
            let stored = StoredReply {
                at: now,
                index: entry.index,
                kept_millis: slot.kept_millis,
                fingerprint: slot.fingerprint,
                answer,
            };
            slot.store(ctx.tx, &stored)?;
        }
        if ctx.tx.changed_keys() > MAX_KEYS_PER_COMMAND {
            let detail =
                format!("it changes {} keys, the most is {MAX_KEYS_PER_COMMAND}", ctx.tx.changed_keys());
            return Ok(done(Err(Rejection::new(Code::CommandTooLarge, detail))));
        }
        self.raised = ctx.raised;
        if let Some(batch) = batch {
            self.counters = Some(batch.counters);
            if let Some(emitted) = &mut self.emitted {
                emitted.push(batch);
            }
        }
        Ok(done(Ok(outcome)))
    }
}

/// Why a command cannot be carried out yet: its level is above the active version. It ought not to be in the log then;
/// that every node which knows it refuses it alike keeps their states the same.
pub fn level_too_low(command: &Command, active_version: u32) -> Option<Rejection> {
    let needed = command.needs_level();
    (needed > active_version).then(|| {
        let detail = format!(
            "{} needs active version {needed}, and the cluster's is {active_version}: finish its upgrade first",
            command.name()
        );
        Rejection::new(Code::LevelTooLow, detail)
    })
}

fn execute(command: &Command, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
    match command {
        Command::User(command) => command.execute(ctx),
        Command::Catalog(command) => command.execute(ctx),
        Command::Inventory(command) => command.execute(ctx),
        Command::Cart(command) => command.execute(ctx),
        Command::Order(command) => command.execute(ctx),
        Command::Payment(command) => command.execute(ctx),
        Command::Broker(command) => command.execute(ctx),
        Command::Notification(command) => command.execute(ctx),
        Command::Cluster(command) => command.execute(ctx),
        Command::Sms(command) => command.execute(ctx),
    }
}

fn read_counters(tx: &Txn<'_>) -> Result<Counters, Fault> {
    let last = tx.scan::<Events>(Span::all().reversed()).next().transpose()?;
    Ok(last.map_or_else(Counters::default, |(_, batch)| batch.counters))
}

/// Stores the command's events, if any, as one batch under the sequence number of the first.
fn append_events(
    ctx: &mut Ctx<'_, '_>,
    before: Counters,
    envelope: &Envelope,
    answer: Option<Answer>,
) -> Result<Option<Batch>, Fault> {
    if ctx.events.is_empty() {
        return Ok(None);
    }
    let batch = Batch {
        index: ctx.index,
        at: ctx.now,
        request: envelope.request,
        actor: envelope.actor,
        trace: envelope.trace,
        events: std::mem::take(&mut ctx.events),
        counters: ctx.counters,
        answer,
    };
    ctx.tx.insert::<Events>(&before.next_seq, &batch)?;
    Ok(Some(batch))
}

#[cfg(test)]
mod tests {
    use super::level_too_low;
    use crate::cluster::{Autopilot, SetAutopilot};
    use crate::command::Envelope;
    use crate::testing::Bench;

    #[test]
    fn a_command_above_the_active_version_is_refused_everywhere_alike() {
        let mut bench = Bench::new();
        let command = SetAutopilot { autopilot: Autopilot { max_voters: 3, ..Autopilot::default() } };
        // No command is below the first level, so a level below that stands for one that is too low.
        bench.active_version = 0;
        assert_eq!(bench.refused(command.clone()).code.as_str(), "level_too_low");
        assert!(level_too_low(&command.clone().into(), 1).is_none());
        bench.active_version = 1;
        bench.ok(command);
    }

    #[test]
    fn a_command_of_a_newer_program_is_a_fault_and_no_damage() {
        let mut bench = Bench::new();
        bench.ok(SetAutopilot { autopilot: Autopilot::default() });
        let known = bench.log[0].1.clone();
        // The slice's and the command's place are the last bytes before the autopilot's five fields.
        let newer = |place: usize| {
            let mut bytes = known.clone();
            bytes[place] = 250;
            Envelope::decode(&bytes).unwrap_err().code()
        };
        let slice = known.windows(2).rposition(|pair| pair == [8, 8]).unwrap();
        assert_eq!((newer(slice), newer(slice + 1)), ("storage_newer_kind", "storage_newer_kind"));
        let longer = [known.as_slice(), &[0]].concat();
        assert_eq!(Envelope::decode(&longer).unwrap_err().code(), "storage_newer_kind");
    }
}
