//! The adapter and the sandbox over real HTTP: each behaviour of the card processor, and what it proves.

mod bench;
mod declines;
mod idempotency;
mod lifecycle;
mod lookup;
mod lost_answers;
mod refunds;
mod webhooks;
