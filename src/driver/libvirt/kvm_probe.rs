//! Whether KVM really runs a guest. A device node that opens proves nothing, and neither does libvirt's list: under some
//! nested hypervisors both are there and every kernel dies in them. So a tiny program runs in a virtual CPU in 64-bit
//! mode and executes the instruction that such hosts cannot (`lock cmpxchg16b`, which kernels use early).
use std::{
    fs::OpenOptions,
    io::ErrorKind,
    sync::{OnceLock, mpsc},
    time::Duration,
};

/// What became of the probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KvmProbe {
    /// The program ran and its result was right.
    Usable,
    /// It did not.
    Unusable {
        /// Why, as a part of a sentence.
        reason: String,
        /// What to do about it, if anything.
        hint: Option<String>,
    },
}

impl KvmProbe {
    fn unusable(reason: impl Into<String>) -> Self {
        Self::Unusable { reason: reason.into(), hint: None }
    }
}

/// How long the program may take; it needs microseconds.
const LIMIT: Duration = Duration::from_secs(3);

/// Probes once per process. Blocks for three seconds at most.
pub(super) fn kvm_probe() -> &'static KvmProbe {
    static PROBE: OnceLock<KvmProbe> = OnceLock::new();
    PROBE.get_or_init(probe)
}

fn probe() -> KvmProbe {
    match OpenOptions::new().read(true).write(true).open("/dev/kvm") {
        Ok(_) => within(LIMIT, run_guest),
        Err(error) if error.kind() == ErrorKind::NotFound => KvmProbe::Unusable {
            reason: "there is no `/dev/kvm`".to_owned(),
            hint: Some("switch on virtualisation in the firmware, or nested virtualisation in the outer hypervisor; then `modprobe kvm_intel` or `modprobe kvm_amd`".to_owned()),
        },
        Err(error) if error.kind() == ErrorKind::PermissionDenied => KvmProbe::Unusable {
            reason: "this user may not open `/dev/kvm`".to_owned(),
            hint: Some("sudo usermod -aG kvm \"$USER\", then log in again".to_owned()),
        },
        Err(error) => KvmProbe::unusable(format!("`/dev/kvm` cannot be opened: {error}")),
    }
}

/// Runs `work` on a thread of its own: a kernel that never answers must not hold us. Such a thread is left behind.
fn within(limit: Duration, work: impl FnOnce() -> KvmProbe + Send + 'static) -> KvmProbe {
    let (answer, answers) = mpsc::channel();
    let spawned = std::thread::Builder::new().name("kvm-probe".into()).spawn(move || answer.send(work()));
    if let Err(error) = spawned {
        return KvmProbe::unusable(format!("no thread could be started: {error}"));
    }
    match answers.recv_timeout(limit) {
        Ok(outcome) => outcome,
        Err(mpsc::RecvTimeoutError::Timeout) => KvmProbe::unusable(format!(
            "`/dev/kvm` opens, but a test guest did not end within {} s",
            limit.as_secs()
        )),
        Err(mpsc::RecvTimeoutError::Disconnected) => KvmProbe::unusable("the test guest's thread died"),
    }
}

#[cfg(target_arch = "x86_64")]
fn run_guest() -> KvmProbe {
    match x86::run() {
        Ok(()) => KvmProbe::Usable,
        Err(reason) => {
            KvmProbe::unusable(format!("`/dev/kvm` opens, but a test guest does not run: {reason}"))
        }
    }
}

/// No host of this architecture is known that makes machines and cannot run them, so making one is the proof.
#[cfg(target_arch = "aarch64")]
fn run_guest() -> KvmProbe {
    match kvm_ioctls::Kvm::new().and_then(|kvm| kvm.create_vm()) {
        Ok(_) => KvmProbe::Usable,
        Err(error) => KvmProbe::unusable(format!("`/dev/kvm` opens, but makes no machine: {error}")),
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn run_guest() -> KvmProbe {
    KvmProbe::unusable("goldsmith has no test guest for this architecture")
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #![allow(unsafe_code, reason = "guest memory is shared with the kernel by address")]
    use kvm_bindings::{KVM_MAX_CPUID_ENTRIES, kvm_segment, kvm_userspace_memory_region};
    use kvm_ioctls::{Kvm, VcpuExit};

    const PAGE: usize = 4096;
    const PAGES: usize = 8;
    // Guest physical addresses.
    const PML4: u64 = 0x1000;
    const PDPT: u64 = 0x2000;
    const DIRECTORY: u64 = 0x3000;
    const CODE: u64 = 0x4000;
    const OPERAND: u64 = 0x5000;
    const STACK_TOP: u64 = 0x8000;
    const ANSWER: u8 = 0x5a;

    /// `lock cmpxchg16b [rdi]; jne fail; mov al, [rdi]; out dx, al; fail: hlt`
    const PROGRAM: [u8; 11] = [0xf0, 0x48, 0x0f, 0xc7, 0x0f, 0x75, 0x03, 0x8a, 0x07, 0xee, 0xf4];

    #[derive(Clone)]
    #[repr(C, align(4096))]
    struct Page([u8; PAGE]);

    /// Writes `bytes` to the guest's address `at`, within one page.
    fn put(memory: &mut [Page], at: u64, bytes: &[u8]) {
        let (page, offset) = (at as usize / PAGE, at as usize % PAGE);
        memory[page].0[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    /// A guest of one CPU in 64-bit mode that swaps 16 bytes atomically and reports one of them through a port.
    pub(super) fn run() -> Result<(), String> {
        let kvm = Kvm::new().map_err(|error| format!("opening it: {error}"))?;
        let vm = kvm.create_vm().map_err(|error| format!("making a machine: {error}"))?;
        let mut memory = vec![Page([0; PAGE]); PAGES].into_boxed_slice();
        // Identity map of the first 2 MiB: present + writable, the last level with page size 2 MiB.
        put(&mut memory, PML4, &(PDPT | 3).to_le_bytes());
        put(&mut memory, PDPT, &(DIRECTORY | 3).to_le_bytes());
        put(&mut memory, DIRECTORY, &0x83_u64.to_le_bytes());
        put(&mut memory, CODE, &PROGRAM);
        put(&mut memory, OPERAND, &1_u64.to_le_bytes());
        put(&mut memory, OPERAND + 8, &2_u64.to_le_bytes());
        let memory = Box::into_raw(memory);
        let region = kvm_userspace_memory_region {
            slot: 0,
            flags: 0,
            guest_phys_addr: 0,
            memory_size: (PAGE * PAGES) as u64,
            userspace_addr: memory.cast::<u8>() as u64,
        };
        // SAFETY: the region is one page-aligned allocation of exactly that size. It was turned into a raw pointer and is
        // never freed (32 KiB, once per process), so the kernel cannot write to memory that something else owns.
        unsafe { vm.set_user_memory_region(region) }.map_err(|error| format!("giving it memory: {error}"))?;
        let mut cpu = vm.create_vcpu(0).map_err(|error| format!("making a CPU: {error}"))?;
        let features = kvm
            .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
            .and_then(|features| cpu.set_cpuid2(&features))
            .map_err(|error| format!("setting the CPU's features: {error}"));
        features?;
        let mut special = cpu.get_sregs().map_err(|error| format!("reading the CPU's state: {error}"))?;
        special.cr3 = PML4;
        special.cr4 = 1 << 5; // PAE
        special.cr0 = 1 | (1 << 4) | (1 << 31); // PE, ET, PG
        special.efer = (1 << 8) | (1 << 10); // LME, LMA
        let data = kvm_segment {
            limit: u32::MAX,
            selector: 16,
            type_: 3,
            present: 1,
            s: 1,
            db: 1,
            g: 1,
            ..Default::default()
        };
        special.cs = kvm_segment { selector: 8, type_: 11, db: 0, l: 1, ..data };
        for segment in [&mut special.ds, &mut special.es, &mut special.fs, &mut special.gs, &mut special.ss] {
            *segment = data;
        }
        cpu.set_sregs(&special).map_err(|error| format!("entering 64-bit mode: {error}"))?;
        let mut general = cpu.get_regs().map_err(|error| format!("reading the CPU's registers: {error}"))?;
        general.rip = CODE;
        general.rsp = STACK_TOP;
        general.rflags = 2;
        general.rdi = OPERAND;
        // Compared with rdx:rax, replaced by rcx:rbx.
        (general.rax, general.rdx) = (1, 2);
        (general.rbx, general.rcx) = (u64::from(ANSWER), 3);
        cpu.set_regs(&general).map_err(|error| format!("setting the CPU's registers: {error}"))?;
        // The exchange leaves rdx alone when it succeeds, so `out dx, al` goes to port 2.
        let expected_port = general.rdx as u16;
        match cpu.run() {
            Ok(VcpuExit::IoOut(port, [ANSWER])) if port == expected_port => Ok(()),
            Ok(VcpuExit::IoOut(port, data)) => Err(format!("it answered {data:?} on port {port:#x}")),
            Ok(VcpuExit::Hlt) => Err("`lock cmpxchg16b` computed nonsense".to_owned()),
            Ok(VcpuExit::InternalError) => {
                Err("KVM internal error (emulation failure) at `lock cmpxchg16b`".to_owned())
            }
            Ok(VcpuExit::Shutdown) => Err("its CPU shut down (triple fault)".to_owned()),
            Ok(VcpuExit::FailEntry(reason, _)) => {
                Err(format!("its CPU cannot be entered (reason {reason:#x})"))
            }
            Ok(other) => Err(format!("it stopped unexpectedly ({other:?})")),
            Err(error) => Err(format!("running it: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn the_probe_answers_in_time_and_says_why_not() {
        let start = Instant::now();
        let outcome = probe();
        assert!(start.elapsed() < LIMIT + Duration::from_secs(1));
        eprintln!("kvm: {outcome:?} after {:?}", start.elapsed());
        if let KvmProbe::Unusable { reason, .. } = outcome {
            assert!(reason.contains("/dev/kvm"), "{reason}");
        }
    }

    #[test]
    fn a_guest_that_never_ends_is_given_up() {
        let outcome = within(Duration::from_millis(50), || {
            loop {
                std::thread::park();
            }
        });
        let KvmProbe::Unusable { reason, .. } = outcome else { panic!("usable") };
        assert!(reason.contains("did not end"), "{reason}");
    }

    #[test]
    fn a_probe_that_panics_is_an_answer_too() {
        let outcome = within(LIMIT, || panic!("on purpose"));
        assert_eq!(outcome, KvmProbe::unusable("the test guest's thread died"));
    }
}
