//! vSphere, played by govmomi's simulator with a fixture of ours before it (tests/vcsim), and VMware's own SDKs, which both the
//! fixture and our requests are compared with.
mod bench;
mod build;
mod build_iso;
mod checks;
mod clone;
mod datastore;
mod definition;
mod doctor;
mod driver_create;
mod driver_export;
mod driver_find;
mod driver_image;
mod driver_machine;
mod driver_trouble;
mod drives;
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
