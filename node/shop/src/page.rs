//! A bounded piece of a list, as queries return it.

use storage::Fault;

/// The most items of one piece.
pub const MAX_LIMIT: usize = 100;

/// Items in the order of their keys, and where the list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<T, K> {
    pub items: Vec<T>,
    /// The key of the last item, if there is more behind it: pass it as `after` to go on.
    pub next: Option<K>,
}

impl<K: Clone, V> Found<(K, V), K> {
    /// The first `limit` records of a scan (at most [`MAX_LIMIT`]). One more is looked at, to know whether there is
    /// more.
    pub fn of(scan: impl Iterator<Item = Result<(K, V), Fault>>, limit: usize) -> Result<Self, Fault> {
        let limit = limit.clamp(1, MAX_LIMIT);
        let mut items = Vec::new();
        for record in scan {
            let record = record?;
            if items.len() == limit {
                let next = items.last().map(|(key, _): &(K, V)| key.clone());
                return Ok(Self { items, next });
            }
            items.push(record);
        }
        Ok(Self { items, next: None })
    }
}

impl<T, K> Found<T, K> {
    /// The same piece of other items.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Found<U, K> {
        Found { items: self.items.into_iter().map(change).collect(), next: self.next }
    }

    /// The same piece of other items, which have to be read.
    pub fn try_map<U>(self, change: impl FnMut(T) -> Result<U, Fault>) -> Result<Found<U, K>, Fault> {
        let items = self.items.into_iter().map(change).collect::<Result<_, _>>()?;
        Ok(Found { items, next: self.next })
    }
}

#[cfg(test)]
mod tests {
    use super::Found;

    #[test]
    fn the_next_key_is_there_only_if_there_is_more() {
        let list = |count: u32| (0..count).map(|n| Ok((n, ())));
        assert_eq!(Found::of(list(3), 3).unwrap().next, None);
        assert_eq!(Found::of(list(4), 3).unwrap().next, Some(2));
        assert_eq!(Found::of(list(500), 400).unwrap().items.len(), 100);
        assert_eq!(Found::of(list(0), 3).unwrap().items.len(), 0);
    }
}
