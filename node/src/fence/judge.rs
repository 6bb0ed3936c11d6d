//! Who is right when digests differ: the majority of voters, or nobody.

use std::collections::{BTreeMap, BTreeSet};

use raft::NodeId;

use crate::peers::DigestAt;

/// What the digests of all say about this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// No other node has told a digest of an index that this one knows.
    Unknown,
    /// At the newest index in common, all say the same.
    Same { index: u64 },
    /// A majority of voters agrees with each other, and not with this node.
    Outvoted { index: u64, tables: Vec<u8>, majority: BTreeSet<NodeId> },
    /// Somebody differs, and no majority says who is right.
    Split { index: u64, tables: Vec<u8>, with: BTreeSet<NodeId> },
}

/// Compares `mine` with what the `others` told. `voters` are all voters, this node included if it is one: a majority is more
/// than half of them, and this node does not count against itself.
pub fn judge(
    mine: &[DigestAt],
    voters: &BTreeSet<NodeId>,
    others: &BTreeMap<NodeId, Vec<DigestAt>>,
) -> Verdict {
    let mut newest = Verdict::Unknown;
    for own in mine.iter().rev() {
        let at = |told: &Vec<DigestAt>| told.iter().find(|digest| digest.index == own.index).cloned();
        let told: BTreeMap<NodeId, DigestAt> =
            others.iter().filter_map(|(id, told)| Some((*id, at(told)?))).collect();
        let against: BTreeMap<NodeId, DigestAt> = told
            .iter()
            .filter(|(_, digest)| digest.overall != own.overall)
            .map(|(id, d)| (*id, d.clone()))
            .collect();
        let mut parties: BTreeMap<u128, BTreeSet<NodeId>> = BTreeMap::new();
        for (id, digest) in against.iter().filter(|(id, _)| voters.contains(id)) {
            parties.entry(digest.overall).or_default().insert(*id);
        }
        if let Some((_, majority)) = parties.into_iter().find(|(_, party)| party.len() > voters.len() / 2) {
            let right = majority.first().and_then(|id| against.get(id));
            let tables = right.map(|right| differing(own, right)).unwrap_or_default();
            return Verdict::Outvoted { index: own.index, tables, majority };
        }
        if newest == Verdict::Unknown && !told.is_empty() {
            newest = match against.first_key_value() {
                None => Verdict::Same { index: own.index },
                Some((_, other)) => Verdict::Split {
                    index: own.index,
                    tables: differing(own, other),
                    with: against.keys().copied().collect(),
                },
            };
        }
    }
    newest
}

/// The prefixes of the tables that differ.
fn differing(one: &DigestAt, other: &DigestAt) -> Vec<u8> {
    let (one, other): (BTreeSet<_>, BTreeSet<_>) =
        (one.tables.iter().copied().collect(), other.tables.iter().copied().collect());
    let prefixes: BTreeSet<u8> = one.symmetric_difference(&other).map(|(prefix, _)| *prefix).collect();
    prefixes.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::{BTreeMap, BTreeSet, DigestAt, NodeId, Verdict, judge};

    /// Digests by index; a letter is what the tables 0x20 and 0x30 have.
    fn told(text: &str) -> Vec<DigestAt> {
        let digest = |part: &str| {
            let (index, value) = part.split_once('=').unwrap();
            let sums: Vec<u128> = value.bytes().map(u128::from).collect();
            DigestAt {
                index: index.parse().unwrap(),
                overall: sums[0] << 64 | sums[1],
                tables: vec![(0x20, sums[0]), (0x30, sums[1])],
            }
        };
        text.split_whitespace().map(digest).collect()
    }

    fn check(mine: &str, voters: &[NodeId], others: &[(NodeId, &str)], expect: &str) {
        let voters: BTreeSet<NodeId> = voters.iter().copied().collect();
        let others: BTreeMap<NodeId, _> = others.iter().map(|(id, text)| (*id, told(text))).collect();
        let found = match judge(&told(mine), &voters, &others) {
            Verdict::Unknown => "unknown".to_owned(),
            Verdict::Same { index } => format!("same at {index}"),
            Verdict::Outvoted { index, tables, majority } => {
                format!("out at {index} {tables:x?} by {majority:?}")
            }
            Verdict::Split { index, tables, with } => format!("split at {index} {tables:x?} with {with:?}"),
        };
        assert_eq!(found, expect);
    }

    #[test]
    fn a_majority_decides() {
        let three = [1, 2, 3];
        check("1024=aa", &three, &[(2, "1024=ab"), (3, "1024=ab")], "out at 1024 [30] by {2, 3}");
        check(
            "1024=aa 2048=ba",
            &three,
            &[(2, "2048=aa"), (3, "1024=aa 2048=aa")],
            "out at 2048 [20] by {2, 3}",
        );
        check("1024=aa", &three, &[(2, "1024=aa"), (3, "1024=ab")], "split at 1024 [30] with {3}");
        check("1024=aa", &three, &[(2, "1024=aa"), (3, "1024=aa")], "same at 1024");
        check("1024=aa", &[1], &[], "unknown");
        check("1024=aa", &three, &[(2, "2048=aa")], "unknown");
    }

    #[test]
    fn without_a_majority_nobody_is_right() {
        check("7=aa", &[1, 2, 3], &[(2, "7=ab")], "split at 7 [30] with {2}");
        check("7=aa", &[1, 2, 3], &[(2, "7=ab"), (3, "7=ac")], "split at 7 [30] with {2, 3}");
        check("7=aa", &[1, 2], &[(2, "7=ab")], "split at 7 [30] with {2}");
        let four = [1, 2, 3, 4];
        check("7=aa", &four, &[(2, "7=ab"), (3, "7=ab"), (4, "7=aa")], "split at 7 [30] with {2, 3}");
        check("7=aa", &four, &[(2, "7=ab"), (3, "7=ab"), (4, "7=ab")], "out at 7 [30] by {2, 3, 4}");
    }

    #[test]
    fn learners_are_judged_and_judge_nobody() {
        check("7=aa", &[1, 2, 3], &[(1, "7=ab"), (2, "7=ab"), (3, "")], "out at 7 [30] by {1, 2}");
        check("7=aa", &[1, 2, 3], &[(2, "7=aa"), (8, "7=ab"), (9, "7=ab")], "split at 7 [30] with {8, 9}");
    }

    #[test]
    fn an_older_index_counts_when_the_newest_is_not_known_to_enough() {
        let others = [(2, "1024=ab 2048=ab"), (3, "1024=ab")];
        check("1024=aa 2048=aa", &[1, 2, 3], &others, "out at 1024 [30] by {2, 3}");
    }
}
