//! Names of make targets.
use super::CompatError;

/// What one make target builds: `qemu-ubuntu-2404-efi`, without `build-` or `validate-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    name: String,
}

impl Target {
    /// By its name.
    pub fn parse(name: &str) -> Result<Self, CompatError> {
        Ok(Self { name: name.to_owned() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}
