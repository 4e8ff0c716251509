//! `image`: container images in containerd's own store, by `ctr`.
mod offline;

use super::transfer::{Arrived, bring_for_use};
use crate::guest::quote;
use crate::plan::ImageStep;
use crate::provision::{
    Secrets,
    checks::{CheckSpec, Expect},
    runner::{StepError, Worker},
};

pub(in crate::provision) async fn run(
    worker: &Worker<'_>,
    step: &ImageStep,
    secrets: &Secrets,
) -> Result<(), StepError> {
    let arrived = match &step.from {
        Some(from) => Some(bring_for_use(worker, secrets, from).await?),
        None => None,
    };
    let mut brought = Vec::new();
    if worker.fetcher.gate().is_closed() {
        let arch = serde_json::from_value(worker.facts.arch.as_str().into()).map_err(|_| {
            StepError::value("architecture", &worker.facts.arch, "no image is for it".to_owned())
        })?;
        for name in &step.pull {
            brought.push(Box::pin(offline::bring(worker, name, arch)).await?);
        }
    }
    worker.script(script(step, arrived.as_ref(), &brought)).await
}

fn head(step: &ImageStep) -> String {
    // Flatcar and archives of containerd put it elsewhere.
    format!("PATH=$PATH:/opt/bin:/opt/containerd/bin\nc() {{ ctr -n {} \"$@\"; }}\n", quote(&step.namespace))
}

/// The script that does `step` with what has arrived. Images whose layouts were brought are not pulled.
fn script(step: &ImageStep, arrived: Option<&Arrived>, brought: &[String]) -> String {
    let mut script = head(step);
    if let Some(arrived) = arrived {
        // Whatever it was, an archive of images is of no use in the image afterwards.
        script.push_str(&format!("a={}\ntrap 'rm -f -- \"$a\"' EXIT\n", quote(&arrived.path)));
    }
    script.push_str(
        "if ! command -v ctr >/dev/null; then echo 'ctr is not there: install containerd first' >&2; exit 1; fi\n\
         if ! c version >/dev/null; then echo 'containerd does not answer: start it first' >&2; exit 1; fi\n",
    );
    if arrived.is_some() {
        let unpack = if step.unpack { "" } else { " --no-unpack" };
        script.push_str(&format!("c images import{unpack} \"$a\"\n"));
    }
    for folder in brought {
        script.push_str(&offline::import(folder, step.unpack));
    }
    for name in step.pull.iter().filter(|_| brought.is_empty()) {
        // `pull` always unpacks; `fetch` gets the content and names it.
        let verb = if step.unpack { "images pull" } else { "content fetch" };
        script.push_str(&format!("c {verb} {} >/dev/null\n", quote(name)));
    }
    if let Some(arch) = &step.strip_arch {
        script.push_str(&format!(
            "c images list -q | while IFS= read -r i; do case $i in *-{arch}:*)\n\
             \x20 c images tag --force \"$i\" \"${{i%-{arch}:*}}:${{i##*-{arch}:}}\"\n\
             \x20 c images rm \"$i\";;\nesac; done\n",
            arch = quote(arch)
        ));
    }
    for (old, new) in &step.tag {
        script.push_str(&format!("c images tag --force {} {}\n", quote(old), quote(new)));
    }
    script
}

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &ImageStep) -> Vec<CheckSpec> {
    let head = head(step);
    let subject = |what: &str| format!("image {} {what}", step.namespace);
    let there = |name: &String| {
        let script = format!(
            "{head}if c images list -q | grep -q -x -F -e {}; then echo there; else echo missing; fi",
            quote(name)
        );
        let title = format!("image `{name}` is in containerd");
        CheckSpec::new(subject(name), title, script, Expect::Text("there".into()))
    };
    let mut specs: Vec<CheckSpec> = step.pull.iter().chain(step.tag.values()).map(there).collect();
    if step.from.is_some() {
        // Which images an archive has is known to containerd only.
        let script = format!("{head}if [ -n \"$(c images list -q)\" ]; then echo some; else echo none; fi");
        let title = format!("there are images in containerd's `{}`", step.namespace);
        specs.push(CheckSpec::new(subject(""), title, script, Expect::Text("some".into())));
    }
    if let Some(arch) = &step.strip_arch {
        let script = format!(
            "{head}n=$(c images list -q | grep -e {} || true); echo \"${{n:-none}}\"",
            quote(&format!("-{arch}:"))
        );
        let title = format!("no image's name ends with `-{arch}`");
        specs.push(CheckSpec::new(subject(&format!("-{arch}")), title, script, Expect::Text("none".into())));
    }
    specs
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_scripts_are_as_reviewed() {
        let step = ImageStep {
            from: None,
            pull: vec!["registry.k8s.io/pause:3.10".into(), "$(reboot)".into()],
            namespace: "k8s.io".into(),
            unpack: false,
            strip_arch: Some("amd64".into()),
            tag: BTreeMap::from([("a/b:1".into(), "c/d:2".into())]),
        };
        insta::assert_snapshot!("pull", script(&step, None, &[]));
        insta::assert_snapshot!("offline", script(&step, None, &["/var/tmp/goldsmith-1".into()]));
        let arrived = Arrived { path: "/var/tmp/x".into(), name: "x.tar".into(), temporary: true };
        let import = ImageStep { pull: vec![], unpack: true, strip_arch: None, tag: BTreeMap::new(), ..step };
        insta::assert_snapshot!("import", script(&import, Some(&arrived), &[]));
    }
}
