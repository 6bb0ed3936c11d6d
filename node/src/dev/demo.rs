//! The demo shop: products, stock and customers made up by rule, the same on every machine.
//!
//! Plausible, and nobody's: names are put together from word lists, people are pioneers of computing at addresses that
//! do not exist. Nothing is random, so that what somebody describes can be seen by somebody else.

mod customers;
mod goods;
mod products;

pub use customers::customers;
pub use products::{Demo, demo};
