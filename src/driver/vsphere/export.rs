//! A machine's disk on this host.
