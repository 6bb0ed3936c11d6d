//! Clients and API keys that were looked up lately, so that a request does not wait for the state to say who sent it.
//!
//! A revocation still bites with the commit that makes it: the state machine calls [`Known::forget`] before anybody is
//! told of that commit. What was read before such a commit and is remembered after it is refused by its epoch.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use shop::event::Batch;
use shop::ids::{ApiKeyId, ClientId};
use shop::user::{self, ApiKey, Client};
use shop::{Command, Event};

/// Clients, and keys, that are remembered. One more makes all be forgotten: simpler than an order of use, and rare.
const REMEMBERED: usize = 4_096;

/// What is remembered of an API key: the key, and the client it belongs to. `None` for an id that nobody has is not
/// remembered: strangers could fill the memory with guesses.
pub type KnownKey = (ApiKey, Option<Client>);

#[derive(Default)]
pub struct Known {
    memory: Mutex<Memory>,
    /// Counts the commits that changed the keys that sign tokens.
    signing: AtomicU64,
}

#[derive(Default)]
struct Memory {
    epoch: u64,
    clients: HashMap<ClientId, Client>,
    keys: HashMap<ApiKeyId, KnownKey>,
}

/// The epoch of a look into the memory that found nothing: what is then read may be remembered while it lasts.
#[derive(Debug, Clone, Copy)]
pub struct Epoch(u64);

impl Known {
    pub fn key(&self, id: ApiKeyId) -> Result<KnownKey, Epoch> {
        let memory = self.memory();
        memory.keys.get(&id).cloned().ok_or(Epoch(memory.epoch))
    }

    pub fn client(&self, id: ClientId) -> Result<Client, Epoch> {
        let memory = self.memory();
        memory.clients.get(&id).cloned().ok_or(Epoch(memory.epoch))
    }

    /// Remembers what was read after `epoch` was told.
    pub fn remember_key(&self, epoch: Epoch, id: ApiKeyId, key: KnownKey) {
        let mut memory = self.memory();
        if memory.epoch == epoch.0 {
            remember(&mut memory.keys, id, key);
        }
    }

    /// As [`Known::remember_key`].
    pub fn remember_client(&self, epoch: Epoch, id: ClientId, client: Client) {
        let mut memory = self.memory();
        if memory.epoch == epoch.0 {
            remember(&mut memory.clients, id, client);
        }
    }

    /// What these commits have changed is not known any more.
    pub fn committed(&self, batches: &[Batch]) {
        if batches.iter().flat_map(|batch| &batch.events).any(concerns_credentials) {
            self.forget();
        }
    }

    /// A commit has changed the keys that sign tokens: whoever has them in memory must read them again.
    pub fn signing_changed(&self) {
        self.signing.fetch_add(1, Ordering::Release);
    }

    /// How often the keys that sign tokens have changed. What is read after asking is at least as new.
    pub fn signing_epoch(&self) -> u64 {
        self.signing.load(Ordering::Acquire)
    }

    /// Nothing is known any more.
    pub fn forget(&self) {
        let mut memory = self.memory();
        memory.epoch += 1;
        memory.clients.clear();
        memory.keys.clear();
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Known")
    }
}

fn remember<K: Eq + Hash, V>(map: &mut HashMap<K, V>, id: K, value: V) {
    if map.len() >= REMEMBERED {
        map.clear();
    }
    map.insert(id, value);
}

/// Whether a command changes the keys that sign tokens. It tells no event of it.
pub fn changes_signing(command: &Command) -> bool {
    use user::Command as User;
    matches!(command, Command::User(User::AddSigningKey(_) | User::RetireSigningKey(_)))
}

fn concerns_credentials(event: &Event) -> bool {
    use user::Event as User;
    match event {
        Event::User(event) => match event {
            User::CustomerCreated { .. } | User::CustomerUpdated { .. } | User::CustomerErased { .. } => {
                false
            }
            User::ClientCreated { .. }
            | User::ClientRevoked { .. }
            | User::ApiKeyCreated { .. }
            | User::ApiKeyRevoked { .. } => true,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use shop::Timestamp;
    use shop::ids::ApiKeyId;
    use shop::user::{ApiKey, Scopes};

    use super::{Known, REMEMBERED};

    fn id(number: u64) -> ApiKeyId {
        ApiKeyId::least_at(Timestamp::from_millis(number))
    }

    fn key() -> ApiKey {
        ApiKey {
            name: "till".to_owned(),
            client: None,
            secret_sha256: [7; 32],
            scopes: Scopes::EVERY,
            created_at: Timestamp::from_millis(1),
            expires_at: None,
            revoked_at: None,
        }
    }

    #[test]
    fn what_was_read_before_a_commit_is_not_remembered_after_it() {
        let known = Known::default();
        let epoch = known.key(id(1)).unwrap_err();
        // The key is read here as it was; then a commit revokes it.
        known.forget();
        known.remember_key(epoch, id(1), (key(), None));
        let epoch = known.key(id(1)).unwrap_err();
        known.remember_key(epoch, id(1), (key(), None));
        assert_eq!(known.key(id(1)).unwrap(), (key(), None));
        known.forget();
        assert!(known.key(id(1)).is_err());
    }

    #[test]
    fn the_memory_is_bounded() {
        let known = Known::default();
        for number in 0..3 * REMEMBERED as u64 {
            let epoch = known.key(id(number)).unwrap_err();
            known.remember_key(epoch, id(number), (key(), None));
        }
        assert!(known.memory().keys.len() <= REMEMBERED);
    }
}
