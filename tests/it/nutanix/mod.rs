//! Nutanix, played by a Prism Central of ours, which compares every request with tables of facts about the real one; and botocore, which
//! signatures are compared with.
mod bench;
mod build;
mod definition;
mod doctor;
mod download;
mod driver_build;
mod driver_find;
mod driver_trouble;
mod drives;
mod faults;
mod fixture;
mod machines;
mod models;
mod prism;
mod publish;
mod schema;
mod tls;
