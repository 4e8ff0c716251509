//! Amazon's cloud, played by moto, which CI starts; with a proxy before it for the trouble that moto does not make.
mod bench;
mod botocore;
mod copy;
mod definition;
mod ebs;
mod ec2;
mod ec2_world;
mod fleet;
mod context;
mod marketplace;
mod moto;
mod permissions;
mod proxy;
mod publish;
mod register;
mod session;
mod table;
