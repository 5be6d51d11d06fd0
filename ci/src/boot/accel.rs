// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Accelerator of the guest's CPUs: emulation everywhere, KVM on hosts that are arm64 themselves.

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use clap::ValueEnum;
use guest_images::machine::board::Board;
use guest_images::machine::gic::Gic;
use serde::{Deserialize, Serialize};

/// Device file of KVM.
const KVM: &str = "/dev/kvm";

/// Limits of deterministic boots, for people.
pub const SERIAL: &str =
    "equal boots for equal seeds, but no two CPUs run at once, and memory is never seen out of order";

/// Accelerator of the guest's CPUs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accel {
    /// Emulation by QEMU, each CPU a thread.
    #[default]
    Tcg,
    /// Emulation by QEMU, all CPUs in one thread, on a clock that counts instructions: boots of a seed are equal.
    #[value(skip)]
    #[serde(rename = "tcg-icount")]
    Icount,
    /// The host's own CPUs.
    Kvm,
}

impl fmt::Display for Accel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcg => "TCG",
            Self::Icount => "TCG-icount",
            Self::Kvm => "KVM",
        })
    }
}

/// Reason why KVM cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NoKvm {
    /// Another architecture.
    #[error("this host is {0}, and KVM runs arm64 guests on arm64 hosts only")]
    Host(&'static str),
    /// The device file cannot be opened.
    #[error("{KVM}: {0}; load the host's KVM, and be a member of the group that may use it")]
    Device(io::Error),
}

/// Whether KVM can run an arm64 guest on a host of this architecture (as [`std::env::consts::ARCH`] has it), with KVM's
/// device file at `device`.
fn look_for_kvm(host: &'static str, device: &Path) -> Result<(), NoKvm> {
    if host != "aarch64" {
        return Err(NoKvm::Host(host));
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(device)
        .map(drop)
        .map_err(NoKvm::Device)
}

/// Whether KVM can run an arm64 guest here.
///
/// # Errors
/// [`NoKvm`] says why not.
pub fn kvm() -> Result<(), NoKvm> {
    look_for_kvm(std::env::consts::ARCH, Path::new(KVM))
}

impl Accel {
    /// The accelerator that is used, and why, for the first line of a run.
    ///
    /// # Errors
    /// KVM was asked for and cannot be used.
    pub fn why(self) -> Result<String, NoKvm> {
        match (self, kvm()) {
            (Self::Kvm, found) => found.map(|()| "accelerator: KVM, as asked for".to_owned()),
            (Self::Icount, _) => Ok(format!("accelerator: TCG in one thread; {SERIAL}")),
            (Self::Tcg, Ok(())) => {
                Ok("accelerator: TCG; KVM is there, and --accel kvm would use it".to_owned())
            }
            (Self::Tcg, Err(why)) => Ok(format!("accelerator: TCG; no KVM: {why}")),
        }
    }

    /// The interrupt controller of a board with this accelerator. Hosts with KVM have a GICv3, and few of them can
    /// show a GICv2 to a guest.
    #[must_use]
    pub fn gic(self, board: &Board) -> Gic {
        match self {
            Self::Kvm => board.gic.unwrap_or(Gic::V3),
            Self::Tcg | Self::Icount => board.gic(),
        }
    }

    /// Name in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcg => "tcg",
            Self::Icount => "tcg-icount",
            Self::Kvm => "kvm",
        }
    }

    /// Whether boots of one seed are equal.
    #[must_use]
    pub fn is_deterministic(self) -> bool {
        self == Self::Icount
    }

    /// This program's options that choose it.
    #[must_use]
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Tcg => &[],
            Self::Icount => &["--deterministic"],
            Self::Kvm => &["--accel", "kvm"],
        }
    }

    /// QEMU's options for it, with their values.
    #[must_use]
    pub fn options(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // Every CPU a thread: the races need CPUs that really run side by side. With less room for translated code,
            // a boot translates parts of the kernel twice.
            Self::Tcg => &[("-accel", "tcg,thread=multi,tb-size=512")],
            // Four nanoseconds an instruction. A guest that idles goes on at once with its next timer.
            Self::Icount => &[
                ("-accel", "tcg,thread=single,tb-size=512"),
                ("-icount", "shift=2,sleep=off"),
                ("-rtc", "base=2026-01-01T00:00:00,clock=vm"),
            ],
            Self::Kvm => &[("-accel", "kvm")],
        }
    }
}
