//! `[source]`: where the first disk comes from.
use super::check;
use crate::{
    definition::{
        problem::Span,
        raw::{Bootstrap, Disk, Partition as RawPartition, Source},
        reader::{At, Field, Reader},
        scalar::{List, MirrorChoice, Text},
    },
    plan::{BootstrapPlan, DiskSourcePlan, Mirror, Origin, Partition, PartitionSize, SourcePlan},
    value::{Arch, Size},
};
use url::Url;

/// Consoles for people and for the serial log.
const DEFAULT_CMDLINE: &str = "console=tty0 console=ttyS0,115200";
/// What the partition table, the BIOS boot partition and alignment take.
const OVERHEAD: u64 = 4 << 20;
/// The smallest file system that is worth to have; also what FAT32 needs at least for the EFI system partition.
const LEAST_PARTITION: Size = Size::mib(34);
/// ext4 has room for this many bytes of label.
const LONGEST_LABEL: usize = 16;
/// Where the machine's own partitions and the kernel's file systems are mounted.
const TAKEN_MOUNTS: &[&str] = &["/boot/efi", "/dev", "/proc", "/run", "/sys"];
/// Ubuntu's releases: their kernel package is called differently.
const UBUNTU: &[&str] = &[
    "bionic", "focal", "groovy", "hirsute", "impish", "jammy", "kinetic", "lunar", "mantic", "noble",
    "oracular", "plucky", "questing", "resolute", "trusty", "xenial",
];

/// The size of the machine's disk, and its place if the definition says it.
type DiskSize = Option<(Size, Option<Span>)>;

/// `installs`: there is an `[source.iso.install]`, which is resolved apart.
pub(super) fn source(
    source: Field<Source>,
    arch: Option<Arch>,
    disk: DiskSize,
    installs: bool,
    reader: &mut Reader<'_>,
) -> Option<SourcePlan> {
    let At { value: source, span } = source.required()?;
    let is_bad = matches!(source.bootstrap, Field::Bad)
        || matches!(source.disk, Field::Bad)
        || matches!(source.iso, Field::Bad)
        || matches!(source.ami, Field::Bad)
        || matches!(source.vsphere, Field::Bad)
        || matches!(source.nutanix, Field::Bad)
        || matches!(source.cloudstack, Field::Bad);
    if is_bad {
        return None;
    }
    let given = [
        ("bootstrap", source.bootstrap.span()),
        ("disk", source.disk.span()),
        ("iso", source.iso.span()),
        ("ami", source.ami.span()),
        ("vsphere", source.vsphere.span()),
        ("nutanix", source.nutanix.span()),
        ("cloudstack", source.cloudstack.span()),
    ];
    if !check::exactly_one(&span, "`[source]`", &given, reader) {
        return None;
    }
    if let Some(at) = source.bootstrap.maybe()? {
        return bootstrap(at, arch, disk, reader).map(SourcePlan::Bootstrap);
    }
    if let Some(at) = source.iso.maybe()? {
        return super::iso::iso(at, installs, reader).map(SourcePlan::Iso);
    }
    if let Some(at) = source.ami.maybe()? {
        return super::ec2::source(at, reader).map(SourcePlan::Ami);
    }
    if let Some(at) = source.vsphere.maybe()? {
        return super::vsphere::source(at, reader).map(SourcePlan::Vsphere);
    }
    if let Some(at) = source.nutanix.maybe()? {
        return super::nutanix::source(at, reader).map(SourcePlan::Nutanix);
    }
    if let Some(at) = source.cloudstack.maybe()? {
        return super::cloudstack::source(at, reader).map(SourcePlan::Cloudstack);
    }
    self::disk(source.disk.maybe()??, reader).map(SourcePlan::Disk)
}

fn bootstrap(
    At { value: raw, span: header }: At<Bootstrap>,
    arch: Option<Arch>,
    disk: DiskSize,
    reader: &mut Reader<'_>,
) -> Option<BootstrapPlan> {
    let suite = raw.suite.required().and_then(|suite| {
        let help = "write the code name of a release, such as `bookworm`";
        check::text(suite, reader, |text| check::is_word(text, ".-"), "is not the name of a release", help)
    });
    let mirror = mirror(raw.mirror, raw.security_mirror, reader);
    let components = match raw.components.maybe() {
        Some(None) => Some(vec!["main".to_owned()]),
        Some(Some(At { value, span })) => {
            let some = check::holds(&span, !value.is_empty(), reader, || {
                "an archive has at least one component".into()
            });
            let help = "write a component of the archive, such as `main`";
            let words =
                check::texts(value, reader, |text| check::is_word(text, "-"), "is not a component", help);
            some.and(words)
        }
        None => None,
    };
    let cloud_init = raw.cloud_init.or(true);
    let packages = raw.packages.or(List::new()).and_then(|list| packages(list, reader));
    let kernel = match raw.kernel.maybe() {
        Some(None) => match (suite.as_deref(), arch) {
            (Some(suite), Some(_)) if UBUNTU.contains(&suite) => Some("linux-image-generic".to_owned()),
            (Some(_), Some(arch)) => Some(format!("linux-image-{}", arch.debian())),
            _ => None,
        },
        Some(Some(kernel)) => check::text(kernel, reader, is_package, NOT_A_PACKAGE, PACKAGE),
        None => None,
    };
    let cmdline = match raw.cmdline.maybe() {
        Some(None) => Some(DEFAULT_CMDLINE.to_owned()),
        Some(Some(cmdline)) => check::text(
            cmdline,
            reader,
            check::is_line,
            "is not one line",
            "the kernel command line is one line",
        ),
        None => None,
    };
    let initramfs_modules = raw.initramfs_modules.or(List::new()).and_then(|list| {
        let help = "write the name of a kernel module, such as `virtio_blk`";
        check::texts(
            list,
            reader,
            |text| check::is_word(text, "_-"),
            "is not the name of a kernel module",
            help,
        )
    });
    let esp_place = raw.esp_size.span().cloned();
    let esp = raw.esp_size.or(Size::mib(64)).and_then(|size| {
        let place = esp_place.unwrap_or_default();
        check::holds(&place, size >= LEAST_PARTITION, reader, || {
            format!("{size} is too small for an EFI system partition: it must be at least {LEAST_PARTITION}")
        })
        .map(|()| size)
    });
    let partitions = match raw.partition.maybe() {
        Some(None) => Some(vec![Partition { mount: "/".to_owned(), size: PartitionSize::Rest, label: None }]),
        Some(Some(list)) => partitions(list, reader),
        None => None,
    };
    if let (Some(partitions), Some(esp), Some(disk)) = (&partitions, esp, disk) {
        must_fit(partitions, esp, disk, &header, reader);
    }
    Some(BootstrapPlan {
        suite: suite?,
        mirror: mirror?,
        components: components?,
        cloud_init: cloud_init?,
        packages: packages?,
        kernel: kernel?,
        cmdline: cmdline?,
        initramfs_modules: initramfs_modules?,
        partitions: partitions?,
        esp: esp?,
    })
}

fn mirror(mirror: Field<MirrorChoice>, security: Field<Url>, reader: &mut Reader<'_>) -> Option<Mirror> {
    let security_place = security.span().cloned().unwrap_or_default();
    let mirror = mirror.or(MirrorChoice::Host);
    let security = security.maybe()?.map(|at| at.value);
    match (mirror?, security) {
        (MirrorChoice::Url(main), security) => Some(Mirror::Url { main, security }),
        (MirrorChoice::Host, None) => Some(Mirror::Host),
        (MirrorChoice::Host, Some(_)) => {
            reader
                .report(&security_place, "a `security-mirror` needs a `mirror` that is a URL")
                .help("with `mirror = \"host\"`, this host's apt also says where security updates come from");
            None
        }
    }
}

pub(super) const NOT_A_PACKAGE: &str = "is not the name of a package";
pub(super) const PACKAGE: &str =
    "write a name, such as `tcpdump`, or a name with a version, such as `tcpdump=4.99.3-1`";

/// Whether `text` is a package's name, with a version perhaps; options of a package manager are not.
pub(super) fn is_package(text: &str) -> bool {
    let (name, version) = text.split_once('=').unwrap_or((text, "0"));
    check::is_word(name, "+-.:_") && check::is_word(version, "+-.:_~*")
}

/// The names of packages, each checked.
pub(super) fn packages(
    list: List<crate::definition::scalar::Text>,
    reader: &mut Reader<'_>,
) -> Option<Vec<String>> {
    check::texts(list, reader, is_package, NOT_A_PACKAGE, PACKAGE)
}

fn partitions(list: At<List<RawPartition>>, reader: &mut Reader<'_>) -> Option<Vec<Partition>> {
    let mut partitions = Vec::new();
    let mut all_right = true;
    let mut seen: Vec<(String, Span)> = Vec::new();
    let last = list.value.len().saturating_sub(1);
    for (index, At { value: raw, span }) in list.value.into_iter().enumerate() {
        let mount_place = raw.mount.span().cloned();
        let mount = raw.mount.required().and_then(|mount| {
            let right = |path: &str| {
                check::is_guest_path(path)
                    && (path == "/" || !path.ends_with('/'))
                    && !path.contains("//")
                    && !path.contains([' ', '\\', ','])
            };
            check::text(mount, reader, right, "is not a place to mount at", check::GUEST_PATH)
        });
        if let (Some(mount), Some(place)) = (&mount, mount_place) {
            if TAKEN_MOUNTS.contains(&mount.as_str()) {
                reader.report(&place, format!("`{mount}` is mounted by the system itself"));
                all_right = false;
            }
            if let Some((_, first)) = seen.iter().find(|(other, _)| other == mount) {
                let first = first.clone();
                reader
                    .report(&place, format!("two partitions are mounted at `{mount}`"))
                    .also(first, "the first one");
                all_right = false;
            }
            seen.push((mount.clone(), place));
        }
        let size_place = raw.size.span().cloned().unwrap_or(span);
        let size = raw.size.required().map(|at| at.value);
        match size {
            Some(PartitionSize::Rest) if index != last => {
                reader
                    .report(&size_place, "only the last partition can take the rest of the disk")
                    .help("move it to the end, or give it a size");
                all_right = false;
            }
            Some(PartitionSize::Fixed(size)) if size < LEAST_PARTITION => {
                let message =
                    format!("{size} is too small for a partition: it must be at least {LEAST_PARTITION}");
                reader.report(&size_place, message);
                all_right = false;
            }
            _ => {}
        }
        let label = match raw.label.maybe() {
            Some(None) => Some(None),
            Some(Some(label)) => {
                let right =
                    |label: &str| !label.is_empty() && label.len() <= LONGEST_LABEL && check::is_line(label);
                check::text(label, reader, right, "cannot be a label", "a label has 1 to 16 bytes").map(Some)
            }
            None => None,
        };
        match (mount, size, label) {
            (Some(mount), Some(size), Some(label)) => partitions.push(Partition { mount, size, label }),
            _ => all_right = false,
        }
    }
    if all_right && !partitions.iter().any(|partition| partition.mount == "/") {
        reader.report(&list.span, "no partition is mounted at `/`").help("add one with `mount = \"/\"`");
        all_right = false;
    }
    all_right.then_some(partitions)
}

/// Reports when the partitions are larger than the disk.
fn must_fit(
    partitions: &[Partition],
    esp: Size,
    (disk, place): (Size, Option<Span>),
    header: &Span,
    reader: &mut Reader<'_>,
) {
    let sizes = partitions.iter().map(|partition| match partition.size {
        PartitionSize::Fixed(size) => size.as_bytes(),
        PartitionSize::Rest => LEAST_PARTITION.as_bytes(),
    });
    let needed = sizes.fold(esp.as_bytes().saturating_add(OVERHEAD), u64::saturating_add);
    if needed <= disk.as_bytes() {
        return;
    }
    let message = format!("the partitions need {}, but the disk has {disk}", Size::bytes(needed));
    let problem = reader.report(place.as_ref().unwrap_or(header), message);
    problem.help(format!(
        "that is with {esp} for the EFI system partition; enlarge `disk` in `[machine]`, or shrink them"
    ));
}

fn disk(At { value: raw, span: header }: At<Disk>, reader: &mut Reader<'_>) -> Option<DiskSourcePlan> {
    let found = origins("`[source.disk]`", &header, raw.path, raw.url, raw.urls, reader);
    let format = raw.format.maybe().map(|format| format.map(|at| at.value.0));
    let given = [("digest", raw.digest.span()), ("checksums", raw.checksums.span())];
    let one = given.iter().any(|(_, span)| span.is_none())
        || check::exactly_one(&header, "`[source.disk]`", &given, reader);
    let (digest, checksums) = (raw.digest.maybe(), raw.checksums.maybe());
    let (origins, first_place) = found?;
    let (digest, checksums) = (digest?.map(|at| at.value), checksums?.map(|at| at.value));
    if digest.is_none() && checksums.is_none() && origins.iter().any(is_remote) {
        reader
            .report(&first_place, "a download needs a `digest`, or `checksums`")
            .label("this may change at any time")
            .help("add `digest = \"sha256:…\"` (or `sha512:…`), or `checksums` with the address of the publisher's SHA256SUMS");
        return None;
    }
    one.then_some(())?;
    Some(DiskSourcePlan { origins, digest, checksums, format: format? })
}

/// Whether what is there can change without anybody of this host doing anything.
pub(super) fn is_remote(origin: &Origin) -> bool {
    matches!(origin, Origin::Url(url) if url.scheme() != "file")
}

/// Where a file is, which is said by one of these keys of the table `of`, and the place of that key.
pub(super) fn origins(
    of: &str,
    header: &Span,
    path: Field<Text>,
    url: Field<Url>,
    urls: Field<List<Url>>,
    reader: &mut Reader<'_>,
) -> Option<(Vec<Origin>, Span)> {
    let is_bad = matches!(path, Field::Bad) || matches!(url, Field::Bad) || matches!(urls, Field::Bad);
    let given = [("path", path.span()), ("url", url.span()), ("urls", urls.span())];
    if is_bad || !check::exactly_one(header, of, &given, reader) {
        return None;
    }
    if let Some(path) = path.maybe()? {
        return Some((vec![Origin::Path(local_file(path, reader)?)], header.clone()));
    }
    if let Some(url) = url.maybe()? {
        return Some((vec![Origin::Url(url.value)], url.span));
    }
    let urls = urls.maybe()??;
    check::holds(&urls.span, !urls.value.is_empty(), reader, || "`urls` names no URL".to_owned())?;
    Some((urls.value.into_iter().map(|url| Origin::Url(url.value)).collect(), urls.span))
}

/// A file on this host that must be there; relative paths start at the definition's folder.
pub(super) fn local_file(at: At<Text>, reader: &mut Reader<'_>) -> Option<std::path::PathBuf> {
    let expanded = at.value.0;
    let path = reader.folder.join(&expanded.text);
    let Err(error) = reader.files.check(&path) else { return Some(path) };
    let problem = reader.report(&at.span, format!("cannot read `{}`", path.display()));
    problem.cause(error);
    crate::definition::reader::blame_variables(problem, &expanded);
    None
}
