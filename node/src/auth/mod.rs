//! Who somebody is: OAuth 2 access tokens, API keys, guests' tokens.
//!
//! What it owns: making and checking credentials. What it never does: keep a secret in the clear outside of memory, put
//! one into a command or a log, or trust a token without its client as the replicated state has it (`known` remembers it until
//! a commit changes it), so that a revocation bites with the very commit that makes it.

mod api_key;
mod guest;
mod keys;
mod known;
mod minted;
mod password;
mod principal;
mod signing;
pub mod token;
mod verified;
pub mod verify;

pub use api_key::ApiKeySecret;
pub use guest::{CART_TOKEN, GuestTokens, ORDER_TOKEN};
pub use keys::Keys;
pub use known::{Known, changes_signing};
pub use minted::Minted;
pub use password::{PasswordError, Passwords};
pub use principal::Principal;
pub use signing::{Jwk, NewSigningKey, SigningKeys, new_signing_key};
