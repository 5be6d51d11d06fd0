// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The machine of a recipe as files and as QEMU's command line.

#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use guest_images::machine::board::BoardError;
use guest_images::machine::gic::Gic;
use guest_images::machine::layout::{self, Layout};
use guest_images::machine::{dt, renew, shim};
use guest_images::system::initramfs::{self, ExtraFile, InitramfsError, InitramfsSpec};
use guest_images::system::kernel::UNKNOWN;
use host_guard::program::Program;
use serde_json::json;

use crate::boot::accel::Accel;
use crate::boot::server::{ANSWER_MS, PrepareError};
use crate::recipe::script::{self, Around};
use crate::recipe::{Action, FindingKind, Recipe, Start, Step};
use crate::setup::needs::{HeldDevices, Present};
use crate::setup::pages::Tables;
use crate::setup::qemu::Qemu;

/// Kernel's Image in a guest whose recipe asks for it.
const KERNEL_IMAGE: &str = "/boot/Image";

/// The kernel to boot and what goes with it.
#[derive(Debug, Clone)]
pub struct Guest {
    /// The kernel's Image.
    pub image: PathBuf,
    /// `lib/modules/<release>` of that kernel, if it has modules.
    pub modules: Option<PathBuf>,
    /// Drivers of the recipe that are there from boot.
    pub present: Present,
    /// A static busybox for arm64.
    pub busybox: PathBuf,
    /// Trees of the programs that the recipe asks for.
    pub tools: Vec<PathBuf>,
    /// Name of the kernel, for people.
    pub release: String,
    /// Accelerator of its CPUs.
    pub accel: Accel,
    /// File for the trace of the guest's kernel, which has none without it.
    pub trace: Option<PathBuf>,
}

/// The generated files that QEMU loads.
#[derive(Debug, Clone)]
pub struct Files {
    shim: PathBuf,
    device_tree: PathBuf,
    initramfs: PathBuf,
}

/// Reason why the files cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The initramfs.
    #[error("cannot build the initramfs: {0}")]
    Initramfs(#[from] InitramfsError),
    /// Device tree or shim.
    #[error(transparent)]
    Board(#[from] BoardError),
    /// The server's configuration, or the files of its disks.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// No room, or no permission.
    #[error("cannot write {}: {source}; it needs 50 MiB in a directory that can be written: set \
             XDG_RUNTIME_DIR or TMPDIR", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
}

/// Backing of the guest's SMMUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backing<'a> {
    /// `vfio-server`, with its sockets in this directory.
    Server {
        /// Directory of the sockets; each is named `<smmu>.sock`.
        sockets: &'a Path,
    },
    /// Nothing: the machine has no SMMU. To know what a boot costs without.
    None,
}

impl Files {
    /// The files.
    pub fn paths(&self) -> [&Path; 3] {
        [&self.shim, &self.device_tree, &self.initramfs]
    }

    #[cfg(test)]
    pub(crate) fn of_contents(dir: &Path, contents: [&[u8]; 3]) -> Self {
        let mut paths = ["shim", "device-tree", "initramfs"].map(|name| dir.join(name));
        for (path, contents) in paths.iter().zip(contents) {
            fs::write(path, contents).expect("a directory of the test's");
        }
        let [shim, device_tree, initramfs] = paths.each_mut().map(std::mem::take);
        Self {
            shim,
            device_tree,
            initramfs,
        }
    }

    /// Generates shim, device tree and initramfs in `dir`, for boots that start like that.
    ///
    /// # Errors
    /// Modules that the kernel does not have, no space, no permission.
    pub fn generate(
        dir: &Path,
        recipe: &Recipe,
        layout: &Layout,
        guest: &Guest,
        start: Start,
    ) -> Result<Self, FilesError> {
        let write = |name: &str, contents: Vec<u8>| {
            let path = dir.join(name);
            match fs::write(&path, contents) {
                Ok(()) => Ok(path),
                Err(source) => Err(FilesError::Write { path, source }),
            }
        };
        let around = Around {
            start,
            jitter: guest.accel.is_deterministic(),
            traced: guest.trace.is_some(),
        };
        let init = script::init(recipe, layout, around);
        let mut extra = script::files(recipe, layout);
        let held = HeldDevices::of(recipe, layout, &guest.present.builtin);
        let smmu_pages = Tables::of(recipe).pages(&guest.image);
        extra.extend(held.files());
        extra.extend(guest.present.files());
        if start == Start::Warm {
            extra.push(ExtraFile {
                path: script::RENEW.to_owned(),
                mode: 0o755,
                contents: renew::program(layout)?,
            });
        }
        if recipe.kernel_image {
            let contents = fs::read(&guest.image).map_err(|source| InitramfsError::Io {
                path: guest.image.clone(),
                source,
            })?;
            extra.push(ExtraFile {
                path: KERNEL_IMAGE.to_owned(),
                mode: 0o644,
                contents,
            });
        }
        let initramfs = initramfs::build(&InitramfsSpec {
            busybox: &guest.busybox,
            init: &init,
            kernel_modules: guest.modules.as_deref(),
            release: Some(guest.release.as_str()).filter(|release| *release != UNKNOWN),
            modules: &recipe.modules,
            builtin: &guest.present.in_kernel(),
            tools: &guest.tools,
            files: &extra,
        })?;
        Ok(Self {
            shim: write("shim", shim::boot_shim(layout)?)?,
            device_tree: write(
                "device-tree",
                dt::device_tree(
                    &recipe.board,
                    layout,
                    &held.names(),
                    &smmu_pages,
                    guest.trace.is_some(),
                )?,
            )?,
            initramfs: write("initramfs", initramfs)?,
        })
    }
}

/// Puts `recipe` on the machine that was asked for, where it is not the recipe's own; the accelerator may want another
/// interrupt controller.
///
/// # Errors
/// A board that cannot be.
pub fn fit(recipe: &mut Recipe, cpus: Option<u8>, gic: Option<Gic>, accel: Accel) -> Result<(), BoardError> {
    let board = &mut recipe.board;
    board.cpus = cpus.unwrap_or(board.cpus);
    board.gic = gic.or(board.gic);
    board.gic = Some(accel.gic(board));
    board.validate()
}

/// The CPU for a kernel: one of the time of the SMMUv2, unless its pages are of 16 KiB, which that one does not have.
fn cpu(image: &Path, accel: Accel) -> &'static str {
    match (accel, guest_images::system::kernel::page_kib(image)) {
        (Accel::Kvm, _) => "host",
        (Accel::Tcg | Accel::Icount, Some(16)) => "cortex-a76",
        (Accel::Tcg | Accel::Icount, _) => "cortex-a57",
    }
}

/// The kernel's command line; that of a deterministic boot has no address that is drawn.
pub fn cmdline(recipe: &Recipe, guest: &Guest) -> String {
    let mut line = script::cmdline(recipe, &guest.present.builtin);
    if guest.accel.is_deterministic() {
        line.push_str(" nokaslr");
    }
    line
}

/// A value within an option of QEMU, where a comma is written twice.
fn option_value(text: &OsStr) -> OsString {
    let mut value = Vec::with_capacity(text.len());
    for byte in text.as_bytes() {
        value.push(*byte);
        if *byte == b',' {
            value.push(b',');
        }
    }
    OsString::from_vec(value)
}

/// QEMU with the machine of `recipe`; console on standard output.
pub fn program(
    qemu: &Qemu,
    recipe: &Recipe,
    layout: &Layout,
    guest: &Guest,
    files: &Files,
    backing: Backing<'_>,
) -> Program {
    let board = &recipe.board;
    let mut program = qemu.program.clone();
    let args = &mut program.args;
    let mut push = |flag: &str, value: OsString| {
        args.push(flag.into());
        args.push(value);
    };
    let gic = board.gic().machine_options();
    push("-machine", format!("virt,{gic},memory-backend=ram").into());
    for (flag, value) in guest.accel.options() {
        push(flag, (*value).into());
    }
    push("-cpu", cpu(&guest.image, guest.accel).into());
    push("-smp", board.cpus.to_string().into());
    push("-m", format!("{}M", board.memory_mib).into());
    // The server reaches guest memory through the descriptor of a shared memfd.
    push(
        "-object",
        format!("memory-backend-memfd,id=ram,size={}M,share=on", board.memory_mib).into(),
    );
    push("-display", "none".into());
    push("-monitor", "none".into());
    push("-serial", "stdio".into());
    if let Some(trace) = &guest.trace {
        let mut file = OsString::from("file,id=trace,path=");
        file.push(option_value(trace.as_os_str()));
        push("-chardev", file);
        push("-serial", "chardev:trace".into());
    }
    push("-kernel", files.shim.clone().into());
    // Not as JSON, which has no place for a path that is not UTF-8.
    let mut loader = OsString::from("loader,file=");
    loader.push(option_value(guest.image.as_os_str()));
    loader.push(format!(",addr={:#x},force-raw=on", layout::KERNEL));
    push("-device", loader);
    push("-dtb", files.device_tree.clone().into());
    push("-initrd", files.initramfs.clone().into());
    push("-append", cmdline(recipe, guest).into());
    if let Backing::Server { sockets } = backing {
        for smmu in &layout.smmus {
            let mut device = json!({
                "driver": "vfio-user-pci",
                // QEMU reads it as hexadecimal.
                "addr": format!("{:x}.0", smmu.slot),
                "socket": { "type": "unix", "path": sockets.join(format!("{}.sock", smmu.name)).to_string_lossy() },
                "x-msg-timeout": ANSWER_MS,
            });
            if guest.accel.is_deterministic() {
                // Writes to two SMMUs that are not waited for would be carried out in an order of the host's.
                device["x-no-posted-writes"] = true.into();
            }
            push("-device", device.to_string().into());
        }
    }
    for client in &layout.clients {
        // A transport without a device would refuse its driver; this one binds, and has no driver of its own loaded.
        // A deterministic boot takes neither random numbers of the host's nor a thread that serves the queues.
        if let Some(slot) = client.virtio_slot {
            let device = if guest.accel.is_deterministic() {
                "virtio-keyboard-device"
            } else {
                "virtio-rng-device"
            };
            push("-device", format!("{device},bus=virtio-mmio-bus.{slot}").into());
        }
    }
    if guest.accel.is_deterministic() {
        args.extend(["-global".into(), "virtio-mmio.ioeventfd=off".into()]);
    }
    args.push("-nodefaults".into());
    // A guest that panics resets, and that is the end of the boot; unless the recipe has it reboot.
    let reboots = |step: &Step| matches!(step.action, Action::Reboot { .. });
    if !recipe.steps.iter().any(reboots) && !recipe.expect.wants(FindingKind::Reset) {
        args.push("-no-reboot".into());
    }
    program
}
