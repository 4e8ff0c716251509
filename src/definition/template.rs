//! Definitions to start from.

/// What the image starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateKind {
    /// A Debian-family system from packages.
    Bootstrap,
    /// An existing disk image.
    Disk,
    /// An installer's medium.
    Iso,
}

/// A commented definition for `goldsmith init`. It resolves as it is.
pub fn template(kind: TemplateKind) -> String {
    match kind {
        TemplateKind::Bootstrap => include_str!("templates/bootstrap.toml"),
        TemplateKind::Disk => include_str!("templates/disk.toml"),
        TemplateKind::Iso => include_str!("templates/iso.toml"),
    }
    .to_owned()
}
