//! `goldsmith publish vsphere --library` and `goldsmith vsphere capture|deploy|download|ls` against the simulator: what arrives is what
//! was sent. Trouble on the way is in `library_faults`.
use super::{
    bench::{Bench, result, said},
    checks::assert_requests_valid,
    libraries::{self, LIBRARY},
    vcsim::Vcsim,
};
use goldsmith::{
    disk::ova::Ova,
    vsphere::{Library, Moref, machine::Machine},
};
use serde_json::{Value, json};
use std::process::Output;
use test_case::test_case;

/// A vCenter with an empty library, and the binary.
pub(super) struct Shelf {
    pub(super) bench: Bench,
    pub(super) there: libraries::Bench,
    pub(super) library: Library,
}

impl Shelf {
    pub(super) async fn start(api: bool, flags: &[&str]) -> Self {
        let there = libraries::Bench::start(api, flags).await;
        let library = there.library().await;
        Self { bench: Bench::new(), there, library }
    }

    pub(super) fn vcsim(&self) -> &Vcsim {
        &self.there.vcsim
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.bench.command(self.vcsim(), arguments).output().unwrap()
    }

    /// `goldsmith publish vsphere IMAGE --library … --json`
    pub(super) fn publish(&self, image: &str, more: &[&str]) -> Output {
        let mut all = vec!["publish", "vsphere", image, "--library", LIBRARY, "--json"];
        all.extend(more);
        self.run(&all)
    }

    /// `goldsmith vsphere WHAT … --json`
    pub(super) fn vsphere(&self, arguments: &[&str]) -> Output {
        let mut all = vec!["vsphere", "--json"];
        all.extend(arguments);
        self.run(&all)
    }

    pub(super) async fn items(&self) -> Vec<String> {
        self.there.vcenter.library_items(&self.library).await.unwrap()
    }

    /// The bytes of an item's file, as the server has them.
    pub(super) fn stored(&self, made: &Value, name: &str) -> Vec<u8> {
        std::fs::read(self.there.stored(&self.library, made["id"].as_str().unwrap(), name)).unwrap()
    }

    pub(super) async fn description(&self, name: &str) -> String {
        self.there.vcenter.library_item(&self.library, name).await.unwrap().unwrap().description
    }
}

/// A failure that says these words, and left no journal.
pub(super) fn refused(shelf: &Shelf, output: &Output, code: i32, words: &[&str]) {
    let text = said(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    // Lines are broken anywhere between words.
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(flat.contains(word), "`{word}` is not said: {text}");
    }
    assert_eq!(shelf.bench.journals(), 0, "{text}");
}

#[test_case(false; "in the older form of REST")]
#[test_case(true; "in the newer form of REST")]
#[tokio::test(flavor = "multi_thread")]
async fn an_ova_goes_into_a_library_becomes_a_template_and_comes_back(api: bool) {
    let shelf = Shelf::start(api, &[]).await;
    let ova = shelf.bench.ova("node", 24);
    let made = result(&shelf.publish("node.ova", &["--description", "For Kubernetes"]));
    assert_eq!(
        (&made["event"], &made["library"], &made["item"]),
        (&json!("published"), &json!(LIBRARY), &json!("node"))
    );
    assert_eq!((&made["type"], &made["new-version"]), (&json!("ovf"), &json!(false)));
    assert_eq!(
        (&made["files"], &made["digests-compared"]),
        (&json!(["node-disk1.vmdk", "node.ovf"]), &json!(2))
    );
    let (disk, text) = (shelf.bench.member(&ova), Ova::open_path(&ova).unwrap().descriptor().to_owned());
    assert!(shelf.stored(&made, "node-disk1.vmdk") == disk, "the disk that arrived is that of the archive");
    assert_eq!(shelf.stored(&made, "node.ovf"), text.as_bytes());
    assert_eq!(made["bytes"], json!(disk.len() + text.len()));
    let notes = shelf.description("node").await;
    assert!(notes.starts_with("For Kubernetes\npublished by goldsmith"), "{notes}");
    assert!(!notes.contains("goldsmith-build"), "nobody takes it for a leftover: {notes}");

    // A machine of it, with all that a publish gives.
    let item = format!("{LIBRARY}/node");
    let deploy = |more: &[&str]| {
        let mut all = vec!["deploy", item.as_str(), "--name", "node-1", "--cluster", "DC0_C0"];
        all.extend(more);
        shelf.vsphere(&all)
    };
    let more = [
        "--folder",
        "images",
        "--template",
        "--snapshot=golden",
        "--tag",
        "os:os:ubuntu",
        "--attribute",
        "owner=platform",
    ];
    let deployed = result(&deploy(&more));
    assert_eq!(
        (&deployed["event"], &deployed["path"]),
        (&json!("deployed"), &json!("/DC0/vm/images/node-1"))
    );
    assert_eq!((&deployed["template"], &deployed["replaced"]), (&json!(true), &json!(false)));
    let vcenter = &shelf.there.vcenter;
    let moref: Moref = deployed["machine"].as_str().unwrap().parse().unwrap();
    let machine = Machine::new(vcenter, moref.clone(), "x");
    assert!(machine.is_template().await.unwrap());
    let snapshot: Moref = deployed["snapshot"].as_str().unwrap().parse().unwrap();
    assert_eq!(machine.current_snapshot().await.unwrap(), Some(snapshot));
    let notes = machine.annotation().await.unwrap();
    assert!(
        notes.contains(&format!("published by goldsmith {} from {item}", env!("CARGO_PKG_VERSION"))),
        "{notes}"
    );
    assert!(!notes.contains("goldsmith-build"), "{notes}");
    let tags: Vec<String> = vcenter.tags_of(&moref).await.unwrap().into_iter().map(|tag| tag.name).collect();
    assert_eq!(tags, ["os:ubuntu"]);
    refused(
        &shelf,
        &deploy(&["--folder", "images"]),
        1,
        &["could not make `/DC0/vm/images/node-1`", "--replace"],
    );
    let again = result(&deploy(&["--folder", "images", "--replace"]));
    assert_eq!(
        (&again["replaced"], &again["path"], &again["template"]),
        (&json!(true), &deployed["path"], &json!(false))
    );
    assert_ne!(again["machine"], deployed["machine"]);
    let there = vcenter.at_path("/DC0/vm/images/node-1").await.unwrap().unwrap();
    assert_eq!(there.to_string(), again["machine"].as_str().unwrap());

    // Its files, and an OVA of them.
    let fetched = result(&shelf.vsphere(&["download", &item, "-o", "back.ova"]));
    assert_eq!((&fetched["event"], &fetched["digests-compared"]), (&json!("downloaded"), &json!(2)));
    let back = shelf.bench.path("back.ova");
    assert!(shelf.bench.member(&back) == disk, "the disk that came back is the one that was sent");
    let opened = Ova::open_path(&back).unwrap();
    assert_eq!(opened.descriptor(), text);
    assert!(opened.check_manifest(&|_| {}, &|| false).unwrap());
    let sum = std::fs::read_to_string(shelf.bench.path("back.ova.sha256")).unwrap();
    assert!(sum.starts_with(fetched["sha256"].as_str().unwrap()), "{sum}");
    let fetched = result(&shelf.vsphere(&["download", &item, "-o", "files"]));
    assert_eq!((fetched["files"].as_array().unwrap().len(), &fetched["bytes"]), (2, &made["bytes"]));
    assert!(std::fs::read(shelf.bench.path("files/node-disk1.vmdk")).unwrap() == disk);
    let hidden = std::fs::read_dir(shelf.bench.path(".")).unwrap().map(|entry| entry.unwrap().file_name());
    let hidden: Vec<_> = hidden.filter(|name| name.to_string_lossy().ends_with(".partial")).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
    assert_eq!(shelf.bench.journals(), 0);
    assert_requests_valid(shelf.vcsim());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_gets_a_new_version_only_when_that_is_asked_for() {
    for api in [false, true] {
        let shelf = Shelf::start(api, &[]).await;
        shelf.bench.ova("node", 8);
        let first = result(&shelf.publish("node.ova", &["--new-version", "--description", "The first"]));
        assert_eq!(first["new-version"], json!(false), "there was none");
        let puts = || shelf.vcsim().trace().iter().filter(|one| one.method == "PUT").count();
        let before = puts();
        let words = [
            "could not make the item `node` in the content library `golden images`",
            "there is one of this name",
            "--new-version",
        ];
        refused(&shelf, &shelf.publish("node.ova", &[]), 1, &words);
        assert_eq!(puts(), before, "it is told before anything is sent");

        let newer = shelf.bench.ova("newer", 12);
        let second = result(&shelf.publish("newer.ova", &["--name", "node", "--new-version"]));
        assert_eq!((&second["new-version"], &second["id"]), (&json!(true), &first["id"]));
        let number = |made: &Value| made["version"].as_str().unwrap().parse::<u64>().unwrap();
        assert!(number(&second) > number(&first), "{first} {second}");
        assert_eq!(second["files"], json!(["newer-disk1.vmdk", "newer.ovf"]), "those of before are gone");
        assert!(shelf.stored(&second, "newer-disk1.vmdk") == shelf.bench.member(&newer));
        assert!(shelf.description("node").await.starts_with("The first\n"), "it keeps its description");
        result(
            &shelf.publish("newer.ova", &["--name", "node", "--new-version", "--description", "The third"]),
        );
        assert!(shelf.description("node").await.starts_with("The third\n"));
        assert_eq!(shelf.items().await, ["node"]);
        assert_requests_valid(shelf.vcsim());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_goes_into_a_library_and_out_of_it() {
    for api in [false, true] {
        let shelf = Shelf::start(api, &[]).await;
        let ova = shelf.bench.ova("web", 24);
        result(&shelf.bench.publish(shelf.vcsim(), "web.ova", &["--json"]));
        let capture = |more: &[&str]| {
            let mut all = vec!["capture", "web", "--library", LIBRARY];
            all.extend(more);
            shelf.vsphere(&all)
        };
        let made = result(&capture(&[]));
        assert_eq!((&made["event"], &made["machine"]), (&json!("captured"), &json!("/DC0/vm/web")));
        assert_eq!(
            (&made["item"], &made["type"], &made["new-version"]),
            (&json!("web"), &json!("ovf"), &json!(false))
        );
        assert!(!shelf.description("web").await.contains("goldsmith-build"));
        refused(&shelf, &capture(&[]), 1, &["there is one of this name", "--new-version"]);
        let again = result(&capture(&["--new-version"]));
        assert_eq!((&again["id"], &again["new-version"]), (&made["id"], &json!(true)));
        assert!(!shelf.description("web").await.contains("goldsmith-build"));
        let template = result(&capture(&["--as", "template", "--name", "web-t", "--folder", "templates"]));
        assert_eq!((&template["type"], &template["item"]), (&json!("vm-template"), &json!("web-t")));
        assert!(!shelf.description("web-t").await.contains("goldsmith-build"));
        assert_eq!(shelf.items().await, ["web", "web-t"]);

        // The disk that is exported of what was deployed is the one that was published.
        for item in ["web", "web-t"] {
            let (name, item) = (format!("of-{item}"), format!("{LIBRARY}/{item}"));
            let deploy = ["deploy", &item, "--name", &name, "--cluster", "DC0_C0", "--network", "VM Network"];
            let deployed = result(&shelf.vsphere(&deploy));
            assert_eq!(deployed["path"], json!(format!("/DC0/vm/{name}")));
        }
        let output = shelf.vsphere(&["export", "of-web", "-o", "of-web.ova"]);
        assert!(output.status.success(), "{}", said(&output));
        assert!(shelf.bench.member(&shelf.bench.path("of-web.ova")) == shelf.bench.member(&ova));

        let template = format!("{LIBRARY}/web-t");
        refused(
            &shelf,
            &shelf.vsphere(&["download", &template, "-o", "x.ova"]),
            2,
            &["it is a template", "vsphere deploy"],
        );
        let deploy = |more: &[&str]| {
            let mut all = vec!["deploy", template.as_str(), "--name", "y", "--cluster", "DC0_C0"];
            all.extend(more);
            shelf.vsphere(&all)
        };
        refused(&shelf, &deploy(&["--thick"]), 2, &["how its disks take space is the template's"]);
        refused(
            &shelf,
            &deploy(&["--network", "a=VM Network"]),
            2,
            &["the networks of a template have no names"],
        );
        assert_requests_valid(shelf.vcsim());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn libraries_and_items_are_listed_for_people_and_for_scripts() {
    let shelf = Shelf::start(true, &[]).await;
    shelf.bench.ova("node", 8);
    let empty = shelf.run(&["vsphere", "ls", LIBRARY]);
    assert!(empty.status.success() && said(&empty).contains("has no items"), "{}", said(&empty));
    let made = result(&shelf.publish("node.ova", &[]));
    let text = |arguments: &[&str]| {
        let output = shelf.run(arguments);
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let json = |arguments: &[&str]| serde_json::from_str::<Value>(&text(arguments)).unwrap();
    assert_eq!(text(&["vsphere", "ls"]), format!("items  type   library\n    1  local  {LIBRARY}\n"));
    let listed = json(&["vsphere", "ls", "--json"]);
    assert_eq!(listed["libraries"][0]["id"], json!(shelf.library.id));
    assert_eq!(listed["libraries"][0]["items"], json!(1));
    let items = text(&["vsphere", "ls", LIBRARY]);
    assert!(items.lines().next().unwrap().contains("version") && items.ends_with("ovf   node\n"), "{items}");
    let listed = json(&["vsphere", "ls", LIBRARY, "--json"]);
    assert_eq!((&listed["items"][0]["name"], &listed["items"][0]["id"]), (&json!("node"), &made["id"]));
    assert_eq!(listed["items"][0]["version"], made["version"]);

    let people = shelf.run(&["publish", "vsphere", "node.ova", "--library", LIBRARY, "--name", "two"]);
    assert_eq!(String::from_utf8_lossy(&people.stdout), format!("{LIBRARY}/two\n"));
    let told = String::from_utf8_lossy(&people.stderr).into_owned();
    assert!(told.contains("stage upload") && told.contains("2 of 2 digests compared"), "{told}");
    assert_requests_valid(shelf.vcsim());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_before_anything_is_made() {
    let shelf = Shelf::start(false, &["-vm", "1"]).await;
    shelf.bench.ova("node", 8);
    let (item, none) = (format!("{LIBRARY}/node"), format!("{LIBRARY}/none"));
    result(&shelf.publish("node.ova", &[]));
    std::fs::create_dir(shelf.bench.path("full")).unwrap();
    std::fs::write(shelf.bench.path("full/a"), "a").unwrap();
    for (arguments, code, words) in [
        (
            &["publish", "vsphere", "node.ova", "--library", "nowhere"][..],
            1,
            &["could not find the content library `nowhere`", LIBRARY, "goldsmith vsphere ls"][..],
        ),
        (&["publish", "vsphere", "node.ova", "--library", LIBRARY, "--template"], 2, &["--template"]),
        (&["publish", "vsphere", "node.ova", "--library", LIBRARY, "--folder", "x"], 2, &["--folder"]),
        (&["publish", "vsphere", "node.ova", "--library", LIBRARY, "--thin"], 2, &["--thin"]),
        (&["publish", "vsphere", "node.ova", "--new-version"], 2, &["--library"]),
        (&["vsphere", "deploy", "node", "--name", "x"], 2, &["LIBRARY/ITEM", "goldsmith vsphere ls"]),
        (
            &["vsphere", "deploy", &none, "--name", "x", "--cluster", "DC0_C0"],
            1,
            &["could not find the item `none`", "it has: node", "goldsmith vsphere ls 'golden images'"],
        ),
        (
            &["vsphere", "deploy", &item, "--name", "a/b", "--cluster", "DC0_C0"],
            2,
            &["would be written in another way"],
        ),
        (
            &[
                "vsphere",
                "deploy",
                &item,
                "--name",
                "x",
                "--cluster",
                "DC0_C0",
                "--network",
                "nic7=VM Network",
            ],
            2,
            &["map the network `nic7`"],
        ),
        (
            &["vsphere", "capture", "DC0_C0_RP0_VM0", "--library", LIBRARY],
            2,
            &["it is not off", "shut it down"],
        ),
        (&["vsphere", "capture", "none", "--library", LIBRARY], 1, &["`none`"]),
        (&["vsphere", "capture", "x", "--library", LIBRARY, "--folder", "y"], 2, &["about templates"]),
        (
            &["vsphere", "capture", "x", "--library", LIBRARY, "--as", "template", "--new-version"],
            2,
            &["cannot be replaced"],
        ),
        (&["vsphere", "download", &none, "-o", "x.ova"], 1, &["could not find the item `none`"]),
        (&["vsphere", "download", &item, "-o", "full"], 2, &["is not empty"]),
        (&["vsphere", "download", &item, "-o", "nowhere/x"], 2, &["there is no folder"]),
        (&["vsphere", "ls", "nowhere"], 1, &["there are: golden images"]),
    ] {
        refused(&shelf, &shelf.run(arguments), code, words);
    }
    assert_eq!(shelf.items().await, ["node"]);
    assert_eq!(shelf.there.calls("POST", "vcenter/ovf/library-item?~action=deploy"), 0);
    assert_requests_valid(shelf.vcsim());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscribed_library_takes_nothing() {
    let shelf = Shelf::start(true, &[]).await;
    shelf.bench.ova("node", 8);
    let told = json!({ "id": shelf.library.id, "name": LIBRARY, "type": "SUBSCRIBED" });
    let path = format!("content/library/{}", shelf.library.id);
    shelf.there.trouble("GET", &path, json!({ "status": 200, "body": told.to_string() }));
    let output = shelf.publish("node.ova", &[]);
    refused(&shelf, &output, 2, &["`golden images` is subscribed to another library", "or a local one"]);
    assert_eq!(shelf.items().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_package_says_of_networks_notes_and_licences_counts() {
    for api in [false, true] {
        let shelf = Shelf::start(api, &[]).await;
        shelf.bench.ova("node", 8);
        let made = result(&shelf.publish("node.ova", &[]));
        // The simulator does not read packages.
        let says = |networks: &[&str], licences: &[&str]| {
            let summary = json!({ "name": "node", "annotation": "Linux\npublished by goldsmith 0 from x.ova",
                "EULAs": licences, "networks": networks });
            let body = if api { summary } else { json!({ "value": summary }) };
            let path = format!(
                "vcenter/ovf/library-item/{}{}",
                if api { "" } else { "id:" },
                made["id"].as_str().unwrap()
            );
            shelf.vcsim().forget_faults();
            shelf.there.trouble(
                "POST",
                &path,
                json!({ "status": 200, "body": body.to_string(), "times": 2 }),
            );
        };
        let item = format!("{LIBRARY}/node");
        let deploy = |name: &str, more: &[&str]| {
            let mut all = vec!["deploy", item.as_str(), "--name", name, "--cluster", "DC0_C0"];
            all.extend(more);
            shelf.vsphere(&all)
        };
        says(&["front", "VM Network"], &[]);
        refused(&shelf, &deploy("a", &[]), 1, &["network `front`", "--network NAME"]);
        says(&["front", "VM Network"], &[]);
        refused(&shelf, &deploy("a", &["--network", "nowhere"]), 1, &["find the network `nowhere`"]);
        says(&["front", "VM Network"], &[]);
        refused(&shelf, &deploy("a", &["--network", "back=DC0_DVPG0"]), 2, &["names `front`, `VM Network`"]);
        says(&["front", "VM Network"], &[]);
        result(&deploy("a", &["--network", "front=DC0_DVPG0", "--thick"]));
        shelf.there.settled().await;
        let sent = shelf.vcsim().trace().into_iter().rfind(|one| one.path.contains("action=deploy")).unwrap();
        let spec = serde_json::from_str::<Value>(&sent.body).unwrap()["deployment_spec"].clone();
        assert_eq!(spec["storage_provisioning"], json!("thick"));
        let mapped = spec["network_mappings"].to_string();
        assert!(
            mapped.contains("front") && mapped.contains("dvportgroup-") && mapped.contains("VM Network"),
            "{mapped}"
        );
        let notes = spec["annotation"].as_str().unwrap();
        let lines: Vec<&str> = notes.lines().take(2).collect();
        assert_eq!(lines[0], "Linux");
        assert!(lines[1].starts_with("published by goldsmith") && lines[1].ends_with(&item), "{notes}");

        says(&[], &["Pay."]);
        refused(&shelf, &deploy("b", &[]), 2, &["a licence that has to be accepted", "--accept-licences"]);
        says(&[], &["Pay."]);
        result(&deploy("b", &["--accept-licences"]));
        assert_requests_valid(shelf.vcsim());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_with_two_disks_or_without_a_manifest_go_too() {
    let shelf = Shelf::start(true, &[]).await;
    let two = shelf.bench.two("pair", 24, 12);
    let made = result(&shelf.publish("pair.ova", &[]));
    assert_eq!(made["files"], json!(["pair-disk1.vmdk", "pair-disk2.vmdk", "pair.ovf"]));
    // An empty folder of the name gives way, and an OVA of the name is replaced.
    std::fs::create_dir(shelf.bench.path("files")).unwrap();
    std::fs::write(shelf.bench.path("back.ova"), "old").unwrap();
    for to in ["files", "back.ova"] {
        let fetched = result(&shelf.vsphere(&["download", &format!("{LIBRARY}/pair"), "-o", to]));
        assert_eq!(fetched["digests-compared"], json!(3));
    }
    for number in [1, 2] {
        let disk = shelf.bench.member_of(&two, Some(number));
        assert!(shelf.bench.member_of(&shelf.bench.path("back.ova"), Some(number)) == disk, "disk {number}");
        assert!(std::fs::read(shelf.bench.path(&format!("files/pair-disk{number}.vmdk"))).unwrap() == disk);
    }
    let tar = std::process::Command::new("tar")
        .args(["--format=ustar", "-cf", "../plain.ova", "pair.ovf", "pair-disk1.vmdk", "pair-disk2.vmdk"])
        .current_dir(shelf.bench.path("files"))
        .status()
        .unwrap();
    assert!(tar.success());
    let plain = result(&shelf.publish("plain.ova", &[]));
    assert_eq!((&plain["bytes"], &plain["digests-compared"]), (&made["bytes"], &json!(3)));
    assert_requests_valid(shelf.vcsim());
}
