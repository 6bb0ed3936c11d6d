//! What the shop does to the outside world: cards are charged through a payment provider, mails and text
//! messages are sent.
//!
//! Owns the protocols (Stripe's HTTP API, SMTP, Twilio's Messages API) and the judgement of what an answer, or the lack of one, proves.
//! Never retries, never reads or changes the shop's state, never looks at a clock: the worker that calls decides
//! when and with which key, and reports what was observed as a command.

pub mod mail;
pub mod provider;
pub mod sms;
pub mod stripe;
