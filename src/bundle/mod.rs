//! Bundles: every input of a build in one file, for places without a network.
