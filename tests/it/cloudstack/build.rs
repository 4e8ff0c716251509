//! `goldsmith build` with `driver = "cloudstack"`, where no guest boots: what goes wrong before somebody logs in is told, and nothing is left.
//! With real guests: tests/guest/cloudstack.
use super::{
    bench::{Bench, said},
    checks::check,
    cloud::{Fate, KEY, SECRET},
    drives::image,
    server::Server,
};
use std::{
    process::{Child, Stdio},
    time::{Duration, Instant},
};

/// A cloud with a template in it, and a definition that starts from that.
struct Scene {
    bench: Bench,
    server: Server,
}

impl Scene {
    async fn new(way: &str) -> Self {
        let (bench, server) = (Bench::new(), Server::start().await);
        server.cloud().source("base", image(8));
        // Nobody listens there: the address is this host's, and the port was free a moment ago.
        server.cloud().machines.next_ip = Some("127.0.0.1".to_owned());
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let text = format!(
            "name = \"web\"\narch = \"x86_64\"\n[secret.key]\nenv = \"THE_KEY\"\n[secret.private]\nenv = \"THE_SECRET\"\n\
             [cloudstack]\nendpoint = \"{}\"\nkey = \"key\"\nsecret = \"private\"\nzone = \"Zone-A\"\n\
             [source.cloudstack]\ntemplate = \"base\"\n[machine]\ndriver = \"cloudstack\"\n\
             [machine.cloudstack]\noffering = \"small\"\nssh-port = {port}\n{way}\n\
             [guest]\nconnect-timeout = \"4s\"\n[[output]]\nformat = \"cloudstack\"\n",
            server.url(),
        );
        std::fs::write(bench.path("web.toml"), text).unwrap();
        Self { bench, server }
    }

    /// The keys come by the definition's secrets: undo must not need others.
    fn start(&self) -> Child {
        let mut command = self.bench.plain(&["build", "web.toml"]);
        command.env("THE_KEY", KEY).env("THE_SECRET", SECRET);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The cloud is as it was, and all calls were right.
    fn left_nothing(&self) {
        let cloud = self.server.cloud();
        let machines = &cloud.machines;
        assert!(machines.all.is_empty() && machines.addresses.is_empty() && machines.rules.is_empty());
        assert_eq!(cloud.templates.len(), 1);
        let calls = cloud.calls.clone();
        drop(cloud);
        check(&calls);
        assert_eq!(self.bench.journals(), 0);
    }
}

const PORT: &str = "ssh-by = \"port-forward\"\nallowed-from = [\"127.0.0.0/8\"]";

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_never_answers_leaves_nothing() {
    for way in ["ip-networks = [\"127.0.0.0/8\"]", PORT] {
        let scene = Scene::new(way).await;
        let output = scene.start().wait_with_output().unwrap();
        let text = said(&output);
        assert!(!output.status.success() && text.contains("the guest could not be reached"), "{text}");
        assert!(text.contains("the template `base`") && !text.contains(SECRET), "{text}");
        assert_eq!(scene.server.count("startVirtualMachine"), 1);
        scene.left_nothing();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_with_its_stage() {
    let scene = Scene::new("").await;
    let text = "Maximum number of resources of type 'user_vm' has been exceeded.";
    scene.server.fault("deployVirtualMachine", Fate::Refuse(535, text.to_owned()));
    let told = said(&scene.start().wait_with_output().unwrap());
    assert!(told.contains("has been exceeded. (error 535)") && told.contains("listResourceLimits"), "{told}");
    scene.left_nothing();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dies_leaves_nothing_after_gc() {
    for call in ["deployVirtualMachine", "startVirtualMachine", "associateIpAddress", "createFirewallRule"] {
        let scene = Scene::new(PORT).await;
        // The job goes on for as long as nobody else looks.
        scene.server.fault(call, Fate::JobTakes(3));
        let mut child = scene.start();
        let begun = Instant::now();
        while scene.server.count(call) == 0 {
            assert!(begun.elapsed() < Duration::from_secs(60), "{call} was never made");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        child.kill().unwrap();
        let _ = child.wait_with_output().unwrap();
        assert_eq!(scene.server.cloud().machines.all.len(), 1, "{call}");
        let told = scene.bench.gc(&scene.server);
        assert!(scene.server.cloud().machines.all.is_empty(), "{call}: {told}");
        scene.left_nothing();
    }
}
