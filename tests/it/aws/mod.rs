//! Amazon's cloud, played by moto, which CI starts; with a proxy before it for the trouble that moto does not make.
mod bench;
mod definition;
mod ebs;
mod moto;
mod proxy;
mod publish;
mod register;
mod session;
