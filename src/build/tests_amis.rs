//! An account in memory, for the tests of the recipe: snapshots and AMIs that must not be left.
use super::{AmiId, BuildError, BuildErrorKind, world::Upload};
use crate::{
    cx::{Cx, ResourceRef, Undo, UndoHandle},
    disk::{BlockSink, DataBlock, DiskError, DiskErrorKind},
    plan::AmiPlan,
};
use async_trait::async_trait;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};
use tokio::sync::oneshot;

/// Calls that may fail, before or after they did their work.
pub(super) const CALLS: [&str; 5] = ["start", "send", "complete", "register", "keep"];
/// The driver's name in undo data.
pub(super) const DRIVER: &str = "memory";

type Blocks = Arc<Mutex<BTreeMap<u32, Vec<u8>>>>;

#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Blocks of snapshots by their id.
    pub(super) snapshots: Mutex<BTreeMap<String, Blocks>>,
    pub(super) images: Mutex<BTreeSet<String>>,
    fault: Mutex<Option<(&'static str, bool)>>,
}

impl Memory {
    pub(super) fn inject(&self, call: &'static str, after: bool) {
        *self.fault.lock().unwrap() = Some((call, after));
    }

    fn trip(&self, call: &'static str, after: bool) -> Result<(), BuildError> {
        if *self.fault.lock().unwrap() == Some((call, after)) {
            return Err(BuildError::new(BuildErrorKind::Failed, format!("{call} (injected)")));
        }
        Ok(())
    }

    pub(super) fn destroy(&self, resource: &ResourceRef) {
        // As at Amazon: a snapshot that an AMI is made of stays.
        if resource.kind == "image" {
            self.images.lock().unwrap().remove(&resource.id);
        } else {
            assert!(!self.images.lock().unwrap().contains(&image_of(&resource.id)), "the image goes first");
            self.snapshots.lock().unwrap().remove(&resource.id);
        }
    }

    /// Nothing, or one snapshot and its image for each AMI.
    pub(super) fn assert_holds(&self, amis: usize, case: &str) {
        assert_eq!(self.snapshots.lock().unwrap().len(), amis, "{case}: snapshots");
        assert_eq!(self.images.lock().unwrap().len(), amis, "{case}: images");
    }
}

fn image_of(snapshot: &str) -> String {
    snapshot.replacen("snap", "ami", 1)
}

fn undo(kind: &str, id: &str) -> Undo {
    Undo::Resource(ResourceRef {
        driver: DRIVER.into(),
        kind: kind.into(),
        id: id.into(),
        details: BTreeMap::new(),
    })
}

pub(super) fn upload(memory: &Arc<Memory>, cx: &Cx, ami: &AmiPlan) -> Result<Box<dyn Upload>, BuildError> {
    memory.trip("start", false)?;
    let snapshot = format!("snap-{}-{}", ami.name, cx.id());
    let handle = cx.undo().plan(undo("snapshot", &snapshot))?;
    let blocks = Blocks::default();
    memory.snapshots.lock().unwrap().insert(snapshot.clone(), Arc::clone(&blocks));
    memory.trip("start", true)?;
    Ok(Box::new(MemoryUpload {
        memory: Arc::clone(memory),
        snapshot,
        blocks,
        end: None,
        complete: false,
        handles: vec![handle],
    }))
}

struct MemoryUpload {
    memory: Arc<Memory>,
    snapshot: String,
    blocks: Blocks,
    end: Option<oneshot::Receiver<()>>,
    complete: bool,
    handles: Vec<UndoHandle>,
}

#[derive(Debug)]
struct MemoryFeed {
    blocks: Blocks,
    closed: bool,
    _end: oneshot::Sender<()>,
}

impl BlockSink for MemoryFeed {
    fn begin(&self, _: u64, _: u64) -> Result<(), DiskError> {
        Ok(())
    }

    fn block(&self, block: DataBlock) -> Result<(), DiskError> {
        if self.closed {
            return Err(DiskError::new(DiskErrorKind::Closed, "nobody takes blocks any more"));
        }
        self.blocks.lock().unwrap().insert(block.index, block.bytes.to_vec());
        Ok(())
    }
}

#[async_trait]
impl Upload for MemoryUpload {
    fn feed(&mut self) -> Box<dyn BlockSink> {
        let (sender, receiver) = oneshot::channel();
        self.end = Some(receiver);
        let closed = self.memory.trip("send", false).is_err();
        Box::new(MemoryFeed { blocks: Arc::clone(&self.blocks), closed, _end: sender })
    }

    async fn send(&mut self, _: &Cx) -> Result<(), BuildError> {
        self.memory.trip("send", false)?;
        if let Some(end) = self.end.take() {
            let _ = end.await;
        }
        self.memory.trip("send", true)
    }

    async fn complete(&mut self, _: &Cx) -> Result<(), BuildError> {
        self.memory.trip("complete", false)?;
        self.complete = true;
        self.memory.trip("complete", true)
    }

    async fn register(&mut self, cx: &Cx, ami: &AmiPlan) -> Result<AmiId, BuildError> {
        assert!(self.complete, "an AMI is made of a snapshot that is complete");
        self.memory.trip("register", false)?;
        let id = image_of(&self.snapshot);
        self.handles.insert(0, cx.undo().plan(undo("image", &id))?);
        self.memory.images.lock().unwrap().insert(id.clone());
        self.memory.trip("register", true)?;
        Ok(AmiId {
            id,
            name: ami.name.clone(),
            region: "here".into(),
            snapshots: vec![self.snapshot.clone()],
        })
    }

    fn keep(&mut self, cx: &Cx) -> Result<(), BuildError> {
        self.memory.trip("keep", false)?;
        for handle in self.handles.drain(..) {
            cx.undo().keep(handle)?;
        }
        Ok(())
    }
}
