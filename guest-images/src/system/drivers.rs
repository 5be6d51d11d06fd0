// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The drivers that recipes load, with the options of the kernel's configuration that they hang on, and the options
//! that every guest needs.
//!
//! The table decides before a boot what is missing, and writes the fragment of `boot-stress kernel-config`.

use crate::system::kconfig::{Kconfig, Value};
use crate::system::modules::normal_name;

#[cfg(test)]
mod tests;

/// A driver that is a module in some kernels and built into others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Driver {
    /// Name of its module, as recipes write it.
    pub module: &'static str,
    /// Options without which it cannot be had; the last one is its own.
    pub options: &'static [&'static str],
    /// Bus and name of the driver in sysfs, for drivers of the board's own devices.
    pub binds: Option<(&'static str, &'static str)>,
    /// Text that the Image holds, with a NUL after it, if the driver is in it.
    pub text: &'static str,
}

/// The drivers, in the order of the fragment.
pub const DRIVERS: &[Driver] = &[
    Driver {
        module: "virtio_ring",
        options: &["VIRTIO_MENU", "VIRTIO"],
        binds: None,
        text: "virtio-mmio",
    },
    Driver {
        module: "virtio_mmio",
        options: &["VIRTIO_MENU", "VIRTIO_MMIO"],
        binds: Some(("platform", "virtio-mmio")),
        text: "virtio-mmio",
    },
    Driver {
        module: "virtio_blk",
        options: &["BLOCK", "BLK_DEV", "VIRTIO_BLK"],
        binds: None,
        text: "virtio_blk",
    },
    Driver {
        module: "virtio-rng",
        options: &["HW_RANDOM", "HW_RANDOM_VIRTIO"],
        binds: None,
        text: "virtio_rng",
    },
    Driver {
        module: "virtio_console",
        options: &["TTY", "VIRTIO_CONSOLE"],
        binds: None,
        text: "virtio_console",
    },
    Driver {
        module: "fixed",
        options: &["REGULATOR", "REGULATOR_FIXED_VOLTAGE"],
        binds: Some(("platform", "reg-fixed-voltage")),
        text: "reg-fixed-voltage",
    },
    Driver {
        module: "dwc3-of-simple",
        options: &["USB_SUPPORT", "USB", "USB_DWC3", "USB_DWC3_OF_SIMPLE"],
        binds: Some(("platform", "dwc3-of-simple")),
        text: "dwc3-of-simple",
    },
    Driver {
        module: "sp805_wdt",
        options: &["WATCHDOG", "ARM_SP805_WATCHDOG"],
        binds: Some(("amba", "sp805-wdt")),
        text: "sp805-wdt",
    },
    Driver {
        module: "pl330",
        options: &["DMADEVICES", "PL330_DMA"],
        binds: None,
        text: "dma-pl330",
    },
    Driver {
        module: "ext4",
        options: &["BLOCK", "EXT4_FS"],
        binds: None,
        text: "ext4",
    },
];

/// The driver of a module, under either spelling.
pub fn of_module(module: &str) -> Option<&'static Driver> {
    let name = normal_name(module);
    DRIVERS.iter().find(|driver| normal_name(driver.module) == name)
}

/// Purpose of a group of options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Every boot: console, initramfs, what the scripts use, the SMMU.
    Boot,
    /// SMMUs with a `clock` of the model.
    Clock,
    /// SMMUs in a power domain.
    PowerDomain,
    /// Regulators that take time to switch on.
    Delay,
    /// Steps that suspend the guest.
    Suspend,
    /// The tool `kexec-tools`.
    Kexec,
    /// The tool `systemd`.
    Systemd,
}

impl Purpose {
    /// All of them, in the order of the fragment.
    pub const ALL: [Self; 7] = [
        Self::Boot,
        Self::Clock,
        Self::PowerDomain,
        Self::Delay,
        Self::Suspend,
        Self::Kexec,
        Self::Systemd,
    ];

    /// Heading in the fragment.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Boot => "every boot: console, initramfs, scripts, SMMU",
            Self::Clock => "SMMUs with a clock controller of the model",
            Self::PowerDomain => "SMMUs in a power domain",
            Self::Delay => "regulators that take time to switch on",
            Self::Suspend => "steps that suspend the guest",
            Self::Kexec => "steps that start another kernel",
            Self::Systemd => "systemd as the first process",
        }
    }

    /// Options that are not `y` in a configuration, without `CONFIG_`. No recipe loads a module for them.
    pub fn lacking(self, config: &Kconfig) -> Vec<&'static str> {
        let options = self.options().iter().copied();
        options
            .filter(|option| config.value(option) != Value::BuiltIn)
            .collect()
    }

    /// The options, without `CONFIG_`; each has to be `y`.
    pub fn options(self) -> &'static [&'static str] {
        match self {
            Self::Boot => &[
                "PRINTK",
                "BLK_DEV_INITRD",
                "BINFMT_ELF",
                "BINFMT_SCRIPT",
                "PROC_FS",
                "SYSFS",
                "DEVTMPFS",
                "DEVMEM",
                "TTY",
                "ARM_AMBA",
                "SERIAL_AMBA_PL011",
                "SERIAL_AMBA_PL011_CONSOLE",
                "IOMMU_SUPPORT",
                "ARM_SMMU",
            ],
            Self::Clock => &["COMMON_CLK_XGENE"],
            Self::PowerDomain => &["PM", "ARCH_MXC", "SOC_IMX9"],
            Self::Delay => &["GPIOLIB", "GPIO_PL061"],
            Self::Suspend => &["SUSPEND", "PM_SLEEP", "RTC_CLASS", "RTC_DRV_PL031"],
            Self::Kexec => &["MAGIC_SYSRQ", "KEXEC", "CRASH_DUMP"],
            Self::Systemd => &[
                "CGROUPS",
                "NET",
                "UNIX",
                "TMPFS",
                "TMPFS_XATTR",
                "INOTIFY_USER",
                "SIGNALFD",
                "TIMERFD",
                "EPOLL",
                "FHANDLE",
                "AUTOFS_FS",
            ],
        }
    }
}

/// Options that no recipe needs and that are good to have.
pub const GOOD: &[(&str, &str)] = &[
    ("IKCONFIG", "an Image alone then says what is built in"),
    ("PRINTK_TIME", "time stamps on the console"),
    ("HIGH_RES_TIMERS", "sleeps of less than a tick"),
    ("INET", "systemd is quieter with it"),
];
