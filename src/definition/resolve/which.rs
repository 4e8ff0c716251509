//! Which hypervisor a definition is for, and what is of use with another one only.
use crate::definition::{
    problem::Span,
    raw::{Machine, Output, Source, Verify},
    reader::{At, Field, Reader},
    scalar::{Delivery, Driver, List, One},
};

/// The hypervisor that is meant; `None`: wrong, and reported.
pub(super) fn meant(machine: &Field<Machine>) -> Option<Driver> {
    let machine = match machine {
        Field::Good(At { value, .. }) => value,
        Field::Absent => return Some(Driver::Libvirt),
        Field::Bad => return None,
    };
    match &machine.driver {
        Field::Good(At { value: One(driver), .. }) => Some(*driver),
        Field::Bad => None,
        Field::Absent => {
            let own = tables(machine).into_iter().find(|(_, span)| span.is_some());
            Some(own.map_or(Driver::Libvirt, |(driver, _)| driver))
        }
    }
}

/// The tables of `[machine]` that are for one hypervisor.
fn tables(machine: &Machine) -> [(Driver, Option<&Span>); 4] {
    [
        (Driver::Ec2, machine.ec2.span()),
        (Driver::Vsphere, machine.vsphere.span()),
        (Driver::Nutanix, machine.nutanix.span()),
        (Driver::Cloudstack, machine.cloudstack.span()),
    ]
}

/// What can be started from, by its table.
fn sources(source: &Source) -> [(&'static str, Option<Driver>, Option<&Span>); 7] {
    [
        ("bootstrap", None, source.bootstrap.span()),
        ("disk", None, source.disk.span()),
        ("iso", None, source.iso.span()),
        ("ami", Some(Driver::Ec2), source.ami.span()),
        ("vsphere", Some(Driver::Vsphere), source.vsphere.span()),
        ("nutanix", Some(Driver::Nutanix), source.nutanix.span()),
        ("cloudstack", Some(Driver::Cloudstack), source.cloudstack.span()),
    ]
}

impl Driver {
    /// As definitions write it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Libvirt => "libvirt",
            Self::Ec2 => "ec2",
            Self::Vsphere => "vsphere",
            Self::Nutanix => "nutanix",
            Self::Cloudstack => "cloudstack",
        }
    }

    /// Whether a machine of it starts from what has this table.
    fn starts_from(self, source: &str) -> bool {
        match self {
            Self::Libvirt => matches!(source, "bootstrap" | "disk" | "iso"),
            Self::Ec2 => source == "ami",
            Self::Vsphere => matches!(source, "iso" | "vsphere"),
            Self::Nutanix | Self::Cloudstack => source == self.word(),
        }
    }

    /// Its machines.
    fn machine(self) -> &'static str {
        match self {
            Self::Libvirt => "a machine of this host",
            Self::Ec2 => "an instance",
            Self::Vsphere => "a machine in a vCenter",
            Self::Nutanix => "a machine in a Prism Central",
            Self::Cloudstack => "a machine in a cloud of CloudStack",
        }
    }

    /// What a build from its own source is, and where it runs.
    fn own_build(self) -> &'static str {
        match self {
            Self::Libvirt => "a build of a disk runs on this host",
            Self::Ec2 => "a build from an AMI runs on EC2",
            Self::Vsphere => "a build from a machine or an image in a vCenter runs there",
            Self::Nutanix => "a build from an image of a Prism Central runs there",
            Self::Cloudstack => "a build from a template of a cloud runs there",
        }
    }

    /// What to start from instead.
    fn what_to_start_from(self) -> &'static str {
        match self {
            Self::Libvirt => {
                "name a disk image in `[source.disk]`, a medium in `[source.iso]`, or a suite in `[source.bootstrap]`"
            }
            Self::Ec2 => {
                "name an AMI in `[source.ami]`; what is built here becomes an AMI by `format = \"ami\"` too, without an instance"
            }
            Self::Vsphere => {
                "name a machine, an item of a library or an OVA in `[source.vsphere]`, or a medium in `[source.iso]`; what is \
                 built here comes there by `goldsmith publish vsphere`"
            }
            Self::Nutanix => {
                "name an image or a URL in `[source.nutanix]`; what is built here comes there by `goldsmith publish nutanix`"
            }
            Self::Cloudstack => {
                "name a template in `[source.cloudstack]`; what is built here comes there by `goldsmith publish cloudstack`"
            }
        }
    }
}

/// Reports the tables of `[machine]` that are for another hypervisor.
pub(super) fn only_own_table(driver: Driver, machine: &Machine, reader: &mut Reader<'_>) -> Option<()> {
    let mut right = Some(());
    for (of, span) in tables(machine) {
        if let Some(span) = span.filter(|_| of != driver) {
            let word = of.word();
            reader.report(span, format!("`[machine.{word}]` is for `driver = \"{word}\"`"));
            right = None;
        }
    }
    right
}

/// Reports what is of no use with this hypervisor, and what would need another one.
pub(super) fn fits(
    driver: Driver,
    source: &Field<Source>,
    output: &Field<List<Output>>,
    verify: &Field<Verify>,
    reader: &mut Reader<'_>,
) {
    if let Field::Good(At { value: source, .. }) = source {
        fitting_source(driver, source, reader);
    }
    if let Field::Good(At { value: outputs, .. }) = output {
        fitting_outputs(driver, outputs, reader);
    }
    if let Field::Good(At { value: verify, .. }) = verify
        && let Some(span) = verify.firmware.span()
    {
        let (message, help) = match driver {
            Driver::Libvirt => return,
            Driver::Ec2 => ("EC2 chooses the firmware of an instance: the AMI's boot mode decides", None),
            Driver::Vsphere => (
                "what is made in a vCenter boots with the firmware of its own machine",
                Some("leave `firmware` out; `firmware` in `[machine]` says what a new machine has"),
            ),
            Driver::Nutanix => (
                "what is made in a Prism Central boots with the firmware of its own machine",
                Some("leave `firmware` out; `firmware` in `[machine]` says what the machine has"),
            ),
            Driver::Cloudstack => (
                "what is made in a cloud boots with the firmware of its own machine",
                Some("leave `firmware` out; `boot` in `[machine.cloudstack]` says what the machine has"),
            ),
        };
        let problem = reader.report(span, message);
        if let Some(help) = help {
            problem.help(help);
        }
    }
}

fn fitting_source(driver: Driver, source: &Source, reader: &mut Reader<'_>) {
    for (table, own, span) in sources(source) {
        let Some(span) = span.filter(|_| !driver.starts_from(table)) else { continue };
        match own {
            Some(own) if driver == Driver::Libvirt => {
                let help = format!("add `driver = \"{}\"` to `[machine]`", own.word());
                reader.report(span, own.own_build()).help(help);
            }
            _ => {
                let message = format!("{} does not start from a `[source.{table}]`", driver.machine());
                reader.report(span, message).help(driver.what_to_start_from());
            }
        }
    }
}

/// What stays with one hypervisor, by its format.
fn keeper(delivery: Delivery) -> Option<Driver> {
    match delivery {
        Delivery::Vsphere => Some(Driver::Vsphere),
        Delivery::Nutanix => Some(Driver::Nutanix),
        Delivery::Cloudstack => Some(Driver::Cloudstack),
        Delivery::File(_) | Delivery::Ami | Delivery::InstanceStore => None,
    }
}

fn fitting_outputs(driver: Driver, outputs: &[At<Output>], reader: &mut Reader<'_>) {
    let mut first: Option<Span> = None;
    for At { value: raw, span } in outputs {
        let Field::Good(At { value: One(delivery), span: format }) = &raw.format else { continue };
        if let Some(of) = keeper(*delivery).filter(|of| *of != driver) {
            let (message, help) = match of {
                Driver::Vsphere => (
                    "what was not built in a vCenter cannot stay there",
                    "make an `ova`, then `goldsmith publish vsphere` brings it there",
                ),
                Driver::Nutanix => (
                    "what was not built in a Prism Central cannot stay there",
                    "make a `qcow2`, then `goldsmith publish nutanix` brings it there",
                ),
                _ => (
                    "what was not built in a cloud cannot stay there",
                    "make a `qcow2`, then `goldsmith publish cloudstack` brings it there",
                ),
            };
            reader.report(format, format!("{message}: this needs `driver = \"{}\"`", of.word())).help(help);
            continue;
        }
        let one_only = match (driver, delivery) {
            (Driver::Ec2, Delivery::File(_)) => {
                reader
                    .report(format, "`driver = \"ec2\"` makes an `ami`: its disk never comes here")
                    .help("`goldsmith ami export` brings an AMI here as a file");
                continue;
            }
            (Driver::Ec2, _) => "an instance becomes one AMI",
            (Driver::Vsphere | Driver::Nutanix | Driver::Cloudstack, Delivery::Ami) => {
                let word = driver.word();
                reader.report(format, format!("`driver = \"{word}\"` makes no `ami`")).help(format!(
                    "make a file, and `goldsmith publish ami` makes an AMI of it; or write `format = \"{word}\"`"
                ));
                continue;
            }
            (Driver::Vsphere, Delivery::Vsphere) => "a machine becomes one thing in its vCenter",
            (Driver::Nutanix, Delivery::Nutanix) => "a machine becomes one thing in its Prism Central",
            (Driver::Cloudstack, Delivery::Cloudstack) => "a machine becomes one template in its cloud",
            _ => continue,
        };
        if let Some(first) = &first {
            let first = first.clone();
            reader.report(span, one_only).label("the second one").also(first, "the first one");
        }
        first.get_or_insert_with(|| span.clone());
    }
}
