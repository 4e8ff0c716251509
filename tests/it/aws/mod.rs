//! Amazon's cloud, played by moto, which CI starts; with a proxy before it for the trouble that moto does not make.
mod botocore;
mod channel;
mod copy;
mod export;
mod fleet;
mod moto;
mod proxy;
mod retain;
mod session;
mod show;
mod table;
