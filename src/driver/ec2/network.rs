//! The temporary security group: SSH from this host, and nothing else.
use super::Ec2;
use crate::{
    aws::{self, AwsError, Kind, Tags},
    cx::{Cx, Undo},
    driver::{DriverError, DriverErrorKind},
    plan::{SshFrom, SshWay},
};
use async_trait::async_trait;
use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, ResourceType};
use std::{
    fmt::Debug,
    net::{IpAddr, UdpSocket},
};

/// Makes a security group that lets SSH in from where we are, and returns its id.
pub(super) async fn group(ec2: &Ec2, cx: &Cx, role: &str, tags: &Tags) -> Result<String, DriverError> {
    let plan = &ec2.plan;
    let vpc = vpc(ec2).await?;
    let networks = match (&plan.ssh, &plan.ssh_from) {
        // The agent in the guest calls out; nothing comes in.
        (SshWay::SessionManager, _) => Vec::new(),
        (_, SshFrom::Networks(networks)) => networks.clone(),
        (SshWay::Public, SshFrom::Auto) => vec![alone(public_address(ec2, cx).await?)],
        (SshWay::Private, SshFrom::Auto) => vec![alone(address_towards(ec2, vpc.as_deref()).await?)],
    };
    let name = format!("goldsmith-{}-{role}", cx.id());
    let attempt = |what: &str| format!("{what} the security group `{name}` in {}", ec2.aws.region());
    let handle = cx.undo().plan(Undo::Resource(aws::tagged(&ec2.aws, Kind::SecurityGroup, cx.id(), role)))?;
    let made = ec2
        .aws
        .ec2()
        .create_security_group()
        .group_name(&name)
        .description(format!("SSH for the goldsmith build {}", cx.id()))
        .set_vpc_id(vpc)
        .tag_specifications(tags.specification(ResourceType::SecurityGroup))
        .send()
        .await
        .map_err(|error| AwsError::of(attempt("make"), "CreateSecurityGroup", error))
        .map_err(|error| match super::fault::launch_hint(&error) {
            Some(hint) => error.hint(hint),
            None => error,
        })?;
    let id = made.group_id().unwrap_or_default().to_owned();
    cx.undo().resolve(handle, Undo::Resource(aws::resource(&ec2.aws, Kind::SecurityGroup, &id)))?;
    if networks.is_empty() {
        return Ok(id);
    }
    cx.events().notice(format!("SSH is open to {} in the security group {id}", networks.join(", ")));
    let port = i32::from(plan.ssh_port);
    let mut permission = IpPermission::builder().ip_protocol("tcp").from_port(port).to_port(port);
    for network in &networks {
        permission = if network.contains(':') {
            permission.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(network).description("goldsmith").build())
        } else {
            permission.ip_ranges(IpRange::builder().cidr_ip(network).description("goldsmith").build())
        };
    }
    ec2.aws
        .ec2()
        .authorize_security_group_ingress()
        .group_id(&id)
        .ip_permissions(permission.build())
        .send()
        .await
        .map_err(|error| {
            AwsError::of(attempt("open the SSH port of"), "AuthorizeSecurityGroupIngress", error)
        })?;
    Ok(id)
}

/// The VPC that the group is for; `None` for the default one.
async fn vpc(ec2: &Ec2) -> Result<Option<String>, DriverError> {
    let plan = &ec2.plan;
    let (None, Some(subnet)) = (&plan.vpc, &plan.subnet) else { return Ok(plan.vpc.clone()) };
    let attempt = || format!("look at the subnet `{subnet}` in {}", ec2.aws.region());
    let answer = ec2
        .aws
        .ec2()
        .describe_subnets()
        .subnet_ids(subnet)
        .send()
        .await
        .map_err(|error| AwsError::of(attempt(), "DescribeSubnets", error))?;
    Ok(answer.subnets().first().and_then(|found| found.vpc_id()).map(ToOwned::to_owned))
}

/// The network that is one address only.
fn alone(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("{address}/32"),
        IpAddr::V6(address) => format!("{address}/128"),
    }
}

/// Who knows from which address the internet sees this host.
#[async_trait]
pub trait OwnAddress: Debug + Send + Sync {
    /// The address.
    async fn own_address(&self, cx: &Cx) -> Result<IpAddr, Box<dyn std::error::Error + Send + Sync>>;
}

/// The address from which the internet sees this host.
async fn public_address(ec2: &Ec2, cx: &Cx) -> Result<IpAddr, DriverError> {
    let found = match &ec2.own_address {
        Some(knows) => knows.own_address(cx).await,
        None => Err("nobody was asked".into()),
    };
    found.map_err(|why| {
        DriverError::new(DriverErrorKind::Unavailable, "find out this host's public address")
            .because(why)
            .hint("say it with `ssh-from = [\"203.0.113.7/32\"]` in `[machine.ec2]`")
    })
}

/// The address from which this host speaks to the VPC. No packet is sent for it.
async fn address_towards(ec2: &Ec2, vpc: Option<&str>) -> Result<IpAddr, DriverError> {
    let attempt = || format!("look at the VPC in {}", ec2.aws.region());
    let request = ec2.aws.ec2().describe_vpcs();
    let request = match vpc {
        Some(id) => request.vpc_ids(id),
        None => {
            request.filters(aws_sdk_ec2::types::Filter::builder().name("is-default").values("true").build())
        }
    };
    let answer = request.send().await.map_err(|error| AwsError::of(attempt(), "DescribeVpcs", error))?;
    let network = answer.vpcs().first().and_then(|vpc| vpc.cidr_block()).unwrap_or_default();
    let failed = |why: Box<dyn std::error::Error + Send + Sync>| {
        DriverError::new(DriverErrorKind::Unavailable, "find out this host's address towards the VPC")
            .because(why)
            .hint("say it with `ssh-from = [\"10.0.0.7/32\"]` in `[machine.ec2]`")
    };
    let base: IpAddr = network
        .split('/')
        .next()
        .unwrap_or_default()
        .parse()
        .map_err(|_| failed(format!("its network is `{network}`").into()))?;
    let look = || {
        let socket = UdpSocket::bind(("0.0.0.0", 0))?;
        // Chooses the way, as for any later packet.
        socket.connect((base, 22))?;
        socket.local_addr()
    };
    look().map(|address| address.ip()).map_err(|error: std::io::Error| failed(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_one_address_has_all_bits() {
        assert_eq!(alone("203.0.113.7".parse().unwrap()), "203.0.113.7/32");
        assert_eq!(alone("2001:db8::7".parse().unwrap()), "2001:db8::7/128");
    }
}
