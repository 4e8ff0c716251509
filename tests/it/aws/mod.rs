//! Amazon's cloud, played by moto, which CI starts; with a proxy before it for the trouble that moto does not make.
mod ec2;
mod ec2_binary;
mod ec2_definition;
mod ec2_world;
mod moto;
mod proxy;
mod session;
