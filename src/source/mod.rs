//! Where the first disk comes from.
