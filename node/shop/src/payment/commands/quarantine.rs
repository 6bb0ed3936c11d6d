//! Putting aside what no order claims, so that no money is lost from sight.

use sha2::{Digest, Sha256};
use storage::Read;

use crate::ctx::Ctx;
use crate::event::Event;
use crate::ids::{PaymentId, UnmatchedId};
use crate::money::Money;
use crate::outcome::Outcome;
use crate::payment::{self, Mismatch, Provider, Unmatched, UnmatchedObjects};
use crate::rejection::Halt;

/// An object as a provider reported it.
pub(super) struct Stranger<'a> {
    pub provider: Provider,
    pub object: &'a str,
    pub payment: Option<PaymentId>,
    pub status: &'a str,
    pub amount: Money,
}

/// Lists an object as unmatched: once, however often it is reported.
pub(super) fn quarantine(
    ctx: &mut Ctx<'_, '_>,
    why: Mismatch,
    stranger: &Stranger<'_>,
) -> Result<Outcome, Halt> {
    let id = id_of(stranger.provider, stranger.object);
    let known = ctx.tx.get::<UnmatchedObjects>(&id)?;
    let record = Unmatched {
        provider: stranger.provider,
        object: stranger.object.to_owned(),
        why,
        payment: stranger.payment,
        status: stranger.status.to_owned(),
        amount: stranger.amount,
        first_seen_at: known.as_ref().map_or(ctx.now, |known| known.first_seen_at),
        last_seen_at: ctx.now,
        seen: known.as_ref().map_or(1, |known| known.seen.saturating_add(1)),
    };
    ctx.tx.put::<UnmatchedObjects>(&id, &record)?;
    if known.is_none() {
        let (unmatched_id, amount) = (id, stranger.amount);
        ctx.emit(Event::Payment(payment::Event::Unmatched { unmatched_id, why, amount }));
    }
    Ok(Outcome::Payment(payment::Outcome::Quarantined(id)))
}

/// Derived from the object, so that no index is needed to know it again.
fn id_of(provider: Provider, object: &str) -> UnmatchedId {
    let mut hash = Sha256::new();
    hash.update([provider as u8]);
    hash.update(object.as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&hash.finalize()[..16]);
    UnmatchedId(id)
}
