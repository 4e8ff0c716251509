//! `download`: a file from elsewhere.
use super::{file, transfer::bring};
use crate::{
    guest::{Target, quote},
    plan::{DownloadStep, FileStep},
    provision::{
        Secrets,
        checks::{CheckSpec, Expect, Voided, lasts},
        runner::{StepError, Worker},
    },
    value::Digest,
};

pub(in crate::provision) async fn run(
    worker: &Worker<'_>,
    step: &DownloadStep,
    secrets: &Secrets,
) -> Result<(), StepError> {
    let target = Target {
        path: step.dest.clone(),
        mode: step.mode,
        owner: step.owner.clone(),
        group: step.group.clone(),
        timeout: worker.timeout.get(),
    };
    bring(worker, secrets, &step.from, &target).await
}

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &DownloadStep) -> Vec<CheckSpec> {
    if !lasts(&step.dest) {
        return vec![];
    }
    let head = file::head(step.mode, &step.owner, &step.group);
    let digest = step.from.digest.as_deref().and_then(|text| text.parse::<Digest>().ok());
    // Without a digest in the definition, all that is known is that there is something.
    let (tail, expected) = match &digest {
        Some(digest) => (
            format!("$({}sum <\"$f\" | cut -d' ' -f1)", digest.algorithm().name()),
            format!("{} {}", head.expected, digest.hex()),
        ),
        None => (
            "$(if [ -s \"$f\" ]; then echo filled; else echo empty; fi)".to_owned(),
            format!("{} filled", head.expected),
        ),
    };
    let script = format!(
        "f={}\nif [ ! -e \"$f\" ]; then echo missing\nelif [ ! -f \"$f\" ]; then stat -c %F \"$f\"\n\
         else echo \"$(stat -L -c '{}' \"$f\") {tail}\"; fi",
        quote(&step.dest),
        head.format
    );
    let name = format!("`{}` is what was downloaded, with its owner and mode", step.dest);
    let spec = CheckSpec::new(format!("path {}", step.dest), name, script, Expect::Text(expected));
    vec![spec.voiding(Voided::Below(step.dest.clone()))]
}

/// A file that is written with this content, as `repository` does.
pub(super) fn plain(dest: String, content: crate::plan::Content) -> FileStep {
    let root = || "root".to_owned();
    FileStep { dest, content, mode: 0o644, owner: root(), group: root() }
}
