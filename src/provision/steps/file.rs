//! `file`: a file with content, owner and mode.
use crate::{
    guest::quote,
    provision::{
        checks::{CheckSpec, Expect, Voided, lasts},
        secrets::has_secret,
    },
};
use crate::{
    guest::{Communicator, Content, Target},
    plan::{self, FileStep},
    provision::{
        Secrets,
        runner::{StepError, Worker},
        secrets::Place,
    },
};
use std::path::{Path, PathBuf};

pub(in crate::provision) async fn run(
    worker: &Worker<'_>,
    step: &FileStep,
    secrets: &Secrets,
) -> Result<(), StepError> {
    let target = Target {
        path: step.dest.clone(),
        mode: step.mode,
        owner: step.owner.clone(),
        group: step.group.clone(),
        timeout: worker.timeout.get(),
    };
    match &step.content {
        plan::Content::Text(text) => {
            let text = secrets.fill(worker.cx, text, Place::Text).await?;
            let mut cuts = 0;
            while let Err(error) =
                worker.guest.upload(worker.cx, Content::Bytes(text.expose().as_bytes()), &target).await
            {
                worker.after_cut(error, &mut cuts).await?;
            }
        }
        plan::Content::Path(path) => {
            worker.send(&local(path), &target).await?;
        }
    }
    Ok(())
}

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &FileStep) -> Vec<CheckSpec> {
    use sha2::{Digest, Sha256};
    if !lasts(&step.dest) {
        return vec![];
    }
    let Head { format, expected: head } = self::head(step.mode, &step.owner, &step.group);
    let path = quote(&step.dest);
    let digest = "sha256sum <\"$f\" | cut -d' ' -f1";
    let (tail, expect) = match &step.content {
        plan::Content::Text(text) if has_secret(text) => {
            ("echo secret", Expect::Text(format!("{head} secret")))
        }
        plan::Content::Text(text) => {
            (digest, Expect::Text(format!("{head} {}", hex::encode(Sha256::digest(text)))))
        }
        plan::Content::Path(local) => {
            (digest, Expect::TextAndDigestOf(format!("{head} "), self::local(local)))
        }
    };
    let script = format!(
        "f={path}\nif [ ! -e \"$f\" ]; then echo missing\nelif [ ! -f \"$f\" ]; then stat -c %F \"$f\"\n\
         else echo \"$(stat -L -c '{format}' \"$f\") $({tail})\"; fi"
    );
    let name = format!("file `{}` has its content, owner and mode", step.dest);
    let spec = CheckSpec::new(format!("path {}", step.dest), name, script, expect);
    vec![spec.voiding(Voided::Below(step.dest.clone()))]
}

/// What `stat` says about owner and mode.
pub(super) struct Head {
    /// How it is asked.
    pub(super) format: String,
    /// What it must be.
    pub(super) expected: String,
}

/// The owner, group and mode of a file.
pub(super) fn head(mode: u32, owner: &str, group: &str) -> Head {
    // Owners by number are compared by number.
    let field = |name: &str, letters: [char; 2]| {
        if name.bytes().all(|b| b.is_ascii_digit()) { letters[0] } else { letters[1] }
    };
    let format = format!("%a %{}:%{}", field(owner, ['u', 'U']), field(group, ['g', 'G']));
    Head { format, expected: format!("{:o} {owner}:{group}", mode & 0o7777) }
}

/// A path on this host. A template may have put an absolute one behind the definition's folder, where it counts alone.
pub(super) fn local(path: &Path) -> PathBuf {
    match path.to_str().and_then(|text| text.rfind("//").map(|at| &text[at + 1..])) {
        Some(absolute) => PathBuf::from(absolute),
        None => path.to_owned(),
    }
}
