//! Nutanix, played by a Prism Central of ours, which compares every request with tables of facts about the real one; and botocore, which
//! signatures are compared with.
mod bench;
mod download;
mod faults;
mod fixture;
mod prism;
mod publish;
mod schema;
