//! Words that several texts for people share.
use crate::plan::ServerTrust;

/// `1 image`, `3 images`, `2 entries`.
pub(super) fn count(n: usize, what: &str) -> String {
    match (n, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (n, Some(stem)) => format!("{n} {stem}ies"),
        (n, None) => format!("{n} {what}s"),
    }
}

/// How a server is recognised, in words that follow its name.
pub(super) fn trust(trust: Option<&ServerTrust>) -> String {
    match trust {
        None => String::new(),
        Some(ServerTrust::CaFile(path)) => format!(", known by the authorities in {}", path.display()),
        Some(ServerTrust::Thumbprint(_)) => ", known by its thumbprint".to_owned(),
        Some(ServerTrust::Anything) => ", whoever it is".to_owned(),
    }
}

/// In which networks an address must be.
pub(super) fn within(networks: &[String]) -> String {
    if networks.is_empty() { String::new() } else { format!(" in {}", networks.join(" or ")) }
}
