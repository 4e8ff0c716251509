//! Releases of EKS Anywhere: release manifest → bundle manifest → manifest of EKS Distro, and what they name.
//!
//! ```text
//!   release manifest ──(version)──▸ Bundle ──(channel)──▸ KubeBundle ──▸ Distro
//!      Releases                                            artifacts     artifacts
//! ```
//!
//! Manifests are foreign: they are read without trust and leniently, so that a key that nobody knows yet is no error, and a file that is missing is one
//! only for who needs it. docs/eks-a.md has the rules of choice.
mod artifact;
mod bottlerocket;
mod bundle;
mod carry;
mod channel;
mod collect;
mod distro;
mod error;
mod hook;
mod manifests;
mod node;
mod part;
mod present;
mod releases;
mod signature;
mod tarball;
mod wanted;

pub use artifact::{Artifact, ArtifactKind};
#[cfg(feature = "tuf")]
pub use bottlerocket::{FetchedImage, HandedImage, RepositorySaid, RepositoryWanted};
pub use bottlerocket::{ImageFormat, ImageFormatError, ImageName, bottlerocket_of};
pub use bundle::{Bundle, EksdRef, KubeBundle};
pub use carry::Carried;
pub use channel::{Channel, ChannelError};
pub use collect::Collected;
pub use distro::Distro;
pub use error::{EksaError, EksaErrorKind, ManifestFault};
pub use hook::HookFile;
pub use manifests::{Chosen, Manifests, Resolved};
pub use node::NodeInputs;
pub use releases::{Release, Releases, Which};
pub use signature::Signature;
pub use wanted::{Said, Wanted};
