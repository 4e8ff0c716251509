//! How a plan for EC2 reads.
use crate::plan::{AmiSourcePlan, Ec2Plan, SshFrom, SshWay};

/// The AMI that a build starts from.
pub(super) fn source(source: &AmiSourcePlan) -> Vec<String> {
    match source {
        AmiSourcePlan::Id(id) => vec![id.clone()],
        AmiSourcePlan::Ssm(name) => vec![format!("the AMI that the parameter {name} names")],
        AmiSourcePlan::Found(filter) => {
            let which = if filter.most_recent { "the newest AMI" } else { "the AMI" };
            let mut lines = vec![match filter.owners.as_slice() {
                [] => which.to_owned(),
                owners => format!("{which} of {}", owners.join(" or ")),
            }];
            lines.extend(
                filter.filters.iter().map(|(name, values)| format!("{name}: {}", values.join(" or "))),
            );
            lines
        }
    }
}

/// The instance that is built in.
pub(super) fn instance(ec2: &Ec2Plan) -> Vec<String> {
    let spot = match &ec2.spot {
        None => "",
        Some(_) => ", spot",
    };
    let mut lines = vec![format!("EC2 {}{spot}", ec2.instance_types.join(", else "))];
    let place = [("subnet", &ec2.subnet), ("VPC", &ec2.vpc), ("instance profile", &ec2.profile)];
    lines.extend(place.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?))));
    let way = match ec2.ssh {
        SshWay::Public => "by its public address",
        SshWay::Private => "by its private address",
        SshWay::SessionManager => "through the session manager",
    };
    let from = match (&ec2.ssh_from, ec2.security_groups.as_slice()) {
        (_, groups @ [_, ..]) => format!(", security groups {}", groups.join(" ")),
        (_, []) if ec2.ssh == SshWay::SessionManager => String::new(),
        (SshFrom::Auto, []) => ", from this host alone".to_owned(),
        (SshFrom::Networks(networks), []) => format!(", from {}", networks.join(" ")),
    };
    lines.push(format!("SSH {way}{from}"));
    if let Some(surrogate) = &ec2.surrogate {
        lines.push(format!("the AMI is made of a second volume, {}", surrogate.device));
    }
    lines
}
