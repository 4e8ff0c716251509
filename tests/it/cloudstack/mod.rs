//! CloudStack, played by a server of ours whose answers have the shapes of recorded ones; every call is compared with a dump of the API, and
//! its signature with what `cs`, a client from PyPI, makes of it.
mod bench;
pub(crate) mod checks;
mod cloud;
mod doctor;
mod download;
mod faults;
mod publish;
mod serve;
mod server;
mod shapes;
mod tls;
