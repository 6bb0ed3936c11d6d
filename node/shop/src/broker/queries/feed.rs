//! Reading the feed in pages: gap-free, in commit order, each page with a bounded amount of work.

use storage::{Fault, Read, Span};

use super::{batches_after, last_seq};
use crate::actor::Actor;
use crate::broker::{Events, partition_of};
use crate::command::Trace;
use crate::event::{Batch, Event};
use crate::ids::RequestId;
use crate::page::MAX_LIMIT;
use crate::time::Timestamp;

/// The most events that one page looks at to find those of its topic.
pub const MAX_EXAMINED: usize = 1_000;

/// One event and how it came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub seq: u64,
    /// The index of the log entry that did it.
    pub index: u64,
    pub at: Timestamp,
    pub request: RequestId,
    pub actor: Actor,
    pub trace: Option<Trace>,
    pub event: Event,
}

impl Recorded {
    /// An event of a batch.
    pub fn of(batch: &Batch, seq: u64, event: Event) -> Self {
        let Batch { index, at, request, actor, trace, .. } = *batch;
        Self { seq, index, at, request, actor, trace, event }
    }
}

/// Which events a page has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedFilter {
    /// Only of this topic; `None`: all.
    pub topic: Option<String>,
    /// Only of this partition of so many.
    pub partition: Option<(u16, u16)>,
}

impl FeedFilter {
    fn wants(&self, event: &Event) -> bool {
        let described = event.describe();
        self.topic.as_deref().is_none_or(|topic| described.topic() == topic)
            && self.partition.is_none_or(|(wanted, of)| partition_of(&described.key(), of) == wanted)
    }
}

/// A page of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedPage {
    pub events: Vec<Recorded>,
    /// Up to here everything was looked at: the `after` of the next page, also when this one is empty.
    pub after: u64,
    /// Whether there are events behind `after`.
    pub more: bool,
    /// The end of the whole feed: where whoever only wants what is new begins.
    pub last_seq: u64,
}

/// The events behind `after` that the filter wants: at most `limit` (and [`MAX_LIMIT`]), out of at most
/// [`MAX_EXAMINED`].
pub fn feed(read: &impl Read, filter: &FeedFilter, after: u64, limit: usize) -> Result<FeedPage, Fault> {
    let limit = limit.clamp(1, MAX_LIMIT);
    let mut page = FeedPage { events: Vec::new(), after, more: false, last_seq: last_seq(read)? };
    let mut examined = 0;
    for entry in batches_after(read, after)? {
        let (first, mut batch) = entry?;
        let events = std::mem::take(&mut batch.events);
        for (seq, event) in (first..).zip(events) {
            if seq <= after {
                continue;
            }
            if page.events.len() == limit || examined == MAX_EXAMINED {
                page.more = true;
                return Ok(page);
            }
            examined += 1;
            page.after = seq;
            if filter.wants(&event) {
                page.events.push(Recorded::of(&batch, seq, event));
            }
        }
    }
    Ok(page)
}

/// One event; `None` if there is none yet, or it was trimmed.
pub fn event_at(read: &impl Read, seq: u64) -> Result<Option<Recorded>, Fault> {
    let span = Span::all().until(&seq.saturating_add(1)).reversed();
    let Some((first, mut batch)) = read.scan::<Events>(span).next().transpose()? else { return Ok(None) };
    let place = usize::try_from(seq - first).ok().filter(|place| *place < batch.events.len());
    Ok(place.map(|place| {
        let event = batch.events.swap_remove(place);
        Recorded::of(&batch, seq, event)
    }))
}

/// The sequence number of the oldest event that is kept; that of the next one if there is none.
pub fn first_seq(read: &impl Read) -> Result<u64, Fault> {
    let first = read.scan::<Events>(Span::all()).next().transpose()?;
    Ok(first.map_or(1, |(first, _)| first))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{FeedFilter, MAX_EXAMINED, event_at, feed};
    use crate::broker::{CreateTopic, PublishEvent};
    use crate::catalog::UpsertProducts;
    use crate::catalog::commands::fixtures::tea;
    use crate::testing::Bench;

    /// A feed of batches of different lengths: `lengths[i]` products each make two events in one batch.
    fn filled(lengths: &[u8]) -> Bench {
        let mut bench = Bench::new();
        bench.ok(CreateTopic { name: "acme".into(), partitions: 4, retention_days: None });
        let mut number = 0;
        for length in lengths {
            let products = (0..*length)
                .map(|_| {
                    number += 1;
                    tea(&format!("tea-{number}"), &format!("TEA-{number}"))
                })
                .collect();
            bench.ok(UpsertProducts { products });
            let (topic, kind) = ("acme".to_owned(), "acme.seen.v1".to_owned());
            bench.ok(PublishEvent { topic, kind, key: format!("k{number}"), data: "1".into() });
        }
        bench
    }

    fn in_pages(bench: &Bench, filter: &FeedFilter, limit: usize) -> Vec<u64> {
        let (mut seqs, mut after) = (Vec::new(), 0);
        loop {
            let page = feed(&bench.view(), filter, after, limit).unwrap();
            seqs.extend(page.events.iter().map(|event| event.seq));
            after = page.after;
            if !page.more {
                return seqs;
            }
        }
    }

    proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

        #[test]
        fn gap_free_and_the_same_in_pages_as_at_once(lengths in proptest::collection::vec(0u8..6, 1..8), limit in 1usize..9) {
            let bench = filled(&lengths);
            let count = bench.events().len() as u64;
            let everything: Vec<u64> = (1..=count).collect();
            assert_eq!(in_pages(&bench, &FeedFilter::default(), limit), everything);
            let topic = FeedFilter { topic: Some("acme".into()), partition: None };
            let own = in_pages(&bench, &topic, 100);
            assert_eq!(own.len(), lengths.len());
            assert_eq!(in_pages(&bench, &topic, limit), own);
            let mut parts: Vec<u64> = (0..4)
                .flat_map(|part| in_pages(&bench, &FeedFilter { partition: Some((part, 4)), ..topic.clone() }, limit))
                .collect();
            parts.sort_unstable();
            assert_eq!(parts, own, "each event is in one partition");
            for seq in 1..=count {
                assert_eq!(event_at(&bench.view(), seq).unwrap().map(|event| event.seq), Some(seq));
            }
            assert_eq!(event_at(&bench.view(), count + 1).unwrap(), None);
            assert_eq!(event_at(&bench.view(), 0).unwrap(), None);
        }

        #[test]
        fn any_position_can_be_asked_for(after in any::<u64>()) {
            let bench = filled(&[2]);
            assert!(feed(&bench.view(), &FeedFilter::default(), after, 10).unwrap().events.len() <= 6);
        }
    }

    #[test]
    fn a_page_of_a_quiet_topic_is_bounded() {
        let mut bench = filled(&[]);
        for chunk in 0..25 {
            let product = |n: u32| tea(&format!("tea-{chunk}-{n}"), &format!("TEA-{chunk}-{n}"));
            bench.ok(UpsertProducts { products: (0..50).map(product).collect() });
        }
        let filter = FeedFilter { topic: Some("orders".into()), partition: None };
        let page = feed(&bench.view(), &filter, 0, 10).unwrap();
        assert_eq!((page.events.len(), page.after, page.more), (0, MAX_EXAMINED as u64, true));
        assert!(in_pages(&bench, &filter, 10).is_empty());
    }
}
