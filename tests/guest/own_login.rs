//! An image that takes no seed is built and proved by a login that it has.
use crate::support::{Home, beside, over_base, tool};

#[test]
#[ignore = "two whole builds; the login itself is proved against a real sshd in the fast tests: make test-slow"]
fn an_image_without_a_seed_is_built_and_proved_by_its_own_login() {
    let _turn = beside();
    let home = Home::new("own-login");
    tool("ssh-keygen", &["-q", "-t", "ecdsa", "-N", "", "-C", "image", "-f", "host"], &home.root);
    let public = std::fs::read_to_string(home.root.join("host.pub")).unwrap();
    // An image with a host key and a user, in which nobody listens to seeds any more.
    let first = "[guest]\nseed = \"credentials\"\n\
        [[provision]]\nuser = { name = \"admin\", sudo = true, shell = \"/bin/sh\" }\n\
        [[provision]]\nshell = \"echo 'admin:it is $ecret' | chpasswd; touch /etc/cloud/cloud-init.disabled\"\n\
        [[provision]]\nfile = { dest = \"/etc/ssh/ssh_host_ecdsa_key\", source = \"host\", mode = \"0600\" }\n\
        [[provision]]\nfile = { dest = \"/etc/ssh/ssh_host_ecdsa_key.pub\", source = \"host.pub\" }\n\
        [seal]\nsysprep = false\n[verify]\nboot = false\n[[output]]\nformat = \"qcow2\"";
    let first = home.definition("first", &over_base("first", "", first));
    home.run(&["build", first.to_str().unwrap()]).expect_code(0);

    let second = format!(
        "name = \"second\"\n[source.disk]\npath = \"out/first.qcow2\"\n[machine]\nmemory = \"1GiB\"\ndisk = \"5GiB\"\n\
         [secret.pw]\nenv = \"IMAGE_PASSWORD\"\n\
         [guest.login]\nuser = \"admin\"\nhost-key = \"{}\"\npassword = \"${{secret.pw}}\"\n\
         [[provision]]\nfile = {{ dest = \"/etc/built\", content = \"by its own login\" }}\n\
         [seal]\nsysprep = false\n[[output]]\nformat = \"qcow2\"\n",
        public.trim()
    );
    let second = home.definition("second", &second);
    let path = second.to_str().unwrap();
    home.run(&["build", path]).expect_code(3).expect_stderr(&["IMAGE_PASSWORD"]);
    let done = home.command().args(["build", path]).env("IMAGE_PASSWORD", "it is $ecret").output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    assert!(home.out().join("second.qcow2").exists());
    home.assert_clean("an own login");
}
