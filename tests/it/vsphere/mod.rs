//! vSphere, played by govmomi's simulator with a fixture of ours before it (tests/vcsim), and VMware's own SDKs, which both the
//! fixture and our requests are compared with.
mod checks;
mod clone;
mod datastore;
mod fixture;
mod machine;
mod vcsim;
mod world;
