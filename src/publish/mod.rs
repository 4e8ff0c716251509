//! Images in clouds: how a disk becomes one.
//!
//! Start reading at [`ebs`], which makes a snapshot of a disk, and [`ami`], which makes an image of a snapshot.
pub mod ami;
pub mod ebs;
