//! AMIs: made from snapshots.
