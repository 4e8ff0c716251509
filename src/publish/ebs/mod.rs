//! Snapshots made directly from disks.
