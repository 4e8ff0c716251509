//! Amazon's cloud, played by moto, which CI starts; with a proxy before it for the trouble that moto does not make.
mod bench;
mod botocore;
mod channel;
mod copy;
mod ebs;
mod ec2;
mod ec2_world;
mod export;
mod fleet;
mod moto;
mod proxy;
mod publish;
mod register;
mod retain;
mod session;
mod show;
mod table;
