//! From what was read to the plan: defaults, and what must hold between keys.
//!
//! Each function returns `None` after it reported why; it looks at all of its part before it gives up.
mod ami;
mod aws;
mod check;
mod cloudstack;
mod deliver;
mod ec2;
mod install;
mod iso;
mod label;
mod login;
mod machine;
mod nutanix;
mod ova;
mod seed;
mod server;
mod source;
mod step;
mod vsphere;
mod which;

use super::{
    early::Variables,
    raw::{Definition, Secret},
    reader::{At, Field, Reader},
    scalar::{Driver, Map},
};
pub(super) use check::holds;
pub(super) use step::{literal, steps};

use crate::plan::{Plan, Provider, SecretSource, SourcePlan};
use std::{collections::BTreeMap, path::Path};

/// The plan of `definition`, which stands at `path`.
pub(super) fn plan(definition: Definition, path: &Path, reader: &mut Reader<'_>) -> Option<Plan> {
    let Definition {
        var,
        matrix,
        arch,
        name,
        secret,
        mut source,
        machine,
        guest,
        provider,
        aws,
        vsphere: vcenter,
        nutanix: prism,
        cloudstack: cloud,
        roles,
        provision,
        seal,
        output,
        verify,
    } = definition;
    let name = name.required().map(|at| at.value.0);
    // Which of its combinations is meant, the reader was told.
    let matrix = matrix.maybe();
    let arch = match arch.maybe() {
        Some(Some(at)) => Some(at.value.0),
        Some(None) if reader.inputs.host_arch.is_some() => reader.inputs.host_arch,
        Some(None) => {
            reader
                .report(&(0..0), "`arch` is missing at the top level")
                .help("this host's architecture is none that goldsmith knows: add `arch = \"x86_64\"` or `\"aarch64\"`");
            None
        }
        None => None,
    };
    let secrets = secrets(secret, reader);
    let aws = aws::aws(aws, reader);
    let vcenter = vsphere::vcenter(vcenter, secrets.as_ref(), reader);
    let prism = nutanix::prism(prism, secrets.as_ref(), reader);
    let cloud = cloudstack::cloud(cloud, secrets.as_ref(), reader);
    let meant = which::meant(&machine);
    let driver = meant.unwrap_or(Driver::Libvirt);
    let (on_ec2, in_vcenter) = (driver == Driver::Ec2, driver == Driver::Vsphere);
    let (start, machine_at) = (vsphere::start(&source), vsphere::header(&machine));
    let mut machine = machine::machine(driver, machine, arch, start, reader).filter(|_| meant.is_some());
    if meant.is_some() {
        which::fits(driver, &source, &output, &verify, reader);
    }
    if on_ec2 {
        let instance = machine.as_ref().and_then(|machine| machine.ec2.as_deref());
        ec2::fits(&output, instance.is_some_and(|plan| plan.surrogate.is_some()), reader);
    }
    if in_vcenter {
        vsphere::fits(&source, reader);
    }
    let disk = machine.as_ref().and_then(|machine| machine.disk.clone());
    let firmware = machine.as_ref().and_then(|machine| machine.firmware);
    let usual = match driver {
        Driver::Libvirt => Provider::default(),
        Driver::Ec2 => Provider::Aws,
        Driver::Vsphere => Provider::Vmware,
        Driver::Nutanix => Provider::Nutanix,
        Driver::Cloudstack => Provider::Cloudstack,
    };
    let provider = provider.maybe().map(|at| at.map_or(usual, |at| at.value.0));
    let install = install::take(&mut source);
    let mut source = source::source(source, arch, disk, !install.is_absent(), reader);
    let install = match install {
        Field::Good(at) => install::early(at, arch, provider, firmware, reader).map(Some),
        Field::Absent => Some(None),
        Field::Bad => None,
    };
    let without_cloud_init =
        matches!(&source, Some(SourcePlan::Bootstrap(bootstrap)) if !bootstrap.cloud_init);
    let guest_span = guest.span().cloned().unwrap_or_default();
    let seed_span = match &guest {
        Field::Good(At { value, .. }) => value.seed.span().cloned(),
        Field::Absent | Field::Bad => None,
    };
    let early = install.as_ref().and_then(Option::as_ref);
    let usual_seed = match driver {
        Driver::Libvirt => early.map(install::Early::seed),
        Driver::Ec2 => Some(ec2::seed(source.as_ref())),
        Driver::Vsphere => Some(vsphere::seed(source.as_ref())),
        Driver::Nutanix => Some(nutanix::seed(source.as_ref())),
        Driver::Cloudstack => Some(cloudstack::seed(source.as_ref())),
    };
    let guest = machine::guest(guest, without_cloud_init, usual_seed, reader);
    if let Some(guest) = &guest {
        let span = seed_span.as_ref().unwrap_or(&guest_span);
        seed::fits(driver, guest.seed, early.is_some(), span, reader)?;
    }
    let new_machine = machine.as_mut().and_then(|machine| machine.vsphere.as_mut());
    if let (vsphere::Start::New, Some(plan), Some(early)) = (start, new_machine, &install) {
        vsphere::guest_os(plan, early.as_ref().map(install::Early::system), &machine_at, reader);
    }
    if let (Some(Some(early)), Some(guest), Some(source)) = (install, &guest, &mut source) {
        install::finish(early, guest, seed_span.as_ref(), in_vcenter, source, reader)?;
    }
    let folders = roles.or(Vec::new())?.into_iter().map(|at| reader.folder.join(at.value.0.text));
    reader.roles.folders = folders.collect();
    let provision = step::steps(provision, reader);
    let trim_said = matches!(&seal, Field::Good(At { value, .. }) if value.trim.span().is_some());
    let mut seal = deliver::seal(seal, !matches!(driver, Driver::Libvirt | Driver::Ec2));
    if let Some(seal) = seal.as_mut().filter(|_| on_ec2 && !trim_said) {
        // Volumes in EBS take no discards.
        seal.trim = false;
    }
    let deliveries = deliver::outputs(output, name.as_deref(), arch, firmware, reader);
    let verify = deliver::verify(verify, firmware, arch, reader);
    if let (Some(guest), Some(seal), Some(verify)) = (&guest, &seal, &verify) {
        login::recognisable(&guest_span, guest, seal, verify, reader)?;
    }
    let instance = machine.as_mut().and_then(|machine| machine.ec2.as_mut());
    if let (Some(plan), Some([ami, ..])) = (instance, deliveries.as_ref().map(|made| made.amis.as_slice())) {
        ec2::encrypt(plan, ami);
    }
    let places = match var {
        Field::Good(At { value: Variables { places }, .. }) => places,
        Field::Absent | Field::Bad => BTreeMap::new(),
    };
    reader.refuse_useless_variables(&places);
    matrix?;
    let (name, deliveries) = (name?, deliveries?);
    // Where only files are wanted, nothing stays there.
    let in_vcenter = in_vcenter.then(|| deliveries.vsphere.unwrap_or_else(|| vsphere::nothing(&name)));
    let in_prism = (driver == Driver::Nutanix).then(|| deliveries.nutanix.unwrap_or_else(nutanix::nothing));
    let in_cloud = (driver == Driver::Cloudstack)
        .then(|| deliveries.cloudstack.unwrap_or_else(|| cloudstack::nothing(&name)));
    Some(Plan {
        // A definition is built either way.
        offline: false,
        name,
        arch: arch?,
        matrix: reader.scope.matrix.values(),
        definition: path.to_owned(),
        source: source?,
        machine: machine?.plan()?,
        guest: guest?,
        provider: provider?,
        aws: aws?,
        vcenter: vcenter?,
        prism: prism?,
        cloud: cloud?,
        provision: provision?,
        roles: std::mem::take(&mut reader.roles.uses),
        seal: seal?,
        outputs: deliveries.files,
        amis: deliveries.amis,
        vsphere: in_vcenter,
        nutanix: in_prism,
        cloudstack: in_cloud,
        verify: verify?,
        secrets: secrets?,
    })
}

fn secrets(secrets: Field<Map<Secret>>, reader: &mut Reader<'_>) -> Option<BTreeMap<String, SecretSource>> {
    let secrets = secrets.or(Map::new())?;
    let sources: Vec<_> = secrets
        .into_iter()
        .map(|(name, entry)| {
            let right = !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
            if !right {
                let message = format!("`{}` cannot name a secret", name.escape_debug());
                reader.report(&entry.key, message).help("a name is made of letters, digits, `_` and `-`");
            }
            Some((name, secret(entry.value, reader)?))
        })
        .collect();
    sources.into_iter().collect()
}

fn secret(At { value: secret, span }: At<Secret>, reader: &mut Reader<'_>) -> Option<SecretSource> {
    let given = [
        ("env", secret.env.span()),
        ("file", secret.file.span()),
        ("command", secret.command.span()),
        ("json", secret.json.span()),
    ];
    let any_bad = matches!(secret.env, Field::Bad)
        || matches!(secret.file, Field::Bad)
        || matches!(secret.command, Field::Bad)
        || matches!(secret.json, Field::Bad);
    if any_bad || !check::exactly_one(&span, "a `[secret.NAME]`", &given, reader) {
        return None;
    }
    if let Some(env) = secret.env.maybe()? {
        check::holds(
            &env.span,
            !env.value.0.text.is_empty() && !env.value.0.text.contains('='),
            reader,
            || format!("`{}` cannot name an environment variable", env.value.0.text.escape_debug()),
        )?;
        return Some(SecretSource::Env(env.value.0.text));
    }
    if let Some(file) = secret.file.maybe()? {
        return Some(SecretSource::File(reader.folder.join(file.value.0.text)));
    }
    if let Some(json) = secret.json.maybe()? {
        let (file, key) = (json.value.file.required(), json.value.key.required());
        let key = key.and_then(|key| {
            check::holds(&key.span, !key.value.0.text.is_empty(), reader, || "a key has a name".to_owned())
                .map(|()| key.value.0.text)
        });
        let file = reader.folder.join(file?.value.0.text);
        return Some(SecretSource::Json { file, key: key? });
    }
    let command = secret.command.maybe()??;
    let words: Vec<String> = command.value.into_iter().map(|word| word.value.0.text).collect();
    let names_program = words.first().is_some_and(|program| !program.is_empty());
    check::holds(&command.span, names_program, reader, || "a command needs at least a program".to_owned())?;
    Some(SecretSource::Command(words))
}
