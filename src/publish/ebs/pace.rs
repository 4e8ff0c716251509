//! How many blocks are on their way at once: more as long as that helps, fewer when the service or the line says so.
use std::time::{Duration, Instant};

/// Where an upload begins that nobody said a number for.
const START: usize = 16;
/// It never goes below this: with fewer, one slow answer stops everything.
const LEAST: usize = 4;
/// Nor above this, which bounds memory: a block in flight keeps the megabyte alive that it is a part of.
pub(super) const MOST: usize = 128;
/// Growth counts when it brings this much more throughput.
const WORTH: f64 = 1.04;
/// Answers that take so many times as long as they did at best mean a queue, not work.
const QUEUE: f64 = 2.0;

/// Additive increase, multiplicative decrease: by refusals, and by answers that come later without more of them coming.
#[derive(Debug)]
pub(super) struct Pace {
    limit: f64,
    most: usize,
    /// Doubles until something says that it is enough.
    doubling: bool,
    /// The mean time of an answer in the best window so far.
    base: Option<f64>,
    /// Answers a second in the best window so far.
    best: f64,
    window: Window,
    last_cut: Option<Instant>,
}

#[derive(Debug)]
struct Window {
    since: Instant,
    answers: usize,
    seconds: f64,
    /// Whether all places were taken: else the disk is what is slow, and the figures say nothing.
    full: bool,
}

impl Window {
    fn at(now: Instant) -> Self {
        Self { since: now, answers: 0, seconds: 0.0, full: false }
    }
}

impl Pace {
    /// Who says how many knows the line: it begins there, and never goes above.
    pub(super) fn new(now: Instant, said: Option<usize>) -> Self {
        let most = said.unwrap_or(MOST).clamp(1, MOST);
        Self {
            limit: if said.is_some() { most } else { START } as f64,
            most,
            doubling: true,
            base: None,
            best: 0.0,
            window: Window::at(now),
            last_cut: None,
        }
    }

    /// How many may be on their way.
    pub(super) fn limit(&self) -> usize {
        (self.limit as usize).clamp(1, self.most)
    }

    /// Said when all places are taken.
    pub(super) fn full(&mut self) {
        self.window.full = true;
    }

    /// A block arrived, `took` after it was sent.
    pub(super) fn arrived(&mut self, now: Instant, took: Duration) {
        self.window.answers += 1;
        self.window.seconds += took.as_secs_f64();
        if self.window.answers >= self.limit() {
            let window = std::mem::replace(&mut self.window, Window::at(now));
            self.judge(&window, now);
        }
    }

    fn judge(&mut self, window: &Window, now: Instant) {
        let mean = window.seconds / window.answers as f64;
        let base = self.base.map_or(mean, |base| base.min(mean));
        // The line may have become another one: what was once reached is slowly forgotten.
        self.base = Some(base * 1.001);
        if !window.full {
            return;
        }
        let rate = window.answers as f64 / now.duration_since(window.since).as_secs_f64().max(1e-6);
        let better = rate > self.best * WORTH;
        self.best = rate.max(self.best * 0.98);
        if better && self.doubling {
            self.limit *= 2.0;
        } else if mean > base * QUEUE && !better {
            self.doubling = false;
            self.limit *= 0.9;
        } else {
            self.doubling = false;
            self.limit += 2.0;
        }
        self.limit = self.limit.clamp(LEAST.min(self.most) as f64, self.most as f64);
    }

    /// The service refused a block because there are too many, or did not answer in time.
    pub(super) fn refused(&mut self, now: Instant) {
        self.doubling = false;
        // All that were on their way at that moment are one refusal.
        let pause = Duration::from_secs_f64(self.base.unwrap_or(0.1).clamp(0.05, 5.0));
        if self.last_cut.is_some_and(|cut| now.duration_since(cut) < pause) {
            return;
        }
        self.last_cut = Some(now);
        self.limit = (self.limit / 2.0).max(LEAST.min(self.most) as f64);
        self.best = 0.0;
        self.window = Window::at(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service that takes `latency` for an answer, and answers at most `rate` blocks a second; returns the limit after `rounds`.
    fn settle(pace: &mut Pace, latency: f64, rate: f64, rounds: usize) -> usize {
        let mut now = Instant::now() + Duration::from_secs(3600);
        for _ in 0..rounds {
            let flying = pace.limit();
            let took = latency.max(flying as f64 / rate);
            now += Duration::from_secs_f64(took);
            for _ in 0..flying {
                pace.full();
                pace.arrived(now, Duration::from_secs_f64(took));
            }
        }
        pace.limit()
    }

    #[test]
    fn a_long_line_is_filled_within_a_few_answers() {
        let mut pace = Pace::new(Instant::now(), None);
        assert!(settle(&mut pace, 0.1, 1e9, 4) >= 64);
        assert_eq!(settle(&mut pace, 0.1, 1e9, 20), MOST);
    }

    #[test]
    fn a_service_at_its_end_is_not_given_a_queue() {
        let mut pace = Pace::new(Instant::now(), None);
        // 20 ms and 500 a second: ten at once would do.
        let limit = settle(&mut pace, 0.02, 500.0, 100);
        assert!((LEAST..=40).contains(&limit), "{limit}");
    }

    #[test]
    fn refusals_halve_it_once_a_round_and_it_recovers() {
        let mut pace = Pace::new(Instant::now(), None);
        settle(&mut pace, 0.1, 1e9, 20);
        let now = Instant::now() + Duration::from_secs(7200);
        for _ in 0..50 {
            pace.refused(now);
        }
        assert_eq!(pace.limit(), MOST / 2);
        for second in 1..20 {
            pace.refused(now + Duration::from_secs(10 * second));
        }
        assert_eq!(pace.limit(), LEAST);
        assert!(settle(&mut pace, 0.1, 1e9, 100) > 64);
    }

    #[test]
    fn a_number_that_was_said_is_where_it_begins_and_ends() {
        let mut pace = Pace::new(Instant::now(), Some(64));
        assert_eq!(pace.limit(), 64);
        assert_eq!(settle(&mut pace, 0.1, 1e9, 20), 64);
        pace.refused(Instant::now() + Duration::from_hours(2));
        assert_eq!(pace.limit(), 32);
        assert_eq!(Pace::new(Instant::now(), Some(1000)).limit(), MOST);
    }

    #[test]
    fn a_slow_disk_is_no_reason_for_more_connections() {
        let mut pace = Pace::new(Instant::now(), None);
        let now = Instant::now();
        for _ in 0..1000 {
            pace.arrived(now, Duration::from_millis(10));
        }
        assert_eq!(pace.limit(), START);
    }
}
