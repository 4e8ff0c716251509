//! What a machine may be called.
use super::replace::SUFFIX;
use crate::vsphere::{VsphereError, VsphereErrorKind};

/// The longest name that a vCenter gives a machine, in characters.
const LONGEST: usize = 80;

/// An error for a name that a machine cannot have, or not for a while when it takes the place of another one.
pub fn check_name(name: &str, replace: bool) -> Result<(), VsphereError> {
    let wrong = |why: String| {
        Err(VsphereError::new(VsphereErrorKind::Usage, format!("call the machine `{name}`")).because(why))
    };
    let longest = if replace { LONGEST - SUFFIX } else { LONGEST };
    let length = name.chars().count();
    if length == 0 || length > longest {
        return wrong(format!("its name has {length} characters, and 1 to {longest} are possible"));
    }
    if name.contains(['/', '\\', '%']) {
        return wrong("a name with `/`, `\\` or `%` would be written in another way everywhere".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_long_as_they_may_be() {
        assert!(check_name(&"a".repeat(80), false).is_ok() && check_name(&"a".repeat(63), true).is_ok());
        for (name, replace) in [("", false), ("a/b", false), ("a%b", true)] {
            assert!(check_name(name, replace).is_err(), "{name}");
        }
        assert!(check_name(&"a".repeat(81), false).is_err() && check_name(&"a".repeat(64), true).is_err());
    }
}
