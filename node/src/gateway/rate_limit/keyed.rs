//! One limit over many callers, in bounded memory: the generic cell rate algorithm (ITU-T I.371, annex A). Of each caller
//! only the theoretical arrival time is kept: when it would have all of its burst again.
//!
//! What a caller spends at other nodes moves that time too, beyond what this node would have admitted: a debt, which has
//! to be waited out. So a caller who uses all nodes gets the same rate as one who uses a single node.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::Caller;
use crate::config::RateLimitClass;

/// Callers that are remembered; the rest share one limit.
const MOST_CALLERS: usize = 65_536;
/// Callers whose next attempt is known to be refused.
const MOST_REFUSED: usize = 4_096;
/// Callers of whom the other nodes are to be told.
const MOST_UNTOLD: usize = 16_384;
/// After how many requests those are forgotten that have their whole limit again.
const SWEEP_EVERY: u32 = 4_096;
/// The deepest debt, in bursts: what so many other nodes may have admitted at once.
const MOST_DEBT_BURSTS: u64 = 8;

pub struct Keyed {
    name: &'static str,
    burst: u32,
    per_minute: u32,
    started: Instant,
    callers: Mutex<Callers>,
    /// Until when a caller is refused, for [`Keyed::look`].
    refused_until: Mutex<HashMap<Caller, Instant>>,
}

#[derive(Default)]
struct Callers {
    /// The theoretical arrival time, in nanoseconds after the start.
    arrivals: HashMap<Caller, u64>,
    /// Admitted here since the other nodes were last told.
    untold: HashMap<Caller, u32>,
    since_sweep: u32,
}

/// Where a caller stands with a limit.
#[derive(Debug, Clone)]
pub struct Standing {
    pub name: &'static str,
    pub burst: u32,
    per_minute: u32,
    remaining: u32,
    /// Seconds until the next request is admitted.
    pub wait_s: u64,
}

impl Keyed {
    /// `None` when the class has no limit.
    pub fn new(name: &'static str, class: RateLimitClass) -> Option<Self> {
        if class.per_minute == 0 || class.burst == 0 {
            return None;
        }
        Some(Self {
            name,
            burst: class.burst,
            per_minute: class.per_minute,
            started: Instant::now(),
            callers: Mutex::default(),
            refused_until: Mutex::new(HashMap::new()),
        })
    }

    /// Counts one request.
    ///
    /// # Errors
    /// The standing, when it is one too many.
    pub fn charge(&self, caller: Caller) -> Result<Standing, Standing> {
        self.charge_at(caller, self.now_ns())
    }

    fn charge_at(&self, caller: Caller, now_ns: u64) -> Result<Standing, Standing> {
        let (cost_ns, room_ns) = (self.cost_ns(), self.room_ns());
        let mut callers = self.callers();
        let caller = callers.bounded(caller, now_ns);
        let arrival_ns = callers.arrivals.get(&caller).copied().unwrap_or(0).max(now_ns) + cost_ns;
        let used_ns = arrival_ns - now_ns;
        if used_ns > room_ns {
            drop(callers);
            let wait = Duration::from_nanos(used_ns - room_ns);
            self.remember_refusal(caller, wait);
            return Err(self.standing(0, wait));
        }
        callers.arrivals.insert(caller, arrival_ns);
        callers.note_untold(caller);
        Ok(self.standing(((room_ns - used_ns) / cost_ns) as u32, Duration::ZERO))
    }

    /// Counts what a caller was admitted to at another node. It may come to owe.
    pub fn charge_elsewhere(&self, caller: Caller, requests: u32) {
        self.charge_elsewhere_at(caller, requests, self.now_ns());
    }

    fn charge_elsewhere_at(&self, caller: Caller, requests: u32, now_ns: u64) {
        let mut callers = self.callers();
        let caller = callers.bounded(caller, now_ns);
        let arrival_ns = callers.arrivals.get(&caller).copied().unwrap_or(0).max(now_ns);
        let spent_ns = self.cost_ns().saturating_mul(u64::from(requests));
        let deepest_ns = now_ns.saturating_add(self.room_ns().saturating_mul(MOST_DEBT_BURSTS));
        let owed_ns = arrival_ns.saturating_add(spent_ns).min(deepest_ns.max(arrival_ns));
        callers.arrivals.insert(caller, owed_ns);
    }

    /// Takes what was admitted here and the other nodes do not know yet, of at most `limit` callers.
    pub fn take_untold(&self, limit: usize) -> Vec<(Caller, u32)> {
        let mut callers = self.callers();
        let taken: Vec<_> =
            callers.untold.iter().take(limit).map(|(caller, spent)| (*caller, *spent)).collect();
        for (caller, _) in &taken {
            callers.untold.remove(caller);
        }
        taken
    }

    /// Counts nothing.
    ///
    /// # Errors
    /// The standing, when a charge was refused a moment ago and the next one would be.
    pub fn look(&self, caller: Caller) -> Result<(), Standing> {
        let Ok(mut refused) = self.refused_until.lock() else { return Ok(()) };
        let Some(until) = refused.get(&caller) else { return Ok(()) };
        let wait = until.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            refused.remove(&caller);
            return Ok(());
        }
        Err(self.standing(0, wait))
    }

    #[cfg(test)]
    pub fn knows(&self, caller: Caller) -> bool {
        self.callers().arrivals.contains_key(&caller)
    }

    fn remember_refusal(&self, caller: Caller, wait: Duration) {
        let Ok(mut refused) = self.refused_until.lock() else { return };
        let now = Instant::now();
        if refused.len() >= MOST_REFUSED {
            refused.retain(|_, until| *until > now);
        }
        if refused.len() < MOST_REFUSED {
            refused.insert(caller, now + wait);
        }
    }

    fn callers(&self) -> MutexGuard<'_, Callers> {
        // Maps of numbers: what a panic leaves behind is as good as before it.
        self.callers.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn now_ns(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    /// The time that one request takes to come back.
    fn cost_ns(&self) -> u64 {
        60_000_000_000 / u64::from(self.per_minute)
    }

    /// The time that the whole burst takes to come back.
    fn room_ns(&self) -> u64 {
        self.cost_ns() * u64::from(self.burst)
    }

    fn standing(&self, remaining: u32, wait: Duration) -> Standing {
        let wait_s = wait.as_millis().div_ceil(1_000) as u64;
        Standing { name: self.name, burst: self.burst, per_minute: self.per_minute, remaining, wait_s }
    }
}

impl Callers {
    /// The caller itself, or everybody once there are too many.
    fn bounded(&mut self, caller: Caller, now_ns: u64) -> Caller {
        self.since_sweep += 1;
        if self.since_sweep >= SWEEP_EVERY {
            self.since_sweep = 0;
            self.arrivals.retain(|_, arrival_ns| *arrival_ns > now_ns);
        }
        let is_known = self.arrivals.contains_key(&caller);
        if !is_known && self.arrivals.len() >= MOST_CALLERS { Caller::Everybody } else { caller }
    }

    fn note_untold(&mut self, caller: Caller) {
        let is_full = self.untold.len() >= MOST_UNTOLD;
        match self.untold.entry(caller) {
            Entry::Occupied(mut spent) => *spent.get_mut() = spent.get().saturating_add(1),
            Entry::Vacant(_) if is_full => {}
            Entry::Vacant(first) => {
                first.insert(1);
            }
        }
    }
}

impl Standing {
    /// `RateLimit-Policy`: so many requests in so many seconds.
    pub fn policy(&self) -> String {
        format!("\"{}\";q={};w={}", self.name, self.burst, self.window_s())
    }

    /// `RateLimit`: how many are left now, and in how many seconds all are back.
    pub fn limit(&self) -> String {
        let back_s = self.seconds_for(self.burst - self.remaining.min(self.burst));
        format!("\"{}\";r={};t={back_s}", self.name, self.remaining)
    }

    /// The time in which the whole burst comes back.
    pub fn window_s(&self) -> u64 {
        self.seconds_for(self.burst).max(1)
    }

    fn seconds_for(&self, requests: u32) -> u64 {
        (u64::from(requests) * 60).div_ceil(u64::from(self.per_minute))
    }
}

#[cfg(test)]
mod tests {
    use super::{Caller, Keyed, MOST_CALLERS};
    use crate::config::RateLimitClass;

    const MS: u64 = 1_000_000;

    fn keyed(per_minute: u32, burst: u32) -> Keyed {
        Keyed::new("test", RateLimitClass { per_minute, burst }).unwrap()
    }

    #[test]
    fn a_burst_passes_and_then_one_waits() {
        let keyed = keyed(1, 3);
        let caller = Caller::Address(1, false);
        for left in [2, 1, 0] {
            assert_eq!(
                keyed.charge(caller).unwrap().limit().split(';').nth(1),
                Some(format!("r={left}").as_str())
            );
        }
        assert!(keyed.look(caller).is_ok());
        let refused = keyed.charge(caller).unwrap_err();
        assert!(refused.wait_s > 0 && refused.wait_s <= 60);
        assert_eq!(refused.policy(), "\"test\";q=3;w=180");
        assert!(keyed.look(caller).is_err());
        assert!(keyed.charge(Caller::Address(2, false)).is_ok(), "another caller has a limit of its own");
    }

    #[test]
    fn what_was_spent_comes_back_with_time() {
        let (keyed, caller) = (keyed(600, 2), Caller::Address(1, false));
        let mut admitted_at = Vec::new();
        for now_ms in 0..1_000 {
            if keyed.charge_at(caller, now_ms * MS).is_ok() {
                admitted_at.push(now_ms);
            }
        }
        assert_eq!(admitted_at, [0, 1, 100, 200, 300, 400, 500, 600, 700, 800, 900]);
    }

    /// The stated overshoot: on `n` nodes at most `n` bursts at once, and the rate of one node ever after.
    #[test]
    fn a_caller_who_uses_all_nodes_gets_the_rate_of_one() {
        const NODES: usize = 3;
        let (per_minute, burst, seconds) = (600, 20, 60);
        let nodes: Vec<Keyed> = (0..NODES).map(|_| keyed(per_minute, burst)).collect();
        let caller = Caller::Address(1, false);
        let mut admitted = 0;
        for now_ms in 0..seconds * 1_000 {
            for node in &nodes {
                admitted += u64::from(node.charge_at(caller, now_ms * MS).is_ok());
            }
            if now_ms % 500 == 499 {
                exchange(&nodes, now_ms * MS);
            }
        }
        let rate = u64::from(per_minute) * seconds / 60;
        // What comes back within one round may be admitted by each node before the others hear of it; it is owed later.
        let within_a_round = NODES as u64 * u64::from(per_minute) / 120;
        let most = rate + NODES as u64 * u64::from(burst) + within_a_round;
        assert!(admitted <= most, "{admitted} of at most {most}");
        assert!(admitted >= rate, "{admitted} of at least {rate}: a debt is owed once");
    }

    fn exchange(nodes: &[Keyed], now_ns: u64) {
        let told: Vec<_> = nodes.iter().map(|node| node.take_untold(100)).collect();
        for (to, node) in nodes.iter().enumerate() {
            for (from, spent) in told.iter().enumerate() {
                for (caller, requests) in spent.iter().filter(|_| from != to) {
                    node.charge_elsewhere_at(*caller, *requests, now_ns);
                }
            }
        }
    }

    #[test]
    fn a_debt_is_bounded() {
        let (keyed, caller) = (keyed(60, 1), Caller::Address(1, false));
        keyed.charge_elsewhere_at(caller, u32::MAX, 0);
        let refused = keyed.charge_at(caller, 0).unwrap_err();
        assert_eq!(refused.wait_s, 8);
        assert!(keyed.charge_at(caller, 8_000 * MS).is_ok());
    }

    #[test]
    fn memory_is_bounded_whoever_comes() {
        let keyed = keyed(1, 1);
        for address in 0..MOST_CALLERS as u64 + 5_000 {
            let _ = keyed.charge(Caller::Address(address, true));
        }
        assert!(keyed.callers().arrivals.len() <= MOST_CALLERS + 1);
        assert!(keyed.callers().untold.len() <= super::MOST_UNTOLD);
        assert!(keyed.charge(Caller::Address(u64::MAX, true)).is_err(), "late comers share one limit");
    }

    #[test]
    fn no_limit_is_no_limiter() {
        assert!(Keyed::new("test", RateLimitClass { per_minute: 0, burst: 1 }).is_none());
    }
}
