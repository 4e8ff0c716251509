//! Amazon's cloud, played by moto, which CI starts; with a proxy before it for the trouble that moto does not make.
mod botocore;
mod context;
mod marketplace;
mod moto;
mod permissions;
mod proxy;
mod session;
