//! A guest of somebody else's hypervisor, run by QEMU: for tests that play a cloud.
use crate::support::tool;
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The longest that a guest may take to power off.
const POWER_OFF: Duration = Duration::from_secs(80);

/// It ends with this value.
pub(crate) struct Instance {
    qemu: Child,
    pub(crate) disk: PathBuf,
    monitor: PathBuf,
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl Instance {
    /// Boots a copy of `base` in `folder`, with what cloud-init is told in a volume; it answers SSH at this port of 127.0.0.1.
    pub(crate) fn launch(folder: &Path, base: &Path, user_data: &[u8], meta_data: &[u8], port: u16) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("user-data"), user_data).unwrap();
        std::fs::write(folder.join("meta-data"), meta_data).unwrap();
        tool(
            "genisoimage",
            &["-quiet", "-V", "cidata", "-r", "-o", "seed.iso", "user-data", "meta-data"],
            folder,
        );
        let backing = base.to_str().unwrap();
        tool(
            "qemu-img",
            &["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", backing, "disk.qcow2"],
            folder,
        );
        let (disk, monitor) = (folder.join("disk.qcow2"), folder.join("monitor"));
        let qemu = Command::new("qemu-system-x86_64")
            .args(["-machine", "q35", "-accel", "tcg", "-cpu", "max,-svm", "-smp", "2", "-m", "1024"])
            .args(["-nodefaults", "-display", "none"])
            .args([
                "-drive",
                &format!("if=virtio,format=qcow2,discard=unmap,detect-zeroes=unmap,file={}", disk.display()),
            ])
            .args(["-drive", "if=virtio,format=raw,readonly=on,file=seed.iso"])
            .args(["-nic", &format!("user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{port}-:22")])
            .args(["-serial", "file:serial.log"])
            .args(["-monitor", &format!("unix:{},server,nowait", monitor.display())])
            .current_dir(folder)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { qemu, disk, monitor }
    }

    /// Presses the power button and waits. Returns the disk.
    pub(crate) fn power_off(mut self) -> PathBuf {
        let mut monitor = UnixStream::connect(&self.monitor).unwrap();
        monitor.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let _ = monitor.read(&mut [0; 512]);
        let begun = Instant::now();
        while begun.elapsed() < POWER_OFF {
            let _ = monitor.write_all(b"system_powerdown\n");
            for _ in 0..40 {
                if self.qemu.try_wait().unwrap().is_some() {
                    return self.disk.clone();
                }
                std::thread::sleep(Duration::from_millis(250));
            }
        }
        panic!("the guest does not power off");
    }
}
