//! `ansible`: a playbook.
use crate::definition::{
    raw::Ansible,
    reader::{At, Reader},
    resolve::{check, source},
    scalar::{List, Map},
};
use crate::plan::AnsibleStep;

pub(super) fn resolve(At { value: raw, .. }: At<Ansible>, reader: &mut Reader<'_>) -> Option<AnsibleStep> {
    let playbook = raw.playbook.required().and_then(|at| source::local_file(at, reader));
    let roles_path = raw.roles_path.maybe().map(|at| at.map(|at| reader.folder.join(&at.value.0.text)));
    let args = raw.args.or(List::new()).and_then(|list| {
        check::texts(list, reader, |text| !text.is_empty(), "is no argument", "write one argument")
    });
    let user = check::account(raw.user, reader);
    let extra_vars = raw
        .extra_vars
        .or(Map::new())
        .map(|vars| vars.into_iter().map(|(name, entry)| (name, entry.value.value.0)).collect());
    Some(AnsibleStep {
        playbook: playbook?,
        roles_path: roles_path?,
        extra_vars: extra_vars?,
        args: args?,
        user: user?,
    })
}
