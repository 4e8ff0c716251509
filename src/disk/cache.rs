//! A small cache of shared values, bounded by their weight: tables of images and decompressed blocks.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Keeps the values used last. Safe to use from several threads; two may load the same value at once, which costs
/// time but is never wrong, since images do not change while they are read.
#[derive(Debug)]
pub(crate) struct Cache<T> {
    inner: Mutex<Inner<T>>,
    capacity: usize,
}

#[derive(Debug)]
struct Inner<T> {
    values: HashMap<u64, (u64, Arc<T>)>,
    /// Counts uses: the value with the lowest stamp goes first.
    clock: u64,
}

impl<T> Cache<T> {
    /// As many values of `weight` bytes as fit into `budget` bytes; at least two, and not so many that looking for the
    /// oldest one takes longer than reading a new one.
    pub(crate) fn new(budget: usize, weight: usize) -> Self {
        Self {
            inner: Mutex::new(Inner { values: HashMap::new(), clock: 0 }),
            capacity: (budget / weight.max(1)).clamp(2, 1024),
        }
    }

    pub(crate) fn get(&self, key: u64) -> Option<Arc<T>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.clock += 1;
        let now = inner.clock;
        inner.values.get_mut(&key).map(|(stamp, value)| {
            *stamp = now;
            Arc::clone(value)
        })
    }

    pub(crate) fn insert(&self, key: u64, value: T) -> Arc<T> {
        let value = Arc::new(value);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.values.len() >= self.capacity {
            // Linear, but the capacity is small and a miss costs a read of the file anyway.
            if let Some(oldest) =
                inner.values.iter().min_by_key(|(_, (stamp, _))| *stamp).map(|(key, _)| *key)
            {
                inner.values.remove(&oldest);
            }
        }
        inner.clock += 1;
        let now = inner.clock;
        inner.values.insert(key, (now, Arc::clone(&value)));
        value
    }
}
