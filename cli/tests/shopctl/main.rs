//! shopctl as its users run it, against a shop that gives canned answers.

// A test that cannot be set up has nothing better to do than to stop.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bodies;
mod changes;
mod jobs;
mod profiles;
mod reads;
mod support;
mod tail;
mod upgrade;
