//! Things that people name, by name or UUID: clusters, subnets, projects, images.
use super::{PrismError, PrismErrorKind};

/// A thing with a name that others may have, too.
pub trait Named {
    /// Its UUID.
    fn uuid(&self) -> &str;
    /// Its name.
    fn name(&self) -> &str;
}

/// The one of `all` that is meant by a UUID, or by a name, which is the same in capitals. `what` is the word for such a thing.
pub fn choose<'a, T: Named>(what: &str, said: &str, all: &'a [T]) -> Result<&'a T, PrismError> {
    let attempt = || format!("choose the {what} `{said}`");
    if let Some(exact) = all.iter().find(|one| one.uuid().eq_ignore_ascii_case(said)) {
        return Ok(exact);
    }
    let same: Vec<&T> = all.iter().filter(|one| one.name().to_lowercase() == said.to_lowercase()).collect();
    match same.as_slice() {
        [one] => Ok(one),
        [] => {
            let names: Vec<String> = all.iter().map(|one| format!("`{}`", one.name())).collect();
            let there = match names.as_slice() {
                [] => format!("there is no {what}"),
                names => format!("there is none of the name or UUID; there are: {}", names.join(", ")),
            };
            Err(PrismError::new(PrismErrorKind::NotFound, attempt()).because(there))
        }
        several => {
            let list: Vec<String> =
                several.iter().map(|one| format!("`{}` ({})", one.name(), one.uuid())).collect();
            Err(PrismError::new(PrismErrorKind::Usage, attempt())
                .because(format!("{} have that name: {}", several.len(), list.join(", ")))
                .hint("name it by its UUID"))
        }
    }
}
