//! `driver = "nutanix"`.
mod image;
mod machine;
mod place;
mod source;

pub(super) use image::{image, nothing};
pub(super) use machine::{machine, only};
pub(super) use place::prism;
pub(super) use source::{seed, source};
