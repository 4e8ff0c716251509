//! Templates of clouds that CloudStack manages: made of files on this host, or of files that the cloud fetches, and downloaded again.
mod download;
mod image;
mod job;
mod make;
mod ready;
mod serve;

pub use download::{Download, Downloaded};
pub use image::{Image, ImageFormat};
pub use job::{Flags, From, InZone, Job, Published};
pub use serve::At;
