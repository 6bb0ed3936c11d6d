//! What a command may see and do while it executes: the state, its stamp, new ids, events. Nothing else.

use storage::Txn;

use crate::actor::Actor;
use crate::event::{Counters, Event};
use crate::ids::IdSource;
use crate::time::Timestamp;

/// The world of one command.
pub struct Ctx<'a, 's> {
    /// The state, as all earlier commands left it, with this command's changes.
    pub tx: &'a mut Txn<'s>,
    /// Log time: never goes back.
    pub now: Timestamp,
    pub actor: Actor,
    /// The index of this command's log entry.
    pub index: u64,
    /// What the whole cluster is able to compute: a change of what apply computes is gated on it.
    pub active_version: u32,
    /// New ids.
    pub ids: IdSource,
    pub(crate) counters: Counters,
    pub(crate) events: Vec<Event>,
    pub(crate) raised: Option<u32>,
}

impl Ctx<'_, '_> {
    /// Appends an event to the feed; it gets the sequence number that is returned.
    pub fn emit(&mut self, event: Event) -> u64 {
        let seq = self.counters.next_seq;
        self.counters.next_seq += 1;
        self.events.push(event);
        seq
    }

    /// Every later command is computed by the rules of this version, if this one is carried out.
    pub(crate) fn raise_active_version(&mut self, to: u32) {
        self.raised = Some(to);
    }

    /// The sequence number of this command's first event: what its batch is stored under.
    pub fn first_seq(&self) -> u64 {
        self.counters.next_seq - self.events.len() as u64
    }

    /// The sequence number that the next event would get.
    pub fn next_seq(&self) -> u64 {
        self.counters.next_seq
    }

    /// Mints a human order number: gapless, because a refused command gives it back.
    pub fn next_order_number(&mut self) -> u64 {
        let number = self.counters.next_order_number;
        self.counters.next_order_number += 1;
        number
    }
}
