//! Amazon's cloud, played by moto, which CI starts; with a proxy before it for the trouble that moto does not make.
mod botocore;
mod copy;
mod fleet;
mod moto;
mod proxy;
mod session;
mod table;
