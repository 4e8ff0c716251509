//! Sends blocks, many at once, each until it arrived.
use super::{
    feed::Outlet,
    pace::{MOST, Pace},
    record::{Digests, Record},
    trouble::{self, Trouble},
};
use crate::{
    aws::{Aws, AwsError, AwsErrorKind},
    cx::{Cx, Event, Unit},
    disk::{DataBlock, FEED_BLOCK},
    value::HumanDuration,
};
use aws_sdk_ebs::{Client, primitives::ByteStream, types::ChecksumAlgorithm};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::{
    collections::{BinaryHeap, binary_heap::PeekMut},
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Clients with connections of their own. Amazon's servers speak HTTP/1.1 and HTTP/2; with the latter, a client has one connection.
const LANES: usize = 4;
/// An upload of which nothing arrives for so long is given up. What arrived stays, and the same command goes on.
const STALLED: Duration = Duration::from_secs(600);
/// Events about progress come so often at most.
const REPORT_EVERY: Duration = Duration::from_millis(200);
/// What is worked on, as events call it.
const WHAT: &str = "upload";

/// What was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Blocks that arrived in this run.
    pub sent: u64,
    /// Blocks that arrived in an earlier run, and were not sent again.
    pub known: u64,
    /// Blocks that are the parent's, and were not sent.
    pub unchanged: u64,
    /// Tries that failed and were made again.
    pub repeated: u64,
    /// The most blocks that were on their way at once.
    pub at_once: usize,
}

/// A block that is to be sent again, once its time has come. The earliest is the greatest.
#[derive(Debug)]
struct Again {
    at: Instant,
    tries: u32,
    block: DataBlock,
}

impl PartialEq for Again {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}
impl Eq for Again {}
impl PartialOrd for Again {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Again {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.at.cmp(&self.at)
    }
}

/// How one try ended.
struct Tried {
    block: DataBlock,
    tries: u32,
    took: Duration,
    result: Result<(), AwsError>,
}

/// The upload of the blocks of one snapshot.
pub(super) struct Sending<'a> {
    cx: &'a Cx,
    region: String,
    snapshot: &'a str,
    clients: Vec<Client>,
    pace: Pace,
    flying: JoinSet<Tried>,
    again: BinaryHeap<Again>,
    /// What arrived, in this run and before.
    digests: Digests,
    record: Option<&'a mut Record>,
    traffic: Traffic,
    next_lane: usize,
    last_arrival: Instant,
    last_report: Instant,
    told: bool,
}

impl<'a> Sending<'a> {
    /// `digests` is what arrived in an earlier run; what arrives now is written to `record`. `most` bounds how many are sent at once.
    pub(super) fn new(
        cx: &'a Cx,
        aws: &Aws,
        snapshot: &'a str,
        digests: Digests,
        record: Option<&'a mut Record>,
        most: Option<usize>,
    ) -> Result<Self, AwsError> {
        let now = Instant::now();
        Ok(Self {
            cx,
            region: aws.region().to_owned(),
            snapshot,
            clients: aws.ebs_lanes(LANES)?,
            pace: Pace::new(now, most),
            flying: JoinSet::new(),
            again: BinaryHeap::new(),
            digests,
            record,
            traffic: Traffic::default(),
            next_lane: 0,
            last_arrival: now,
            last_report: now,
            told: false,
        })
    }

    /// Sends all that comes out of `outlet`; returns the digests of all blocks that were sent, now or before.
    pub(super) async fn run(mut self, mut outlet: Outlet) -> Result<(Digests, Traffic), AwsError> {
        let mut open = true;
        loop {
            let room = self.flying.len() < self.pace.limit();
            if !room {
                self.pace.full();
            }
            let due = self.again.peek().map(|again| again.at);
            if !open && self.flying.is_empty() && due.is_none() {
                break;
            }
            let wait = due.unwrap_or_else(|| Instant::now() + Duration::from_secs(1));
            tokio::select! {
                biased;
                () = self.cx.stop().cancelled() => {
                    self.cx.check()?;
                }
                Some(tried) = self.flying.join_next(), if !self.flying.is_empty() => {
                    let tried = tried.map_err(|error| {
                        AwsError::new(AwsErrorKind::Other, "send a block").because(error)
                    })?;
                    self.ended(tried)?;
                }
                () = tokio::time::sleep_until(wait.into()), if room && due.is_some() => {
                    if let Some(again) = self.again.peek_mut().map(PeekMut::pop) {
                        self.fly(again.block, again.tries);
                    }
                }
                // Blocks that failed are not allowed to pile up.
                block = outlet.blocks.recv(), if open && room && self.again.len() + self.flying.len() < MOST => match block {
                    Some(block) => self.fly(block, 0),
                    None => open = false,
                },
                () = tokio::time::sleep(Duration::from_secs(5)) => {}
            }
            self.stalled(open)?;
            self.skipped(&outlet);
            self.report(outlet.figures.total_bytes(), false);
        }
        self.skipped(&outlet);
        self.report(outlet.figures.total_bytes(), true);
        self.cx.emit(Event::ProgressFinished { what: WHAT.to_owned() });
        Ok((self.digests, self.traffic))
    }

    fn skipped(&mut self, outlet: &Outlet) {
        self.traffic.known = outlet.figures.known();
        self.traffic.unchanged = outlet.figures.unchanged();
    }

    fn fly(&mut self, block: DataBlock, tries: u32) {
        if self.flying.is_empty() && self.again.is_empty() {
            // A disk that is slow to read is no stall of the service.
            self.last_arrival = Instant::now();
        }
        let client = self.clients[self.next_lane % self.clients.len()].clone();
        self.next_lane = self.next_lane.wrapping_add(1);
        let (snapshot, region) = (self.snapshot.to_owned(), self.region.clone());
        self.flying.spawn(async move {
            let begun = Instant::now();
            let result = put(&client, &region, &snapshot, &block).await;
            Tried { block, tries: tries + 1, took: begun.elapsed(), result }
        });
        self.traffic.at_once = self.traffic.at_once.max(self.flying.len());
    }

    fn ended(&mut self, tried: Tried) -> Result<(), AwsError> {
        let Tried { block, tries, took, result } = tried;
        let now = Instant::now();
        let error = match result {
            Ok(()) => {
                self.pace.arrived(now, took);
                self.last_arrival = now;
                self.traffic.sent += 1;
                if let Some(record) = &mut self.record {
                    record.block(block.index, &block.sha256)?;
                }
                self.digests.insert(block.index, block.sha256);
                return Ok(());
            }
            Err(error) => error,
        };
        let Some(trouble) = Trouble::of(&error) else { return Err(error) };
        if tries >= trouble.patience() {
            return Err(error);
        }
        match trouble {
            Trouble::Throttled => self.pace.refused(now),
            // An answer that did not come in time is a line that is too full; one that failed at once is not.
            Trouble::Unavailable if took > Duration::from_secs(5) => self.pace.refused(now),
            Trouble::Unavailable | Trouble::Damaged => {}
        }
        self.tell(trouble, &error);
        self.traffic.repeated += 1;
        self.again.push(Again { at: now + trouble::pause(tries), tries, block });
        Ok(())
    }

    /// Says once that something is not as it should be: retries that nobody sees look like a hang.
    fn tell(&mut self, trouble: Trouble, error: &AwsError) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        let text = match trouble {
            Trouble::Throttled => {
                "the service takes no more blocks at once; fewer are sent, as many as it takes"
            }
            Trouble::Unavailable => "a block did not arrive; it is sent again, as are others from now on",
            Trouble::Damaged => "a block arrived damaged; it is sent again, as are others from now on",
        };
        self.cx.events().notice(format!("{text} ({why})"));
    }

    fn stalled(&self, open: bool) -> Result<(), AwsError> {
        let idle = self.flying.is_empty() && self.again.is_empty();
        if (open && idle) || self.last_arrival.elapsed() < STALLED {
            return Ok(());
        }
        let text = format!("send blocks of the snapshot `{}` to {}", self.snapshot, self.region);
        Err(AwsError::new(AwsErrorKind::Timeout, text)
            .because(format!("none arrived for {}", HumanDuration::from(STALLED))))
    }

    fn report(&mut self, total: Option<u64>, end: bool) {
        let Some(total) = total else { return };
        if self.last_report.elapsed() < REPORT_EVERY && !end {
            return;
        }
        self.last_report = Instant::now();
        let Traffic { sent, known, unchanged, .. } = self.traffic;
        let done = (sent + known + unchanged) * FEED_BLOCK as u64;
        self.cx.emit(Event::Progress {
            what: WHAT.to_owned(),
            done: done.min(total),
            total: Some(total),
            unit: Unit::Bytes,
        });
    }
}

/// One try of one block.
async fn put(client: &Client, region: &str, snapshot: &str, block: &DataBlock) -> Result<(), AwsError> {
    let attempt = || format!("send block {} of the snapshot `{snapshot}` to {region}", block.index);
    let index = i32::try_from(block.index)
        .map_err(|_| AwsError::new(AwsErrorKind::Usage, attempt()).because("there are no such blocks"))?;
    let checksum = BASE64_STANDARD.encode(block.sha256);
    let answer = client
        .put_snapshot_block()
        .snapshot_id(snapshot)
        .block_index(index)
        .data_length(FEED_BLOCK as i32)
        .checksum(&checksum)
        .checksum_algorithm(ChecksumAlgorithm::ChecksumAlgorithmSha256)
        .block_data(ByteStream::from(block.bytes.clone()))
        .send()
        .await
        .map_err(|error| AwsError::of(attempt(), "PutSnapshotBlock", error))?;
    match answer.checksum() {
        Some(other) if other != checksum => Err(AwsError::new(AwsErrorKind::Unavailable, attempt()).because(
            format!("PutSnapshotBlock answered that it has the checksum {other} instead of {checksum}"),
        )),
        _ => Ok(()),
    }
}
