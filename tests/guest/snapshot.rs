//! What snapshots hold, written to a disk.
use crate::moto;
use std::{os::unix::fs::FileExt, path::Path};

const BLOCK: u64 = 512 << 10;

/// Writes what snapshots hold to a file, a disk of `bytes`: each over the one before, as a snapshot over its parent. moto knows no parents.
pub(crate) async fn read_back(url: &str, snapshots: &[&str], bytes: u64, path: &Path) {
    let file = std::fs::File::create(path).unwrap();
    file.set_len(bytes).unwrap();
    let ebs = moto::session(url).await.ebs();
    for snapshot in snapshots {
        let mut next = None;
        loop {
            let list = ebs.list_snapshot_blocks().snapshot_id(*snapshot).set_next_token(next);
            let page = list.send().await.unwrap();
            for block in page.blocks() {
                let (index, token) = (block.block_index().unwrap(), block.block_token().unwrap());
                let got =
                    ebs.get_snapshot_block().snapshot_id(*snapshot).block_index(index).block_token(token);
                let data = got.send().await.unwrap().block_data.collect().await.unwrap().into_bytes();
                file.write_all_at(&data, u64::try_from(index).unwrap() * BLOCK).unwrap();
            }
            next = page.next_token().map(ToOwned::to_owned);
            if next.is_none() {
                break;
            }
        }
    }
}
