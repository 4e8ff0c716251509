//! Images in Amazon's cloud: made of disks, copied, shared, named by channels, listed in tables, exported, released to the
//! Marketplace, retired.
//!
//! Nothing here prints; what is found and done is data, and progress is events. Start reading at [`ebs`], which makes a snapshot of a
//! disk, and [`ami`], which makes an image of a snapshot and looks after it.
#[cfg(feature = "aws")]
pub mod ami;
#[cfg(feature = "aws")]
pub mod ebs;
#[cfg(feature = "aws")]
pub mod marketplace;
#[cfg(feature = "aws")]
pub mod notify;
#[cfg(feature = "aws")]
pub mod table;
