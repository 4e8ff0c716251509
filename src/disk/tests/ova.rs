//! OVA, as tar, sha256sum, COT and Python's XML parser read it.
use std::fs;

use super::*;
use crate::disk::ova::{
    Controller, ExtraDisk, Firmware, GuestOs, Ova, OvaSpec, Product, Property, PropertyKind,
};

/// Every field set, with what XML and file names must not be broken by.
fn full(name: &str) -> OvaSpec {
    let mut spec = OvaSpec::new(name);
    spec.guest = GuestOs::from_os_release("debian", "12");
    spec.cpus = 4;
    spec.memory_bytes = 3 << 30;
    spec.hardware_version = 20;
    spec.firmware = Firmware::Efi;
    spec.secure_boot = true;
    spec.controller = Controller::LsiLogicSas;
    spec.networks = vec!["nic0".to_owned(), "storage & <backup>".to_owned()];
    spec.product = Some(Product {
        name: "Debian 12 \"golden\"".to_owned(),
        vendor: Some("Müller & Söhne".to_owned()),
        version: Some("1.2".to_owned()),
        full_version: Some("1.2.3-rc<4>".to_owned()),
        product_url: Some("https://example.org/?a=1&b=2".to_owned()),
        vendor_url: Some("https://example.org/".to_owned()),
        category: Some("Cluster API Provider (CAPI)".to_owned()),
    });
    spec.annotation = Some("first line\nsecond <line> & ]]>".to_owned());
    spec.eula = Some("You may.\r\nOr not.".to_owned());
    spec.properties = vec![
        Property::fact("KUBERNETES_SEMVER", "v1.31.4"),
        Property {
            key: "hostname".to_owned(),
            value: "node\t\"1\"".to_owned(),
            kind: PropertyKind::String,
            user_configurable: true,
            label: Some("Name".to_owned()),
            description: Some("What to call it".to_owned()),
        },
    ];
    spec.extra_config = vec![("guestinfo.metadata.encoding".to_owned(), "base64".to_owned())];
    spec
}

fn ova_target(path: &Path, spec: OvaSpec) -> Target {
    let mut target = target(OutputFormat::Ova, path, None);
    target.ova = Some(Box::new(spec));
    target
}

/// Unpacks an archive with tar and checks its manifest with sha256sum; returns the names in their order.
fn unpacked(ova: &Path, to: &Path) -> Vec<String> {
    fs::create_dir_all(to).unwrap();
    let names = run("tar", &["-C", text(to), "-xvf", text(ova)]);
    let names: Vec<String> = names.lines().map(str::to_owned).collect();
    let manifest = fs::read_to_string(to.join(&names[1])).unwrap();
    let sums: String = manifest
        .lines()
        .map(|line| {
            let (name, hex) = line.strip_prefix("SHA256(").unwrap().split_once(")= ").unwrap();
            format!("{hex}  {name}\n")
        })
        .collect();
    fs::write(to.join("sums"), sums).unwrap();
    run("sh", &["-c", &format!("cd {} && sha256sum --strict -c sums", text(to))]);
    names
}

/// An expression over the description, with `ns()` for names of its own namespace.
fn python_ovf(ovf: &Path, expression: &str) -> String {
    let program = format!(
        "import sys, xml.etree.ElementTree as E\n\
         ovf = '{{http://schemas.dmtf.org/ovf/envelope/1}}'\n\
         rasd = '{{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}}'\n\
         vmw = '{{http://www.vmware.com/schema/ovf}}'\n\
         root = E.parse(sys.argv[1]).getroot()\n\
         config = {{e.get(vmw+'key'): e.get(vmw+'value') for e in root.iter(vmw+'Config')}}\n\
         print({expression})"
    );
    run("python3", &["-c", &program, text(ovf)]).trim_end().to_owned()
}

#[test]
fn an_ova_is_what_its_peers_want() {
    let dir = folder();
    let source = mixed(&dir.path().join("source.raw"));
    let data = dir.path().join("data.vmdk");
    let second = raw(&dir.path().join("data.raw"), 5 * MIB, &[(MIB, prose(8, 100_000))]);
    try_convert(&*opened(&second), &[target(OutputFormat::Vmdk, &data, None)], 2).unwrap();
    let path = dir.path().join("out.ova");
    let mut spec = full("debian 12/node");
    spec.disks = vec![ExtraDisk::Empty { bytes: 20 << 30 }, ExtraDisk::Vmdk(data.clone())];
    let converted = try_convert(&*opened(&source), &[ova_target(&path, spec)], 2).unwrap();
    run("sh", &["-c", &format!("cd {} && sha256sum --strict -c out.ova.sha256", text(dir.path()))]);
    assert_eq!(converted.outputs[0].file_bytes, fs::metadata(&path).unwrap().len());

    let to = dir.path().join("unpacked");
    let names = unpacked(&path, &to);
    let stem = "debian-12-node";
    assert_eq!(
        names,
        [".ovf", ".mf", "-disk1.vmdk", "-disk3.vmdk"].map(|end| format!("{stem}{end}")),
        "the order that importers need"
    );
    // ustar and nothing else.
    let bytes = fs::read(&path).unwrap();
    assert_eq!(&bytes[257..265], b"ustar\x0000");
    let disk = to.join(&names[2]);
    let compared = run("qemu-img", &["compare", "-f", "raw", "-F", "vmdk", text(&source), text(&disk)]);
    assert!(compared.contains("identical"), "{compared}");
    run("cmp", &[text(&data), text(&to.join(&names[3]))]);

    let ovf = to.join(&names[0]);
    let facts = python_ovf(
        &ovf,
        "[(f.get(ovf+'href'), int(f.get(ovf+'size'))) for f in root.iter(ovf+'File')], \
         [(d.get(ovf+'capacity'), d.get(ovf+'capacityAllocationUnits'), d.get(ovf+'populatedSize')) \
         for d in root.iter(ovf+'Disk')]",
    );
    let len = |name: &str| fs::metadata(to.join(name)).unwrap().len();
    // 64 KiB grains with any data in them: 5, 33, 16, 2, 80, 32 and 2.
    let populated = (5 + 33 + 16 + 1 + 80 + 32 + 2) * 65536;
    assert_eq!(
        facts,
        format!(
            "[('{}', {}), ('{}', {})] [('{}', 'byte', '{populated}'), ('20480', 'byte * 2^20', None), \
             ('5', 'byte * 2^20', '131072')]",
            names[2],
            len(&names[2]),
            names[3],
            len(&names[3]),
            80 * MIB + 70 * 1024
        )
    );
    for (expression, expected) in [
        ("root.find('.//'+ovf+'Annotation').text", "first line\nsecond <line> & ]]>"),
        ("repr(root.find('.//'+ovf+'License').text)", "'You may.\\r\\nOr not.'"),
        ("root.find('.//'+ovf+'Vendor').text", "Müller & Söhne"),
        ("config['firmware'], config['bootOptions.efiSecureBootEnabled']", "efi true"),
        ("repr([p.get(ovf+'value') for p in root.iter(ovf+'Property')])", "['v1.31.4', 'node\\t\"1\"']"),
        ("root.find('.//'+ovf+'VirtualHardwareSection').get(ovf+'transport')", "com.vmware.guestInfo"),
        ("[s.get(vmw+'osType') for s in root.iter(ovf+'OperatingSystemSection')]", "['debian12_64Guest']"),
        ("[n.get(ovf+'name') for n in root.iter(ovf+'Network')]", "['nic0', 'storage & <backup>']"),
        ("next(root.iter(ovf+'VirtualSystem')).find(ovf+'Name').text", "debian 12/node"),
        // The schema's order within items is that of the alphabet.
        (
            "all([e.tag for e in i if e.tag.startswith(rasd)] == sorted(e.tag for e in i if e.tag.startswith(rasd)) \
             for i in root.iter(ovf+'Item'))",
            "True",
        ),
        // What boots is the first disk.
        (
            "[i.find(rasd+'ElementName').text for i in root.iter(ovf+'Item') if i.find(rasd+'InstanceID').text == \
             root.find('.//'+vmw+'BootOrderSection').get(vmw+'instanceId')]",
            "['Hard disk 1']",
        ),
    ] {
        assert_eq!(python_ovf(&ovf, expression), expected, "{expression}");
    }
}

#[test]
fn cot_reads_an_ova_and_finds_its_machine() {
    let dir = folder();
    let source = mixed(&dir.path().join("source.raw"));
    let path = dir.path().join("node.ova");
    let spec = full("node");
    try_convert(&*opened(&source), &[ova_target(&path, spec)], 2).unwrap();
    let info = run(&peer("cot"), &["info", "-v", text(&path)]);
    for word in
        ["node-disk1.vmdk", "vmx-20", "Debian 12 \"golden\"", "storage & <backup>", "KUBERNETES_SEMVER"]
    {
        assert!(info.contains(word), "{word} is missing in:\n{info}");
    }
}

#[test]
fn an_ova_reads_back_as_its_disks() {
    let dir = folder();
    let source = mixed(&dir.path().join("source.raw"));
    let path = dir.path().join("plain machine.ova");
    try_convert(&*opened(&source), &[target(OutputFormat::Ova, &path, Some(1))], 2).unwrap();
    assert_eq!(detect(&path).unwrap(), Detected::Image(Format::Ova));
    let disk = opened(&path);
    assert!(content(&*disk) == content(&*opened(&source)));
    assert_eq!(disk.files(), [path.clone()]);
    let ova = Ova::open_path(&path).unwrap();
    assert_eq!(ova.name(), Some("plain machine"));
    assert_eq!(ova.disks()[0].virtual_bytes, Some(disk.size()));
    let mut last = Progress { done: 0, total: 0 };
    let seen = std::cell::Cell::new(last);
    assert!(ova.check_manifest(&|progress| seen.set(progress), &|| false).unwrap());
    last = seen.get();
    assert!(last.done == last.total && last.total > 0);
    let cancelled = ova.check_manifest(&|_| {}, &|| true).unwrap_err();
    assert_eq!(cancelled.kind(), DiskErrorKind::Cancelled);
}

#[test]
fn one_disk_of_several_must_be_chosen() {
    let dir = folder();
    let data = dir.path().join("data.vmdk");
    let second = raw(&dir.path().join("data.raw"), 5 * MIB, &[(MIB, prose(8, 100_000))]);
    try_convert(&*opened(&second), &[target(OutputFormat::Vmdk, &data, None)], 2).unwrap();
    let mut spec = OvaSpec::new("two");
    spec.disks = vec![ExtraDisk::Vmdk(data)];
    let path = dir.path().join("two.ova");
    let first = raw(&dir.path().join("first.raw"), MIB, &[(0, prose(1, 4096))]);
    try_convert(&*opened(&first), &[ova_target(&path, spec)], 2).unwrap();
    let with = |disk| open(&path, None, &OpenOptions { disk, ..OpenOptions::default() });
    assert_eq!(with(Some(1)).unwrap().size(), MIB);
    assert!(content(&*with(Some(2)).unwrap()) == content(&*opened(&second)));
    for (disk, word) in [(None, "must be chosen"), (Some(0), "no disk 0"), (Some(3), "no disk 3")] {
        let error = with(disk).unwrap_err();
        assert_eq!(error.kind(), DiskErrorKind::Unsupported);
        assert!(error.to_string().contains(word) && error.to_string().contains("two-disk2.vmdk"), "{error}");
    }
}

#[test]
fn archives_of_other_makers_are_read() {
    let dir = folder();
    let source = raw(&dir.path().join("source.raw"), 3 * MIB, &[(MIB, prose(1, MIB as usize))]);
    let sub = dir.path().join("theirs");
    fs::create_dir(&sub).unwrap();
    let long = format!("{}-disk1.vmdk", "very-long-name-".repeat(12));
    run(
        "qemu-img",
        &[
            "convert",
            "-f",
            "raw",
            "-O",
            "vmdk",
            "-o",
            "subformat=streamOptimized",
            text(&source),
            text(&sub.join(&long)),
        ],
    );
    let ovf = format!(
        "<Envelope xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1'><References><File ovf:id='f' ovf:href='{long}'/>\
         </References><DiskSection><Disk ovf:diskId='d' ovf:fileRef='f' ovf:capacity='3145728'/></DiskSection></Envelope>"
    );
    fs::write(sub.join("x.ovf"), ovf).unwrap();
    let sums = format!(
        "cd {} && for f in x.ovf {long}; do printf 'SHA1(%s)= %s\\n' $f $(sha1sum $f | cut -d' ' -f1); done > x.mf",
        text(&sub)
    );
    run("sh", &["-c", &sums]);
    for kind in ["gnu", "pax", "ustar"] {
        let path = dir.path().join(format!("{kind}.ova"));
        let mut names = vec!["./x.ovf", "x.mf", long.as_str()];
        if kind == "ustar" {
            // Its names end at 100 bytes, unless a folder is split off.
            fs::rename(sub.join(&long), sub.join("d.vmdk")).unwrap();
            let shorter = fs::read_to_string(sub.join("x.ovf")).unwrap().replace(&long, "d.vmdk");
            fs::write(sub.join("x.ovf"), shorter).unwrap();
            names = vec!["x.ovf", "d.vmdk"];
        }
        let mut args = vec!["-C", text(&sub), "--format", kind, "-cf", text(&path)];
        args.extend(&names);
        run("tar", &args);
        assert!(content(&*opened(&path)) == content(&*opened(&source)), "{kind}");
        let ova = Ova::open_path(&path).unwrap();
        assert_eq!(ova.check_manifest(&|_| {}, &|| false).unwrap(), kind != "ustar");
    }
}

#[test]
fn a_changed_archive_does_not_match_its_manifest() {
    let dir = folder();
    let source = raw(&dir.path().join("source.raw"), MIB, &[(0, prose(1, 65536))]);
    let path = dir.path().join("x.ova");
    try_convert(&*opened(&source), &[target(OutputFormat::Ova, &path, None)], 2).unwrap();
    let original = fs::read(&path).unwrap();
    let check = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Ova::open_path(&path).and_then(|ova| ova.check_manifest(&|_| {}, &|| false))
    };
    assert!(check(&original).unwrap());
    let find = |what: &[u8]| original.windows(what.len()).position(|window| window == what).unwrap();
    for (at, word) in [
        (find(b"VM Network"), "x.ovf` does not have"),
        (find(b"KDMV") + 66_000, "x-disk1.vmdk` does not have"),
        (find(b"SHA256(x.ovf)") + 30, "x.ovf` does not have"),
        (find(b"SHA256(x.ovf)"), "understand the manifest"),
        (find(b"x.mf"), "checksum"),
    ] {
        let mut broken = original.clone();
        broken[at] ^= 1;
        let error = check(&broken).unwrap_err();
        assert_eq!(error.kind(), DiskErrorKind::Corrupt);
        assert!(error.to_string().contains(word), "{error}");
    }
    for len in (0..original.len() - 1024).step_by(3333) {
        let error = check(&original[..len]).unwrap_err();
        assert!(
            matches!(error.kind(), DiskErrorKind::Corrupt | DiskErrorKind::Unsupported),
            "{len}: {error}"
        );
    }
}

#[test]
fn files_beyond_8_gib_have_lengths_that_tar_and_python_read() {
    let dir = folder();
    let path = dir.path().join("x.tar");
    let len: u64 = (9 << 30) + 5;
    let file = File::create(&path).unwrap();
    file.write_all_at(&crate::disk::ova::tar::header("a.ovf", 3).unwrap(), 0).unwrap();
    file.write_all_at(&crate::disk::ova::tar::header("big.vmdk", len).unwrap(), 1024).unwrap();
    file.set_len(1024 + 512 + len.next_multiple_of(512) + 1024).unwrap();
    let listed = run("tar", &["-tvf", text(&path)]);
    assert!(listed.contains(&format!("{len} 1980-01-01")), "{listed}");
    let python = "import sys,tarfile; print([(m.name, m.size) for m in tarfile.open(sys.argv[1])])";
    let listed = run("python3", &["-c", python, text(&path)]);
    assert_eq!(listed.trim(), format!("[('a.ovf', 3), ('big.vmdk', {len})]"));
    let section = crate::disk::section::Section::whole(File::open(&path).unwrap(), &path).unwrap();
    let members = crate::disk::ova::tar::members(&section).unwrap();
    assert_eq!((members[1].start, members[1].len), (1536, len));
}

#[test]
fn descriptions_that_no_machine_fits_are_refused() {
    let dir = folder();
    let disk = opened(&raw(&dir.path().join("source.raw"), MIB, &[]));
    let path = dir.path().join("x.ova");
    let changes: [(&str, fn(&mut OvaSpec)); 10] = [
        ("no name", |spec| spec.name.clear()),
        ("0 processors", |spec| spec.cpus = 0),
        ("memory counts", |spec| spec.memory_bytes += 1),
        ("vmx-3", |spec| spec.hardware_version = 3),
        ("secure boot", |spec| spec.firmware = Firmware::Bios),
        ("property key", |spec| spec.properties[0].key = "a.b".to_owned()),
        ("property key", |spec| spec.properties[0].key = "hostname".to_owned()),
        ("XML", |spec| spec.annotation = Some("\u{1}".to_owned())),
        ("511 bytes", |spec| spec.disks = vec![ExtraDisk::Empty { bytes: 511 }]),
        ("more than", |spec| spec.disks = vec![ExtraDisk::Empty { bytes: 512 }; 15]),
    ];
    for (word, change) in changes {
        let mut spec = full("x");
        change(&mut spec);
        let error = try_convert(&*disk, &[ova_target(&path, spec)], 1).unwrap_err();
        assert_eq!(error.kind(), DiskErrorKind::Unsupported);
        assert!(error.to_string().contains(word), "{error}");
    }
    let mut spec = full("x");
    spec.disks = vec![ExtraDisk::Vmdk(dir.path().join("source.raw"))];
    assert_eq!(
        try_convert(&*disk, &[ova_target(&path, spec)], 1).unwrap_err().kind(),
        DiskErrorKind::Corrupt
    );
    assert_eq!(names(dir.path()), ["source.raw"]);
}

#[test]
fn odd_archives_are_named() {
    let dir = folder();
    let path = dir.path().join("x.ova");
    let sub = dir.path().join("sub");
    fs::create_dir(&sub).unwrap();
    raw(&sub.join("d.vmdk"), MIB, &[]);
    let disk = |attributes: &str| {
        format!(
            "<E><File id='f' href='d.vmdk' {attributes}/><Disk fileRef='f' capacity='1'/>\
             <VirtualSystem id='x'/></E>"
        )
    };
    for (ovf, kind, word) in [
        ("<E/>".to_owned(), DiskErrorKind::Unsupported, "no disk"),
        ("<E".to_owned(), DiskErrorKind::Corrupt, "understand"),
        (disk("compression='gzip'"), DiskErrorKind::Unsupported, "gzip"),
        (disk("chunkSize='5'"), DiskErrorKind::Unsupported, "several files"),
        (disk("size='5'"), DiskErrorKind::Corrupt, "1048576 bytes in the archive, and 5"),
        (disk(""), DiskErrorKind::Unsupported, "no sparse VMDK"),
        (disk("").replace("d.vmdk", "gone.vmdk"), DiskErrorKind::Corrupt, "not in the archive"),
    ] {
        fs::write(sub.join("x.ovf"), ovf).unwrap();
        run("tar", &["-C", text(&sub), "--format=ustar", "-cf", text(&path), "x.ovf", "d.vmdk"]);
        let error = open(&path, None, &OpenOptions::default()).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
    run("tar", &["-C", text(&sub), "-cf", text(&path), "d.vmdk"]);
    let error = open(&path, None, &OpenOptions::default()).unwrap_err();
    assert!(error.to_string().contains("no OVA"), "{error}");
}
