//! vSphere, played by govmomi's simulator with a fixture of ours before it (tests/vcsim), and VMware's own SDKs, which both the
//! fixture and our requests are compared with.
mod bench;
mod checks;
mod clone;
mod datastore;
mod doctor;
mod export;
mod fixture;
mod import;
mod libraries;
mod library;
mod library_commands;
mod library_faults;
mod machine;
mod tags;
mod vcsim;
mod world;
