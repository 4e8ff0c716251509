//! `[source.ami]` and `[machine.ec2]`, and what an AMI of an instance cannot have.
#![allow(
    clippy::option_option,
    reason = "as in `Field::maybe`: without the outer one, a mistake was reported"
)]
use super::{check, machine::port, seed::is_coreos, source::local_file};
use crate::{
    definition::{
        raw::{Ec2, Ec2Surrogate, Ec2Volume, Machine, Output, SourceAmi},
        reader::{At, Field, Reader},
        scalar::{List, Map, One, Text},
    },
    plan::{
        AmiFilter, AmiPlan, AmiSourcePlan, AmiVolume, Ec2Plan, ImdsPlan, RootVolume, SeedKind, SourcePlan,
        SpotPlan, SshFrom, SshWay, SurrogatePlan,
    },
    value::{Arch, Size},
};
use std::collections::BTreeMap;

/// Reports what an AMI of an instance cannot have. `surrogate`: it is made of a second volume.
pub(super) fn fits(output: &Field<List<Output>>, surrogate: bool, reader: &mut Reader<'_>) {
    let Field::Good(At { value: outputs, .. }) = output else { return };
    for At { value: raw, .. } in outputs {
        let Field::Good(At { value: ami, .. }) = &raw.ami else { continue };
        if let Some(span) = ami.parent.span() {
            reader
                .report(span, "`parent` is for disks that are sent from this host")
                .help("leave it out: EC2 makes the snapshot of a volume the difference to what the volume was made of");
        }
        if surrogate {
            continue;
        }
        let inherited = [
            ("boot-mode", ami.boot_mode.span()),
            ("ena", ami.ena.span()),
            ("sriov", ami.sriov.span()),
            ("tpm", ami.tpm.span()),
            ("uefi-data", ami.uefi_data.span()),
            ("root-device", ami.root_device.span()),
        ];
        for (name, span) in inherited {
            if let Some(span) = span {
                reader
                    .report(
                        span,
                        format!("`{name}` of an AMI that is made of an instance is that of `[source.ami]`"),
                    )
                    .help(
                        "with a `surrogate` in `[machine.ec2]`, the AMI is a new one, and this can be said",
                    );
            }
        }
    }
}

/// Reports the keys of `[machine]` that are for libvirt only.
pub(super) fn only(machine: &Machine, reader: &mut Reader<'_>) -> Option<()> {
    let others = [
        ("uri", machine.uri.span()),
        ("firmware", machine.firmware.span()),
        ("cpus", machine.cpus.span()),
        ("memory", machine.memory.span()),
        ("disk", machine.disk.span()),
        ("accelerator", machine.accelerator.span()),
    ];
    let mut right = Some(());
    for (name, span) in others {
        let Some(span) = span else { continue };
        let help = match name {
            "disk" => "`root = { size = \"…\" }` in `[machine.ec2]` says how large the root volume is",
            "firmware" => "the AMI's boot mode decides",
            _ => "`instance-types` in `[machine.ec2]` says what the instance is like",
        };
        reader.report(span, format!("`{name}` is for libvirt, and this machine is one of EC2's")).help(help);
        right = None;
    }
    right
}

/// How the build's keys come into an instance that starts from this source.
pub(super) fn seed(source: Option<&SourcePlan>) -> SeedKind {
    let texts: Vec<&str> = match source {
        Some(SourcePlan::Ami(AmiSourcePlan::Ssm(name))) => vec![name],
        Some(SourcePlan::Ami(AmiSourcePlan::Found(filter))) => {
            filter.filters.values().flatten().map(String::as_str).collect()
        }
        _ => Vec::new(),
    };
    if texts.iter().any(|text| is_coreos(text)) { SeedKind::Ignition } else { SeedKind::UserData }
}

/// What the AMI's encryption asks of the volume that it is made of.
pub(super) fn encrypt(plan: &mut Ec2Plan, ami: &AmiPlan) {
    if !ami.volume.encrypted {
        return;
    }
    let volume = match &mut plan.surrogate {
        Some(surrogate) => &mut surrogate.volume,
        None => &mut plan.root,
    };
    volume.encrypted = Some(true);
    if volume.kms_key.is_none() {
        volume.kms_key.clone_from(&ami.volume.kms_key);
    }
}

pub(super) fn source(
    At { value: raw, span: header }: At<SourceAmi>,
    reader: &mut Reader<'_>,
) -> Option<AmiSourcePlan> {
    let found_at = raw.name.span().or(raw.filters.span()).cloned();
    let ways = [("id", raw.id.span()), ("ssm", raw.ssm.span()), ("name` or `filters", found_at.as_ref())];
    if !check::exactly_one(&header, "`[source.ami]`", &ways, reader) {
        return None;
    }
    if found_at.is_none() {
        for (name, span) in [("owners", raw.owners.span()), ("most-recent", raw.most_recent.span())] {
            if let Some(span) = span {
                reader.report(span, format!("`{name}` goes with `name` or `filters`: an id names one AMI"));
                return None;
            }
        }
    }
    if let Some(at) = raw.id.maybe()? {
        let help = "an id reads like `ami-0123456789abcdef0`";
        return check::text(at, reader, |text| is_id(text, "ami-"), "is not the id of an AMI", help)
            .map(AmiSourcePlan::Id);
    }
    if let Some(at) = raw.ssm.maybe()? {
        let right = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
        return check::text(at, reader, right, "is not the name of a parameter", "write its whole path")
            .map(AmiSourcePlan::Ssm);
    }
    let mut filters = raw.filters.or(Map::new()).and_then(|map| self::filters(map, reader));
    if let Some(at) = raw.name.maybe()? {
        let at_span = at.span.clone();
        let name =
            check::text(at, reader, |text| !text.trim().is_empty(), "is not a name", "`*` is a wildcard")?;
        if let Some(filters) = &mut filters
            && filters.insert("name".to_owned(), vec![name]).is_some()
        {
            reader.report(&at_span, "`name` is among the `filters` already");
            return None;
        }
    }
    let owners_given = raw.owners.span().is_some();
    let right = |text: &str| {
        matches!(text, "self" | "amazon" | "aws-marketplace")
            || (text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let owners = raw.owners.or(List::new()).and_then(|list| {
        let help = "an owner is an account number of 12 digits, `self`, `amazon` or `aws-marketplace`";
        check::texts(list, reader, right, "is not an owner", help)
    });
    let (filters, owners) = (filters?, owners?);
    let known = owners_given && !owners.is_empty();
    let known = known || ["owner-id", "owner-alias"].iter().any(|name| filters.contains_key(*name));
    if !known {
        reader
            .report(&found_at.unwrap_or(header), "an AMI that is found needs `owners`")
            .label("anybody may publish an AMI that fits")
            .help("add `owners = [\"099720109477\"]` (Ubuntu), `[\"amazon\"]`, or `[\"self\"]`");
        return None;
    }
    Some(AmiSourcePlan::Found(AmiFilter { filters, owners, most_recent: raw.most_recent.or(false)? }))
}

fn filters(map: Map<List<Text>>, reader: &mut Reader<'_>) -> Option<BTreeMap<String, Vec<String>>> {
    let entries: Vec<Option<(String, Vec<String>)>> = map
        .into_iter()
        .map(|(name, entry)| {
            let At { value: list, span } = entry.value;
            check::holds(&span, !list.is_empty(), reader, || format!("the filter `{name}` has no value"))?;
            let retired =
                name == "root-device-type" && list.iter().any(|value| value.value.0.text == "instance-store");
            if retired {
                reader
                    .report(&span, "EC2 has retired AMIs in instance stores")
                    .help("start from an AMI in EBS: leave this filter away");
                return None;
            }
            let values =
                check::texts(list, reader, check::is_line, "is not a line of text", "write one line")?;
            Some((name, values))
        })
        .collect();
    entries.into_iter().collect()
}

/// Whether `text` is an id of Amazon's with this prefix.
fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        (8..=32).contains(&rest.len())
            && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

pub(super) fn ec2(field: Field<Ec2>, arch: Option<Arch>, reader: &mut Reader<'_>) -> Option<Ec2Plan> {
    let Some(At { value: raw, .. }) = field.maybe()? else { return arch.map(Ec2Plan::plain) };
    let types = instance_types(raw.instance_types, arch, reader);
    let spot = spot(raw.spot, raw.max_price, reader);
    let vpc_at = raw.vpc.span().cloned();
    let subnet = id(raw.subnet, "subnet-", "the id of a subnet", reader);
    let vpc = id(raw.vpc, "vpc-", "the id of a VPC", reader);
    let groups_at = raw.security_groups.span().cloned();
    let security_groups = raw.security_groups.or(List::new()).and_then(|list| {
        let help = "an id reads like `sg-0123456789abcdef0`";
        check::texts(list, reader, |text| is_id(text, "sg-"), "is not the id of a security group", help)
    });
    if let (Some(groups), Some(groups_at)) = (&security_groups, &groups_at)
        && !groups.is_empty()
    {
        for (name, span) in [("ssh-from", raw.ssh_from.span()), ("vpc", vpc_at.as_ref())] {
            if let Some(span) = span {
                let groups_at = groups_at.clone();
                reader
                    .report(span, format!("`{name}` is for the temporary security group"))
                    .also(groups_at, "here are others, and none is made");
                return None;
            }
        }
    }
    let way_at = raw.ssh.span().cloned();
    let way = raw.ssh.or(One(SshWay::Public)).map(|One(way)| way);
    let (from, from_at) = (raw.ssh_from.span().cloned(), raw.ssh_from);
    let ssh_from = ssh_from(from_at, reader);
    if let (Some(SshWay::SessionManager), Some(from)) = (way, &from) {
        let place = way_at.clone().unwrap_or_default();
        reader
            .report(from, "through the session manager, no network reaches the instance")
            .also(place, "by this way nothing is open");
        return None;
    }
    let profile_at = raw.instance_profile.span().cloned();
    let profile = line(raw.instance_profile, "is not the name or ARN of an instance profile", reader);
    if way == Some(SshWay::SessionManager) && profile_at.is_none() {
        reader
            .report(&way_at.unwrap_or_default(), "the session manager needs an `instance-profile`")
            .help("its role needs Amazon's policy `AmazonSSMManagedInstanceCore`, so that the agent in the guest may register");
        return None;
    }
    let ssh_port = port(raw.ssh_port, reader);
    let hops_at = raw.imds_hop_limit.span().cloned().unwrap_or_default();
    let hop_limit = raw.imds_hop_limit.or(1).and_then(|hops| match u8::try_from(hops) {
        Ok(hops) if (1..=64).contains(&hops) => Some(hops),
        _ => {
            reader.report(&hops_at, format!("{hops} is no hop limit: it goes from 1 to 64"));
            None
        }
    });
    let root = match raw.root.maybe() {
        Some(None) => Some(RootVolume::default()),
        Some(Some(at)) => volume(at, reader),
        None => None,
    };
    let user_data = match raw.user_data.maybe() {
        Some(None) => Some(None),
        Some(Some(at)) => local_file(at, reader).map(Some),
        None => None,
    };
    let tags = raw.tags.or(Map::new()).and_then(|map| tags(map, reader));
    let surrogate = match raw.surrogate.maybe() {
        Some(None) => Some(None),
        Some(Some(at)) => surrogate(at, reader).map(Some),
        None => None,
    };
    let (public_ip, v2) = (raw.associate_public_ip.maybe(), raw.imds_v2.or(true));
    Some(Ec2Plan {
        instance_types: types?,
        spot: spot?,
        subnet: subnet?,
        vpc: vpc?,
        public_ip: public_ip?.map(|at| at.value),
        profile: profile?,
        imds: ImdsPlan { v2_required: v2?, hop_limit: hop_limit? },
        security_groups: security_groups?,
        ssh_from: ssh_from?,
        ssh: way?,
        ssh_port: ssh_port?,
        root: root?,
        user_data: user_data?,
        tags: tags?,
        surrogate: surrogate?,
    })
}

fn instance_types(
    field: Field<List<Text>>,
    arch: Option<Arch>,
    reader: &mut Reader<'_>,
) -> Option<Vec<String>> {
    let Some(At { value: list, span }) = field.maybe()? else {
        return arch.map(|arch| Ec2Plan::plain(arch).instance_types);
    };
    check::holds(&span, !list.is_empty(), reader, || {
        "a build needs at least one type of instance".to_owned()
    })?;
    let right = |text: &str| {
        text.split_once('.')
            .is_some_and(|(family, size)| check::is_word(family, "-") && check::is_word(size, "-"))
    };
    check::texts(list, reader, right, "is not a type of instance", "types read like `t3.small`")
}

fn spot(spot: Field<bool>, price: Field<Text>, reader: &mut Reader<'_>) -> Option<Option<SpotPlan>> {
    let price_at = price.span().cloned();
    let right = |text: &str| text.parse::<f64>().is_ok_and(|price| price > 0.0 && price.is_finite());
    let max_price = match price.maybe()? {
        None => None,
        Some(at) => {
            Some(check::text(at, reader, right, "is not a price", "write dollars an hour, such as `0.05`")?)
        }
    };
    match (spot.or(false)?, price_at) {
        (true, _) => Some(Some(SpotPlan { max_price })),
        (false, None) => Some(None),
        (false, Some(place)) => {
            reader.report(&place, "only spot instances have a `max-price`").help("add `spot = true`");
            None
        }
    }
}

fn id(field: Field<Text>, prefix: &str, what: &str, reader: &mut Reader<'_>) -> Option<Option<String>> {
    let Some(at) = field.maybe()? else { return Some(None) };
    let help = format!("an id reads like `{prefix}0123456789abcdef0`");
    check::text(at, reader, |text| is_id(text, prefix), &format!("is not {what}"), &help).map(Some)
}

fn line(field: Field<Text>, is_not: &str, reader: &mut Reader<'_>) -> Option<Option<String>> {
    let Some(at) = field.maybe()? else { return Some(None) };
    let right = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
    check::text(at, reader, right, is_not, "write it without blanks").map(Some)
}

fn ssh_from(field: Field<List<Text>>, reader: &mut Reader<'_>) -> Option<SshFrom> {
    let Some(At { value: list, span }) = field.maybe()? else { return Some(SshFrom::Auto) };
    check::holds(&span, !list.is_empty(), reader, || "nobody could log in: name a network".to_owned())?;
    let help = "a network reads like `203.0.113.7/32` or `2001:db8::/64`";
    check::texts(list, reader, check::is_network, "is not a network", help).map(SshFrom::Networks)
}

fn volume(At { value: raw, .. }: At<Ec2Volume>, reader: &mut Reader<'_>) -> Option<RootVolume> {
    let size = size(raw.size, reader);
    let kind = raw.r#type.maybe().map(|at| at.map(|At { value: One(kind), .. }| kind));
    let (iops_at, throughput_at) = (raw.iops.span().cloned(), raw.throughput.span().cloned());
    let iops = raw.iops.maybe().map(|at| at.map(|at| at.value));
    let throughput = raw.throughput.maybe().map(|at| at.map(|at| at.value));
    let encrypted_at = raw.encrypted.span().cloned();
    let encrypted = raw.encrypted.maybe().map(|at| at.map(|at| at.value));
    let kms_key = line(raw.kms_key, "is not the id, alias or ARN of a key", reader);
    let (kind, iops, throughput, encrypted, kms_key) = (kind?, iops?, throughput?, encrypted?, kms_key?);
    if let Some(place) = encrypted_at
        && encrypted == Some(false)
        && kms_key.is_some()
    {
        reader.report(&place, "a volume with a `kms-key` is encrypted").help("leave one of them away");
        return None;
    }
    let encrypted = encrypted.or(kms_key.is_some().then_some(true));
    let numbers = [("iops", iops_at.as_ref()), ("throughput", throughput_at.as_ref())];
    match kind {
        None => {
            if let Some((name, Some(place))) = numbers.iter().find(|(_, place)| place.is_some()) {
                reader
                    .report(place, format!("`{name}` needs the volume's `type`"))
                    .help("add `type = \"gp3\"`");
                return None;
            }
        }
        Some(kind) => {
            let tried = AmiVolume { kind, iops, throughput, ..AmiVolume::default() };
            let faults = tried.faults();
            for fault in &faults {
                let place = numbers.iter().find(|(name, _)| *name == fault.key).and_then(|(_, place)| *place);
                let place = place.cloned().unwrap_or_default();
                reader.report(&place, fault.why.clone());
            }
            if !faults.is_empty() {
                return None;
            }
        }
    }
    Some(RootVolume { size: size?, kind, iops, throughput, encrypted, kms_key })
}

/// A size in whole GiB, as volumes have it.
fn size(field: Field<Size>, reader: &mut Reader<'_>) -> Option<Option<Size>> {
    let Some(At { value: size, span }) = field.maybe()? else { return Some(None) };
    let whole = size.as_bytes() > 0 && size.as_bytes() % (1 << 30) == 0;
    check::holds(&span, whole, reader, || {
        format!("{size} is not a number of whole GiB, which volumes are made of")
    })?;
    Some(Some(size))
}

fn surrogate(At { value: raw, span }: At<Ec2Surrogate>, reader: &mut Reader<'_>) -> Option<SurrogatePlan> {
    let is_device = |text: &str| text.strip_prefix("/dev/").is_some_and(|name| check::is_word(name, ""));
    let device = match raw.device.maybe() {
        Some(None) => Some("/dev/sdb".to_owned()),
        Some(Some(at)) => {
            check::text(at, reader, is_device, "is not a device", "devices read like `/dev/sdb`")
        }
        None => None,
    };
    let volume = volume(raw.volume.required()?, reader)?;
    check::holds(&span, volume.size.is_some(), reader, || {
        "the volume of a `surrogate` needs a `size`: nothing is in it yet".to_owned()
    })?;
    Some(SurrogatePlan { device: device?, volume })
}

fn tags(map: Map<Text>, reader: &mut Reader<'_>) -> Option<BTreeMap<String, String>> {
    let entries: Vec<Option<(String, String)>> = map
        .into_iter()
        .map(|(key, entry)| {
            if let Some(why) = crate::plan::tag_fault(&key, &entry.value.value.0.text) {
                reader.report(&entry.key, why);
                return None;
            }
            Some((key, entry.value.value.0.text))
        })
        .collect();
    entries.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_their_prefix() {
        assert!(is_id("ami-0123456789abcdef0", "ami-"));
        assert!(is_id("ami-12c6146b", "ami-"));
        for text in ["ami-", "sg-0123456789abcdef0", "ami-0123456789ABCDEF0", "ami-*"] {
            assert!(!is_id(text, "ami-"), "{text}");
        }
    }
}
