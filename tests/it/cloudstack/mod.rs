//! CloudStack, played by a server of ours whose answers have the shapes of recorded ones; every call is compared with a dump of the API, and
//! its signature with what `cs`, a client from PyPI, makes of it.
mod bench;
mod build;
mod checks;
mod cloud;
mod definition;
mod doctor;
mod download;
mod driver_life;
mod driver_refused;
mod driver_trouble;
mod drives;
mod faults;
mod machines;
mod publish;
mod serve;
mod server;
mod shapes;
mod storage;
mod tls;
