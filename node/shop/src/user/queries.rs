//! Reading users. What the authenticator asks is one get.

use storage::{Fault, Read, Span};

use crate::ids::{ApiKeyId, ClientId, CustomerId};
use crate::page::Found;
use crate::user::{
    ApiKey, ApiKeys, Client, Clients, Customer, Customers, CustomersByEmail, CustomersByOwner, SigningKey,
    SigningKeys,
};

/// An API key.
pub fn api_key(read: &impl Read, id: ApiKeyId) -> Result<Option<ApiKey>, Fault> {
    read.get::<ApiKeys>(&id)
}

/// An API client.
pub fn client(read: &impl Read, id: ClientId) -> Result<Option<Client>, Fault> {
    read.get::<Clients>(&id)
}

/// API clients, oldest first, revoked ones included.
pub fn clients(
    read: &impl Read,
    after: Option<ClientId>,
    limit: usize,
) -> Result<Found<(ClientId, Client), ClientId>, Fault> {
    let span = after.map_or_else(Span::all, |after| Span::after(&after));
    Found::of(read.scan::<Clients>(span), limit)
}

/// All signing keys, retired ones included: at most 100.
pub fn signing_keys(read: &impl Read) -> Result<Vec<(String, SigningKey)>, Fault> {
    read.scan::<SigningKeys>(Span::all()).take(100).collect()
}

/// A customer, if this client may see it; `None` for the client: staff, who see all.
pub fn customer(
    read: &impl Read,
    id: CustomerId,
    client: Option<ClientId>,
) -> Result<Option<Customer>, Fault> {
    let customer = read.get::<Customers>(&id)?;
    Ok(customer.filter(|customer| client.is_none() || customer.owner == client))
}

/// Which customers a list has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// With this normalised address.
    pub email: Option<String>,
    /// Of this client.
    pub owner: Option<ClientId>,
    pub newest_first: bool,
}

/// Customers in the order of their creation; those of one address (one for each owner) in the order of their owners,
/// in one piece.
pub fn customers(
    read: &impl Read,
    filter: &Filter,
    after: Option<CustomerId>,
    limit: usize,
) -> Result<Found<(CustomerId, Customer), CustomerId>, Fault> {
    let there = |id: CustomerId| {
        let missing = || Fault::corrupt("an index of customers", format!("{id} is indexed and not there"));
        read.get::<Customers>(&id)?.map(|customer| (id, customer)).ok_or_else(missing)
    };
    if let Some(email) = &filter.email {
        let found =
            read.scan::<CustomersByEmail>(Span::prefix(email)).map(|record| record.map(|(_, id)| (id, ())));
        let mut found = Found::of(found, limit)?.try_map(|(id, ())| there(id))?;
        found.next = None;
        found.items.retain(|(_, customer)| filter.owner.is_none() || customer.owner == filter.owner);
        return Ok(found);
    }
    if let Some(owner) = filter.owner {
        let owner = Some(owner);
        let span = Span::prefix(&owner);
        let span = if filter.newest_first { span.reversed() } else { span };
        let span = match after {
            Some(after) => span.resume_after(&(owner, after)),
            None => span,
        };
        let ids = read.scan::<CustomersByOwner>(span).map(|record| record.map(|((_, id), _)| (id, ())));
        return Found::of(ids, limit)?.try_map(|(id, ())| there(id));
    }
    let span = if filter.newest_first { Span::all().reversed() } else { Span::all() };
    let span = match after {
        Some(after) => span.resume_after(&after),
        None => span,
    };
    Found::of(read.scan::<Customers>(span), limit)
}

#[cfg(test)]
mod tests {
    use super::{Filter, customers};
    use crate::testing::Bench;
    use crate::user::Scopes;
    use crate::user::commands::fixtures::{create_client, create_customer};

    #[test]
    fn lists_by_owner_and_address() {
        let mut bench = Bench::new();
        let owner = create_client(&mut bench, Scopes::EVERY);
        let other = create_client(&mut bench, Scopes::EVERY);
        let ids: Vec<_> = (0..5)
            .map(|n| {
                create_customer(&mut bench, Some([owner, other][n % 2]), &format!("c{}@example.com", n / 2))
            })
            .collect();
        let list = |filter: Filter, limit| {
            let (mut all, mut after) = (Vec::new(), None);
            loop {
                let found = customers(&bench.view(), &filter, after, limit).unwrap();
                all.extend(found.items.iter().map(|(id, _)| *id));
                after = found.next;
                if after.is_none() {
                    return all;
                }
            }
        };
        for limit in [1, 2, 100] {
            assert_eq!(list(Filter::default(), limit), ids);
            let mine = Filter { owner: Some(owner), ..Filter::default() };
            assert_eq!(list(mine.clone(), limit), [ids[0], ids[2], ids[4]]);
            assert_eq!(list(Filter { newest_first: true, ..mine }, limit), [ids[4], ids[2], ids[0]]);
        }
        let shared = Filter { email: Some("c0@example.com".into()), ..Filter::default() };
        assert_eq!(list(shared.clone(), 9), [ids[0], ids[1]]);
        assert_eq!(list(Filter { owner: Some(other), ..shared }, 9), [ids[1]]);
        assert_eq!(list(Filter { email: Some("c0@example.co".into()), ..Filter::default() }, 9), []);
    }
}
