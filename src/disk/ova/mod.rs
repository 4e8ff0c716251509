//! OVA: a streamOptimized VMDK and its description in one tar file.

/// What an OVA says about its machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OvaSpec {}
