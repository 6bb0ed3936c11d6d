//! How a machine becomes a node, proves that it is one, and stops being one.
//!
//! It owns join tokens' text, the join exchange's messages, certificates and keys on disk, and the task that keeps the
//! cluster's endpoint in step with the replicated records: who is refused, who is where, whose certificates are trusted.
//! It never decides who votes, and trusts nothing that was not signed by an authority in those records.

mod authorities;
mod credentials;
mod establish;
mod join;
mod message;
mod pem;
mod registrar;
mod renewal;
mod steward;
mod token;

pub use authorities::{new_authority, signer_of, signing_authority};
pub use credentials::{Credentials, CredentialsError};
pub use establish::{Established, establish, first_token};
pub use join::{Failed, enrol_here, join};
pub use registrar::Enroller;
pub use renewal::{Expired, expired};
pub use steward::Steward;
pub use token::{JoinSecret, JoinTokenText};
