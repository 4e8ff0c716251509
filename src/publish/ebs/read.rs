//! Reads a snapshot back, for its digests only: which blocks it has, and all of them, many at once.
use super::{
    record::Digests,
    trouble::{self, Trouble},
};
use crate::{
    aws::{Aws, AwsError, AwsErrorKind},
    cx::{Cx, Event, Unit},
    disk::FEED_BLOCK,
    value::HumanDuration,
};
use aws_sdk_ebs::{Client, operation::list_snapshot_blocks::ListSnapshotBlocksOutput};
use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Clients with connections of their own, as for sending.
const LANES: usize = 4;
/// Blocks that are asked for at once: at 100 ms for an answer, 320 MiB a second. They are hashed as they come and never kept.
const AT_ONCE: usize = 64;
/// The longest list that is given at once
/// ([ListSnapshotBlocks](https://docs.aws.amazon.com/ebs/latest/APIReference/API_ListSnapshotBlocks.html)).
const PAGE: i32 = 10_000;
/// Given up when no block arrives for so long.
const STALLED: Duration = Duration::from_secs(600);
/// Events about progress come so often at most.
const REPORT_EVERY: Duration = Duration::from_millis(200);
/// What is worked on, as events call it.
const WHAT: &str = "parent";

/// A block that a snapshot has.
#[derive(Debug)]
struct Listed {
    index: u32,
    /// By which the service finds it.
    token: String,
}

/// The digests of all blocks of a snapshot that is completed; its volume has `volume_gib` GiB.
pub(super) async fn digests(
    cx: &Cx,
    aws: &Aws,
    snapshot: &str,
    volume_gib: u64,
) -> Result<Digests, AwsError> {
    // Nothing is made: it may be dropped at any point.
    cx.stop()
        .unless_cancelled(async {
            let blocks = list(aws, snapshot, volume_gib).await?;
            let read = all(cx, aws, snapshot, blocks).await;
            cx.emit(Event::ProgressFinished { what: WHAT.to_owned() });
            read
        })
        .await?
}

fn attempt(aws: &Aws, snapshot: &str) -> String {
    format!("list the blocks of the snapshot `{snapshot}` in {}", aws.region())
}

async fn list(aws: &Aws, snapshot: &str, volume_gib: u64) -> Result<Vec<Listed>, AwsError> {
    let wrong = |why: &str| AwsError::new(AwsErrorKind::Other, attempt(aws, snapshot)).because(why);
    let most = volume_gib.saturating_mul((1 << 30) / FEED_BLOCK as u64);
    let client = aws.ebs();
    let (mut blocks, mut next) = (Vec::new(), None);
    loop {
        let page = page(&client, aws, snapshot, next.clone()).await?;
        for block in page.blocks() {
            let index = block.block_index().and_then(|index| u32::try_from(index).ok());
            let (Some(index), Some(token)) = (index, block.block_token()) else {
                return Err(wrong("ListSnapshotBlocks answered with a block without index or token"));
            };
            if u64::from(index) >= most {
                return Err(wrong("ListSnapshotBlocks answered with a block behind the end of the volume"));
            }
            blocks.push(Listed { index, token: token.to_owned() });
        }
        let after = page.next_token;
        if after.is_some() && after == next {
            return Err(wrong("ListSnapshotBlocks answers with the same page again and again"));
        }
        next = after;
        if next.is_none() {
            return Ok(blocks);
        }
    }
}

/// One page of the list, tried again while that may help.
async fn page(
    client: &Client,
    aws: &Aws,
    snapshot: &str,
    token: Option<String>,
) -> Result<ListSnapshotBlocksOutput, AwsError> {
    let mut patience = Patience::default();
    loop {
        let call = client
            .list_snapshot_blocks()
            .snapshot_id(snapshot)
            .max_results(PAGE)
            .set_next_token(token.clone());
        match call.send().await {
            Ok(page) => return Ok(page),
            Err(error) => {
                let error = AwsError::of(attempt(aws, snapshot), "ListSnapshotBlocks", error);
                patience.after(error).await?;
            }
        }
    }
}

/// How often and how long a call was tried.
#[derive(Debug)]
struct Patience {
    tries: u32,
    begun: Instant,
}

impl Default for Patience {
    fn default() -> Self {
        Self { tries: 0, begun: Instant::now() }
    }
}

impl Patience {
    /// Waits before the next try, or gives up with the error.
    async fn after(&mut self, error: AwsError) -> Result<(), AwsError> {
        self.tries += 1;
        let Some(trouble) = Trouble::of(&error) else { return Err(error) };
        if self.tries >= trouble.patience() || self.begun.elapsed() > STALLED {
            return Err(error);
        }
        tokio::time::sleep(trouble::pause(self.tries)).await;
        Ok(())
    }
}

async fn all(cx: &Cx, aws: &Aws, snapshot: &str, blocks: Vec<Listed>) -> Result<Digests, AwsError> {
    let total = (blocks.len() * FEED_BLOCK) as u64;
    let clients = aws.ebs_lanes(LANES)?;
    let mut waiting = blocks.into_iter().zip(clients.iter().cycle());
    let (mut flying, mut digests, mut reported) = (JoinSet::new(), Digests::new(), Instant::now());
    loop {
        while flying.len() < AT_ONCE
            && let Some((block, client)) = waiting.next()
        {
            let (client, region, snapshot) = (client.clone(), aws.region().to_owned(), snapshot.to_owned());
            flying.spawn(async move {
                let mut patience = Patience::default();
                loop {
                    match get(&client, &region, &snapshot, &block).await {
                        Ok(digest) => return Ok((block.index, digest)),
                        Err(error) => patience.after(error).await?,
                    }
                }
            });
        }
        let text = || format!("read the snapshot `{snapshot}` in {}", aws.region());
        let joined = tokio::time::timeout(STALLED, flying.join_next()).await.map_err(|_| {
            AwsError::new(AwsErrorKind::Timeout, text())
                .because(format!("no block arrived for {}", HumanDuration::from(STALLED)))
        })?;
        let Some(joined) = joined else { return Ok(digests) };
        let got: Result<_, AwsError> =
            joined.map_err(|error| AwsError::new(AwsErrorKind::Other, text()).because(error))?;
        let (index, digest) = got?;
        digests.insert(index, digest);
        if reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            cx.emit(Event::Progress {
                what: WHAT.to_owned(),
                done: (digests.len() * FEED_BLOCK) as u64,
                total: Some(total),
                unit: Unit::Bytes,
            });
        }
    }
}

/// The digest of one block, compared with what the service says about it.
async fn get(client: &Client, region: &str, snapshot: &str, block: &Listed) -> Result<[u8; 32], AwsError> {
    let attempt = || format!("read block {} of the snapshot `{snapshot}` in {region}", block.index);
    let damaged = |why: String| AwsError::new(AwsErrorKind::Unavailable, attempt()).because(why);
    let index = i32::try_from(block.index)
        .map_err(|_| AwsError::new(AwsErrorKind::Usage, attempt()).because("there are no such blocks"))?;
    let mut answer = client
        .get_snapshot_block()
        .snapshot_id(snapshot)
        .block_index(index)
        .block_token(&block.token)
        .send()
        .await
        .map_err(|error| AwsError::of(attempt(), "GetSnapshotBlock", error))?;
    let (mut hash, mut length) = (Sha256::new(), 0);
    while let Some(bytes) =
        answer.block_data.try_next().await.map_err(|error| damaged(format!("it was cut off: {error}")))?
    {
        length += bytes.len();
        hash.update(&bytes);
    }
    if length != FEED_BLOCK {
        return Err(damaged(format!(
            "GetSnapshotBlock answered with {length} bytes instead of {FEED_BLOCK}"
        )));
    }
    let digest: [u8; 32] = hash.finalize().into();
    let arrived = BASE64_STANDARD.encode(digest);
    match answer.checksum() {
        Some(sent) if sent != arrived => Err(damaged(format!(
            "GetSnapshotBlock answered with the checksum {sent}, and what arrived has {arrived}"
        ))),
        _ => Ok(digest),
    }
}
