//! The way to a machine's guest: its own address, or a port of a public one.
use super::{Cloudstack, find::Spot, machine::Built};
use crate::{
    cloudstack::{CloudStackError, CloudStackErrorKind, Forward, Network, PublicAddress, Rule, Vm, VmState},
    cx::{Cx, Look, Sight, WaitError},
    driver::{DriverError, DriverErrorKind, address},
    plan::CloudStackWay,
};
use std::net::{IpAddr, SocketAddr};

/// Ports that are chosen from.
const PORTS: std::ops::Range<u16> = 20_000..60_000;

/// Where SSH answers; a way is opened once.
pub(super) async fn to(built: &Built, cx: &Cx) -> Result<SocketAddr, DriverError> {
    let mut way = built.way.lock().await;
    if let Some((address, _)) = &*way {
        return Ok(*address);
    }
    let made = match &built.driver.plan.ssh_by {
        CloudStackWay::Address => (own_address(built, cx).await?, None),
        CloudStackWay::PortForward { address, port } => {
            let (address, opened) = forwarded(built, cx, address.as_deref(), *port).await?;
            (address, Some(opened))
        }
    };
    Ok(way.insert(made).0)
}

/// Takes back what was opened, so that the same port can lead to another machine.
pub(super) async fn close(built: &Built, cx: &Cx) -> Result<(), DriverError> {
    if let Some((_, Some(opened))) = built.way.lock().await.take() {
        built.driver.cloud.close_forward(cx, opened).await?;
    }
    Ok(())
}

/// The machine's own address, which the cloud gave out.
async fn own_address(built: &Built, cx: &Cx) -> Result<SocketAddr, DriverError> {
    let (driver, plan) = (&built.driver, &built.driver.plan);
    let scope = &driver.spot().await?.scope;
    let what = format!("an address of the machine `{}`", built.vm.name);
    let waits = cx.wait_for(&what, plan.start_timeout.get(), driver.pace.every, || async {
        match driver.cloud.machine(scope, &built.vm.id).await {
            Ok(Some(vm)) => look(&vm, &plan.ip_networks),
            Ok(None) => Look::Hopeless("the machine is not in the cloud any more".into()),
            Err(error) => Look::Hopeless(Box::new(error)),
        }
    });
    match waits.await {
        Ok(address) => Ok(SocketAddr::new(address, plan.ssh_port)),
        Err(error @ WaitError::TimedOut { .. }) => Err(DriverError::from(error).hint(
            "the cloud gives no address to machines of a network without DHCP; see `networks` and `ip-networks` in `[machine.cloudstack]`",
        )),
        Err(error) => Err(CloudStackError::from(error).into()),
    }
}

/// The first address of the card with the default route that is taken; IPv4 is preferred, since this host may have no IPv6.
fn look(vm: &Vm, networks: &[String]) -> Look<IpAddr> {
    if matches!(vm.state, VmState::Stopped | VmState::Failed | VmState::Gone) {
        return Look::Hopeless(format!("the cloud says of the machine: {}", vm.said).into());
    }
    let all: Vec<IpAddr> = vm.nics.iter().flat_map(|nic| nic.addresses.iter().copied()).collect();
    // They were read when the definition was.
    let within: Vec<address::Network> = networks.iter().filter_map(|network| network.parse().ok()).collect();
    let taken =
        |address: &&IpAddr| networks.is_empty() || within.iter().any(|network| network.holds(**address));
    let taken: Vec<&IpAddr> = all.iter().filter(taken).collect();
    let state = Sight::yes("machine", vm.said.clone());
    match taken.iter().find(|address| address.is_ipv4()).or(taken.first()) {
        Some(address) if vm.state == VmState::Running => Look::Ready(**address),
        Some(address) => Look::NotYet(vec![state, Sight::yes("address", address.to_string())]),
        None => {
            let told: Vec<String> =
                all.iter().map(|address| format!("{address} (not in `ip-networks`)")).collect();
            let told = if told.is_empty() { "none yet".to_owned() } else { told.join(", ") };
            Look::NotYet(vec![state, Sight::no("address", told)])
        }
    }
}

/// Whether ports can be forwarded in the machine's network, and whether the address and the port that are said can be had.
pub(super) async fn check(
    driver: &Cloudstack,
    spot: &Spot,
    said: Option<&str>,
    port: Option<u16>,
) -> Result<(), DriverError> {
    let network = network(spot)?;
    let Some(said) = said else { return Ok(()) };
    let address = users_address(driver, spot, network, said).await?;
    if let Some(port) = port {
        let used = used(driver, spot, &address).await?;
        if used.iter().any(|rule| rule.has(port)) {
            return Err(DriverError::new(
                DriverErrorKind::Unsupported,
                format!("use the port {port} of {}", address.ip),
            )
            .because("a rule of the cloud has it already")
            .hint("choose another `public-port`, or leave it out"));
        }
    }
    Ok(())
}

/// The network that the port is forwarded in: the first, which has the machine's default route.
fn network(spot: &Spot) -> Result<&Network, DriverError> {
    let refuse = |why: String| {
        Err(DriverError::new(DriverErrorKind::Unsupported, "forward a port to the machine")
            .because(why)
            .hint("`ssh-by = \"address\"` goes to the machine's own address; or name an isolated network first in `networks`"))
    };
    let Some(network) = spot.networks.first() else {
        return refuse(format!("the zone `{}` has no networks of that kind", spot.zone.name));
    };
    let name = &network.named.name;
    if network.vpc {
        return refuse(format!(
            "the network `{name}` is of a virtual private cloud, whose access lists say who comes in, and not the build"
        ));
    }
    if !network.services.contains("PortForwarding") {
        return refuse(format!("the network `{name}` forwards no ports"));
    }
    Ok(network)
}

async fn users_address(
    driver: &Cloudstack,
    spot: &Spot,
    network: &Network,
    said: &str,
) -> Result<PublicAddress, DriverError> {
    let address = driver.cloud.public_address(&spot.scope, said).await?;
    let refuse = |why: String| {
        Err(DriverError::new(DriverErrorKind::Unsupported, format!("forward a port of {}", address.ip))
            .because(why)
            .hint("name another `public-address`, or leave it out"))
    };
    if address.static_nat {
        return refuse("all of it leads to one machine (static NAT)".to_owned());
    }
    if address.network.as_ref().is_some_and(|there| *there != network.named.id) {
        return refuse(format!("it belongs to another network than `{}`", network.named.name));
    }
    Ok(address)
}

/// All ports of an address that somebody uses, or that somebody may come in by.
async fn used(
    driver: &Cloudstack,
    spot: &Spot,
    address: &PublicAddress,
) -> Result<Vec<Rule>, CloudStackError> {
    let mut used = driver.cloud.port_forwards(&spot.scope, &address.id).await?;
    used.extend(driver.cloud.firewall_rules(&spot.scope, &address.id).await?);
    Ok(used)
}

/// A port of a public address. One that is acquired serves all machines of the build.
async fn forwarded(
    built: &Built,
    cx: &Cx,
    said: Option<&str>,
    port: Option<u16>,
) -> Result<(SocketAddr, crate::cloudstack::Opened), DriverError> {
    /// Others may take a port at the same moment.
    const TRIES: u32 = 3;
    let driver = &built.driver;
    let spot = driver.spot().await?;
    let network = network(spot)?;
    let address = if let Some(said) = said {
        users_address(driver, spot, network, said).await?
    } else {
        let mut own = driver.address.lock().await;
        if own.is_none() {
            *own = Some(driver.cloud.acquire_address(cx, &spot.scope, &network.named).await?);
        }
        own.clone().ok_or_else(|| DriverError::new(DriverErrorKind::Other, "acquire a public address"))?
    };
    let mut tries = 0;
    loop {
        tries += 1;
        let port = match port {
            Some(port) => port,
            None => free(&used(driver, spot, &address).await?, &address)?,
        };
        let forward = Forward {
            address: &address,
            port,
            machine: &built.vm,
            to: driver.plan.ssh_port,
            allowed: &driver.plan.allowed_from,
        };
        match driver.cloud.forward(cx, &spot.scope, &forward, said.is_none()).await {
            Ok(opened) => return Ok((SocketAddr::new(address.ip()?, port), opened)),
            Err(error) if tries < TRIES && driver_chose(&error, &built.driver) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether another port may do.
fn driver_chose(error: &CloudStackError, driver: &Cloudstack) -> bool {
    let chosen = matches!(driver.plan.ssh_by, CloudStackWay::PortForward { port: None, .. });
    chosen
        && error.kind() != CloudStackErrorKind::Quota
        && error.fault().is_some_and(|fault| fault.says("conflict"))
}

/// A port that nobody uses.
fn free(used: &[Rule], address: &PublicAddress) -> Result<u16, DriverError> {
    const TRIES: u32 = 200;
    for _ in 0..TRIES {
        let (high, low, ..) = uuid::Uuid::new_v4().as_fields();
        let number = (high ^ u32::from(low)) % u32::from(PORTS.end - PORTS.start);
        let port = u16::try_from(number).unwrap_or_default() + PORTS.start;
        if !used.iter().any(|rule| rule.has(port)) {
            return Ok(port);
        }
    }
    Err(DriverError::new(DriverErrorKind::Other, format!("find a free port of {}", address.ip))
        .because(format!("rules have nearly all from {} to {}", PORTS.start, PORTS.end))
        .hint("`public-port` names one, or leave out `public-address`"))
}
