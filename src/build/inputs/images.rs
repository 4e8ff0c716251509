//! What container images consist of that steps pull.
use super::{Found, place};
use crate::{
    build::{BuildError, BuildErrorKind},
    fetch::ImagePart,
    plan::{Input, InputKind, Step, StepKind},
    value::Arch,
};

/// Adds the parts of the images that `step`, the one with this index, pulls.
pub(super) async fn collect(
    found: &mut Found<'_>,
    arch: Arch,
    index: usize,
    step: &Step,
) -> Result<(), BuildError> {
    let StepKind::Image(image) = &step.kind else { return Ok(()) };
    let needed_by = place(index, step);
    for name in &image.pull {
        let parts = found.fetcher.image(found.cx, name, arch).await.map_err(|error| {
            let hint = error.hint();
            let built = BuildError::because("a container image could not be looked up", error)
                .kind_unless_interrupted(BuildErrorKind::Preflight)
                .hint(format!("it is needed by {needed_by}"));
            match hint {
                Some(hint) => built.hint(hint),
                None => built,
            }
        })?;
        for ImagePart { url, digest, bytes } in parts {
            let (digest, bytes, kind) = (Some(digest), Some(bytes), InputKind::ContainerImage);
            found.add(Input { url, digest, bytes, kind, needed_by: needed_by.clone() });
        }
    }
    Ok(())
}
