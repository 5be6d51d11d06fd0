// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The registers of the virtio-mmio transport (virtio 1.2 §4.2.2), version 2. All are 32 bits wide; from
//! [`CONFIG`] on follows the configuration space of the device.

/// Offset of the configuration space.
pub const CONFIG: u64 = 0x100;
/// `MagicValue`: "virt".
pub const MAGIC: u32 = u32::from_le_bytes(*b"virt");
/// `Version`: not legacy.
pub const VERSION: u32 = 2;
/// `VendorID`: that of no vendor.
pub const VENDOR: u32 = u32::from_le_bytes(*b"SMMU");

/// Declares the table: `Variant "Name" = offset;`. The doc comment of a row is its description.
macro_rules! registers {
    ($( $(#[doc = $doc:literal])+ $register:ident $name:literal = $offset:literal; )+) => {
        /// A register.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Register {
            $( $(#[doc = $doc])+ $register, )+
        }

        impl Register {
            /// All of them, in the order of their offsets.
            pub const ALL: &'static [Self] = &[$(Self::$register),+];

            /// The register at an offset.
            #[must_use]
            pub const fn at(offset: u64) -> Option<Self> {
                match offset {
                    $( $offset => Some(Self::$register), )+
                    _ => None,
                }
            }

            /// Its offset.
            #[must_use]
            pub const fn offset(self) -> u64 {
                match self {
                    $( Self::$register => $offset, )+
                }
            }

            /// The specification's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$register => $name, )+
                }
            }
        }
    };
}

registers! {
    /// Says that this is virtio-mmio. RO.
    MagicValue "MagicValue" = 0x000;
    /// Version of the transport. RO.
    Version "Version" = 0x004;
    /// Type of the device. RO.
    DeviceId "DeviceID" = 0x008;
    /// Vendor of the device. RO.
    VendorId "VendorID" = 0x00c;
    /// Features that the device offers, 32 of them. RO.
    DeviceFeatures "DeviceFeatures" = 0x010;
    /// The 32 features that DeviceFeatures shows. WO.
    DeviceFeaturesSel "DeviceFeaturesSel" = 0x014;
    /// Features that the driver accepts, 32 of them. WO.
    DriverFeatures "DriverFeatures" = 0x020;
    /// The 32 features that DriverFeatures sets. WO.
    DriverFeaturesSel "DriverFeaturesSel" = 0x024;
    /// The queue that the registers of a queue are about. WO.
    QueueSel "QueueSel" = 0x030;
    /// Its largest size; 0 if there is no such queue. RO.
    QueueNumMax "QueueNumMax" = 0x034;
    /// Its size. WO.
    QueueNum "QueueNum" = 0x038;
    /// Whether the device may use it. RW.
    QueueReady "QueueReady" = 0x044;
    /// There are new buffers in the queue of this number. WO.
    QueueNotify "QueueNotify" = 0x050;
    /// Reason of the interrupt. RO.
    InterruptStatus "InterruptStatus" = 0x060;
    /// Clears bits of InterruptStatus. WO.
    InterruptAck "InterruptACK" = 0x064;
    /// Status of the device; 0 resets it. RW.
    Status "Status" = 0x070;
    /// Address of the descriptor table. WO.
    QueueDescLow "QueueDescLow" = 0x080;
    /// Its upper half. WO.
    QueueDescHigh "QueueDescHigh" = 0x084;
    /// Address of the available ring. WO.
    QueueDriverLow "QueueDriverLow" = 0x090;
    /// Its upper half. WO.
    QueueDriverHigh "QueueDriverHigh" = 0x094;
    /// Address of the used ring. WO.
    QueueDeviceLow "QueueDeviceLow" = 0x0a0;
    /// Its upper half. WO.
    QueueDeviceHigh "QueueDeviceHigh" = 0x0a4;
    /// The shared memory region that the next registers are about. WO.
    ShmSel "SHMSel" = 0x0ac;
    /// Its length; all ones, since there is none. RO.
    ShmLenLow "SHMLenLow" = 0x0b0;
    /// The upper half. RO.
    ShmLenHigh "SHMLenHigh" = 0x0b4;
    /// Its address, likewise. RO.
    ShmBaseLow "SHMBaseLow" = 0x0b8;
    /// The upper half. RO.
    ShmBaseHigh "SHMBaseHigh" = 0x0bc;
    /// Resets one queue; reads 0, as VIRTIO_F_RING_RESET is not offered.
    QueueReset "QueueReset" = 0x0c0;
    /// Changes with the configuration space, which never does. RO.
    ConfigGeneration "ConfigGeneration" = 0x0fc;
}
