//! Images in Amazon's cloud: made of disks, copied, shared, named by channels, listed in tables, exported, released to the
//! Marketplace, retired. Images in a vCenter: made of OVAs, and exported as such; items of content libraries. Templates of clouds that CloudStack
//! manages: uploaded or fetched by the cloud, and downloaded. Images in a Prism Central of Nutanix's: made of disks.
//!
//! Nothing here prints; what is found and done is data, and progress is events. Start reading at `ebs`, which makes a snapshot of a
//! disk, and `ami`, which makes an image of a snapshot and looks after it; or at [`vsphere`], [`cloudstack`] or [`nutanix`].
#[cfg(feature = "aws")]
pub mod ami;
pub mod cloudstack;
#[cfg(feature = "aws")]
pub mod ebs;
#[cfg(feature = "aws")]
pub mod marketplace;
#[cfg(feature = "aws")]
pub mod notify;
pub mod nutanix;
mod stage;
#[cfg(feature = "aws")]
pub mod table;
pub mod vsphere;
