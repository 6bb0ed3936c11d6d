//! When the members of consumer groups were last heard of. Nothing here is replicated.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shop::broker::http::SESSION_SECONDS;
use shop::broker::{MAX_GROUPS, MAX_MEMBERS};
use tokio::time::Instant;

/// A member is silent when it was not heard of for so long.
pub const SESSION: Duration = Duration::from_secs(SESSION_SECONDS as u64);
/// Who has not looked for so long may have missed what was said meanwhile.
const LATE: Duration = Duration::from_secs(5);
/// As many as there can be.
const MOST: usize = MAX_GROUPS * MAX_MEMBERS;

/// A group and one of its members.
pub type MemberOf = (String, String);

/// What one node remembers while it leads.
#[derive(Debug, Default)]
pub struct Sessions {
    heard: BTreeMap<MemberOf, Instant>,
    looked_at: Option<Instant>,
}

impl Sessions {
    /// A member was heard of.
    pub fn heard(&mut self, member: MemberOf, now: Instant) {
        if self.heard.len() < MOST || self.heard.contains_key(&member) {
            self.heard.insert(member, now);
        }
    }

    /// Somebody else leads: what was heard here is of no use any more.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Which of the `members` are silent. A session counts from the first look at the latest: who has just begun to lead, or
    /// was paused, has not heard what was said before.
    pub fn silent(&mut self, members: &[MemberOf], now: Instant) -> Vec<MemberOf> {
        let looked_at = self.looked_at.replace(now);
        if looked_at.is_none_or(|at| now.duration_since(at) > LATE) {
            self.heard.clear();
        }
        let known: BTreeSet<&MemberOf> = members.iter().collect();
        self.heard.retain(|member, _| known.contains(member));
        let mut silent = Vec::new();
        for member in members {
            let heard = *self.heard.entry(member.clone()).or_insert(now);
            if now.duration_since(heard) > SESSION {
                silent.push(member.clone());
            }
        }
        silent
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{LATE, MemberOf, SESSION, Sessions};

    fn member(name: &str) -> MemberOf {
        ("g".into(), name.into())
    }

    /// Looks every second up to `seconds`, and says who is silent then.
    fn look(sessions: &mut Sessions, members: &[MemberOf], from: Instant, seconds: u64) -> Vec<String> {
        let mut silent = Vec::new();
        for second in 0..=seconds {
            silent = sessions.silent(members, from + Duration::from_secs(second));
        }
        silent.into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn who_sends_nothing_is_silent_after_a_session() {
        let (mut sessions, begin) = (Sessions::default(), Instant::now());
        let members = [member("a"), member("b")];
        let session = SESSION.as_secs();
        assert!(look(&mut sessions, &members, begin, session - 1).is_empty());
        sessions.heard(member("b"), begin + SESSION - Duration::from_secs(1));
        let on = begin + SESSION;
        assert_eq!(look(&mut sessions, &members, on, 1), ["a"]);
        // One that left and came back is heard of anew.
        assert!(look(&mut sessions, &members[1..], on + Duration::from_secs(2), 0).is_empty());
        assert!(look(&mut sessions, &members, on + Duration::from_secs(3), 0).is_empty());
    }

    #[test]
    fn who_did_not_listen_calls_nobody_silent() {
        let (mut sessions, begin) = (Sessions::default(), Instant::now());
        let members = [member("a")];
        let second = Duration::from_secs(1);
        look(&mut sessions, &members, begin, SESSION.as_secs());
        // This process was paused, for longer than a session.
        let back = begin + SESSION * 3;
        assert!(look(&mut sessions, &members, back, SESSION.as_secs()).is_empty());
        assert_eq!(look(&mut sessions, &members, back + SESSION + second, 0), ["a"]);
        // Another node led for a while.
        sessions.forget();
        assert!(look(&mut sessions, &members, back + SESSION + second * 2, 0).is_empty());
        assert!(LATE < SESSION);
    }
}
