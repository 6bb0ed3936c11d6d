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

/// Customers in the order of their creation; those of one address (one for each owner) in the order of their owners.
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
        return of_address(read, email, filter.owner, after, limit)?.try_map(|(id, ())| there(id));
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

/// The ids of those with this address: of one owner, or of all, owner by owner.
fn of_address(
    read: &impl Read,
    email: &str,
    owner: Option<ClientId>,
    after: Option<CustomerId>,
    limit: usize,
) -> Result<Found<(CustomerId, ()), CustomerId>, Fault> {
    let email = email.to_owned();
    if owner.is_some() {
        // At most one, so that nothing is behind it.
        let only = if after.is_none() { read.get::<CustomersByEmail>(&(email, owner))? } else { None };
        return Found::of(only.into_iter().map(|id| Ok((id, ()))), limit);
    }
    let span = Span::prefix(&email);
    let span = match after {
        None => span,
        // A customer's owner never changes, and its record stays when it is erased: the list goes on behind it, also
        // when the address is no longer its own.
        Some(after) => match read.get::<Customers>(&after)? {
            Some(customer) => span.resume_after(&(email, customer.owner)),
            None => return Ok(Found { items: Vec::new(), next: None }),
        },
    };
    let ids = read.scan::<CustomersByEmail>(span).map(|record| record.map(|(_, id)| (id, ())));
    Found::of(ids, limit)
}

#[cfg(test)]
mod tests {
    use super::{Filter, customers};
    use crate::ids::CustomerId;
    use crate::testing::Bench;
    use crate::user::commands::fixtures::{create_client, create_customer};
    use crate::user::{EraseCustomer, Scopes};

    /// The whole list, page by page.
    fn list(bench: &Bench, filter: &Filter, limit: usize) -> Vec<CustomerId> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let found = customers(&bench.view(), filter, after, limit).unwrap();
            all.extend(found.items.iter().map(|(id, _)| *id));
            after = found.next;
            if after.is_none() {
                return all;
            }
        }
    }

    fn by(email: &str) -> Filter {
        Filter { email: Some(email.into()), ..Filter::default() }
    }

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
        for limit in [1, 2, 100] {
            assert_eq!(list(&bench, &Filter::default(), limit), ids);
            let mine = Filter { owner: Some(owner), ..Filter::default() };
            assert_eq!(list(&bench, &mine, limit), [ids[0], ids[2], ids[4]]);
            let newest = Filter { newest_first: true, ..mine };
            assert_eq!(list(&bench, &newest, limit), [ids[4], ids[2], ids[0]]);
            let shared = by("c0@example.com");
            assert_eq!(list(&bench, &shared, limit), [ids[0], ids[1]]);
            let others = Filter { owner: Some(other), ..shared };
            assert_eq!(list(&bench, &others, limit), [ids[1]], "the first owner's is not counted");
        }
        assert_eq!(list(&bench, &by("c0@example.co"), 9), []);
    }

    #[test]
    fn an_address_of_more_owners_than_a_page_has_is_read_to_its_end() {
        let mut bench = Bench::new();
        let address = "ada@example.com";
        let mut owners = vec![None];
        owners.extend((0..4).map(|_| Some(create_client(&mut bench, Scopes::EVERY))));
        // Made in another order than that of the list.
        let mut ids: Vec<_> =
            owners.iter().rev().map(|owner| create_customer(&mut bench, *owner, address)).collect();
        ids.reverse();
        for limit in [1, 2, 5, 9] {
            assert_eq!(list(&bench, &by(address), limit), ids);
        }
        let erased = EraseCustomer { id: ids[1], client: None, orders_after: None };
        bench.ok(erased);
        let behind = customers(&bench.view(), &by(address), Some(ids[1]), 9).unwrap();
        assert_eq!(behind.items.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids[2..]);
        let unknown = customers(&bench.view(), &by(address), Some(CustomerId([9; 16])), 9).unwrap();
        assert!(unknown.items.is_empty());
    }
}
