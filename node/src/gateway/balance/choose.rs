//! The choice: two drawn at random, the less loaded of them. With loads that are a moment old, taking the least loaded of
//! all would send everybody to the same node; two choices are nearly as even and do not (Mitzenmacher, "The Power of Two
//! Choices in Randomized Load Balancing", 2001).

use net::NodeId;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    pub node: NodeId,
    pub load_per_mille: u32,
}

/// `draw(n)` is a random number below `n`.
pub(super) fn choose(candidates: &[Candidate], mut draw: impl FnMut(usize) -> usize) -> Option<Candidate> {
    let first = draw(candidates.len().max(1));
    // The second is another one: drawn from those that are left, counted on from the first.
    let second = match candidates.len() {
        0 | 1 => first,
        count => (first + 1 + draw(count - 1)) % count,
    };
    let (first, second) = (*candidates.get(first)?, *candidates.get(second)?);
    Some(if second.load_per_mille < first.load_per_mille { second } else { first })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::{Candidate, choose};

    fn candidates(loads: &[u32]) -> Vec<Candidate> {
        (1..).zip(loads).map(|(node, load)| Candidate { node, load_per_mille: *load }).collect()
    }

    /// How often each is chosen in 10,000 choices.
    fn chosen(loads: &[u32]) -> BTreeMap<u64, u32> {
        let (candidates, mut random) = (candidates(loads), StdRng::seed_from_u64(7));
        let mut counts = BTreeMap::new();
        for _ in 0..10_000 {
            let chosen = choose(&candidates, |below| random.random_range(0..below)).unwrap();
            *counts.entry(chosen.node).or_default() += 1;
        }
        counts
    }

    #[test]
    fn the_less_loaded_of_two_is_chosen() {
        assert_eq!(choose(&[], |_| 0), None);
        assert_eq!(chosen(&[900]), BTreeMap::from([(1, 10_000)]));
        assert_eq!(chosen(&[10, 5]), BTreeMap::from([(2, 10_000)]));
    }

    #[test]
    fn equals_share_and_the_most_loaded_of_all_gets_nothing() {
        let even = chosen(&[3, 3, 3, 3]);
        assert!(even.len() == 4 && even.values().all(|count| (2_200..2_800).contains(count)), "{even:?}");
        // Of four the least loaded is among the two drawn half of the time; the most loaded never wins.
        let uneven = chosen(&[1, 2, 3, 4]);
        assert!((4_700..5_300).contains(&uneven[&1]) && !uneven.contains_key(&4), "{uneven:?}");
        assert!((3_000..3_700).contains(&uneven[&2]) && (1_400..1_950).contains(&uneven[&3]), "{uneven:?}");
    }

    #[test]
    fn fewer_are_overloaded_than_by_chance_alone() {
        // As many balls as bins, each told of loads as they are: two choices keep the fullest bin lower.
        let fullest = |choices_of_two: bool| {
            let (mut bins, mut random) = (candidates(&[0; 64]), StdRng::seed_from_u64(11));
            for _ in 0..6_400 {
                let node = match choices_of_two {
                    true => choose(&bins, |below| random.random_range(0..below)).unwrap().node,
                    false => random.random_range(1..=64),
                };
                bins[node as usize - 1].load_per_mille += 1;
            }
            bins.iter().map(|bin| bin.load_per_mille).max().unwrap()
        };
        let (two, one) = (fullest(true), fullest(false));
        assert!(two <= 103 && one >= 115, "{two} {one}");
    }
}
