//! Media that are no good: said before any machine is made, and nothing is left.
use super::{broken::build, iso};
use crate::{
    kubernetes::server::Server,
    support::{Home, beside, tool},
    told::{Told, says},
};
use std::path::Path;

/// An ISO of `home/web` with the files of `files`, which are what a menu names or not.
fn medium(home: &Home, name: &str, files: &[(&str, &str)]) {
    let tree = home.root.join("web").join(name);
    for (path, text) in files {
        let path = tree.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text.repeat(1 << 16)).unwrap();
    }
    iso(&tree, "MEDIUM", &[]);
    std::fs::remove_dir_all(&tree).unwrap();
}

fn sha256(path: &Path) -> String {
    let sums = tool("sha256sum", &[path.to_str().unwrap()], Path::new("/"));
    sums.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn media_that_are_no_good_are_told_before_there_is_a_machine() {
    let _turn = beside();
    let home = Home::new("media");
    let web = home.root.join("web");
    let put = |name: &str, text: &str| std::fs::write(web.join(name), text).unwrap();
    // Nobody knows its menu, for it has none.
    medium(&home, "strange", &[("linux/kernel", "kernel"), ("readme", "start it yourself ")]);
    let whole = std::fs::read(web.join("strange.iso")).unwrap();
    std::fs::write(web.join("short.iso"), &whole[..whole.len() / 2]).unwrap();
    put("page.iso", "<!DOCTYPE html><html><body>Sign in to continue</body></html>");
    let right = sha256(&web.join("strange.iso"));
    let (wrong, other) = ("1".repeat(64), "2".repeat(64));
    put("right", &format!("{other}  another.iso\n{right} *strange.iso\n"));
    put("lacks", &format!("{other}  another.iso\n{wrong}  third.iso\n"));
    put("differs", &format!("{other}  another.iso\n{wrong}  strange.iso\n"));
    let server = Server::start(&web, &[]);
    let (local, url) = (web.display().to_string(), server.url());
    let by_path = |name: &str, more: &str| format!("path = \"{local}/{name}.iso\"\n{more}");
    let by_list = |list: &str| format!("url = \"{url}/strange.iso\"\nchecksums = \"{url}/{list}\"\n");
    let typed = "[[source.iso.type]]\nafter = \"1s\"\nkeys = \"<enter>\"\n";
    let sources = [
        (
            "short",
            by_path("short", "kernel = \"/linux/kernel\"\ninitrd = \"/readme\"\nmenu-arguments = false"),
        ),
        ("short-typed", by_path("short", typed)),
        ("page", by_path("page", "")),
        ("digest", by_path("strange", &format!("digest = \"sha256:{wrong}\""))),
        ("menu", by_path("strange", "")),
        (
            "kernel",
            by_path("strange", "kernel = \"/linux/vmlinuz\"\ninitrd = \"/readme\"\nmenu-arguments = false"),
        ),
        ("list-right", by_list("right")),
        ("list-lacks", by_list("lacks")),
        ("list-differs", by_list("differs")),
        ("list-gone", by_list("gone")),
    ];
    let definitions: Vec<_> = sources
        .iter()
        .map(|(name, source)| {
            let rest = "[guest]\nseed = \"credentials\"\n[[output]]\nformat = \"raw\"\n";
            home.definition(name, &format!("name = \"{name}\"\n[source.iso]\n{source}\n{rest}"))
        })
        .collect();
    let result = build(&home, &definitions);
    let told = |name: &str| {
        let told = Told::by(&result, name);
        println!("{name}: {}\n-- {}", told.chain, told.hints);
        assert!(!told.timeline.contains("▶ install"), "{}", told.timeline);
        assert!(!told.logs.join("serial-install.log").exists(), "{name} had a machine");
        told
    };
    for name in ["short", "short-typed"] {
        says(&told(name).chain, &["short.iso", "the ISO ends after ", "download it again"]);
    }
    says(&told("page").chain, &["page.iso", "as an ISO", "it is a web page"]);
    says(&told("digest").chain, &["strange.iso", &wrong, &right]);
    let menu = told("menu");
    says(&menu.chain, &["could not tell how the installer of the ISO `MEDIUM` is booted"]);
    says(&menu.hints, &["`kernel = ", "`menu-arguments = false`", "`[[source.iso.type]]`"]);
    says(&told("kernel").chain, &["could not find `/linux/vmlinuz` on the medium", "readme"]);
    // Its line was found and holds: what is wrong is another thing.
    says(&told("list-right").chain, &["is booted"]);
    let lacks = told("list-lacks");
    says(&lacks.chain, &["could not find the medium's digest in `", "/lacks", "`strange.iso`"]);
    says(&lacks.hints, &["another release"]);
    says(&told("list-differs").chain, &["strange.iso", &wrong, &right]);
    says(&told("list-gone").chain, &["/gone", "404"]);
    assert!(!home.root.join("cache/installed").exists(), "nothing was installed");
}
