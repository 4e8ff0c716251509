//! What machines of builds are called where people see them.
use crate::cx::BuildId;

/// The longest name that servers take, in characters: those of vCenters and of Prism Centrals agree.
pub(super) const LONGEST: usize = 80;

/// `web-0123456789ab`, and of another role `web-proof-0123456789ab`. A long name of an image is cut.
pub(super) fn machine_name(id: &BuildId, image: &str, role: &str) -> String {
    let end = if role == "build" { format!("-{id}") } else { format!("-{role}-{id}") };
    let image: String = image.chars().take(LONGEST.saturating_sub(end.chars().count())).collect();
    format!("{}{end}", image.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_machine_is_for_and_fit() {
        let id = BuildId::random();
        assert_eq!(machine_name(&id, "web", "build"), format!("web-{id}"));
        assert_eq!(machine_name(&id, "web", "proof"), format!("web-proof-{id}"));
        for role in ["build", "proof"] {
            let long = machine_name(&id, &"ä".repeat(200), role);
            assert_eq!(long.chars().count(), LONGEST);
            assert!(long.ends_with(id.as_str()) && long.starts_with("ää"));
        }
    }
}
