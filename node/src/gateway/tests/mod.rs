//! The pipeline as a whole: each promise of a layer, seen from outside.

mod credentials;
mod document;
mod errors;
mod idempotency;
mod images;
mod limits;
mod reads;
mod shop;
mod sockets;
