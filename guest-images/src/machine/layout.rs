// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Layout of a board's devices in the guest's address space, on QEMU's `virt` machine with a GICv2m frame.
//!
//! SMMU *k* is the PCI function in slot 2 + *k* of bus 0. Its BARs lie in the 32-bit PCI window, 16 MiB apart; each
//! MSI-X vector writes its own interrupt number to the GICv2m doorbell, so to the kernel it is a wired, edge-triggered
//! SPI.

use crate::machine::board::{Board, BoardError, Client, ClientKind, MAX_SWITCHED_REGULATORS};

#[cfg(test)]
pub(crate) mod tests;

/// First byte of guest memory.
pub const MEMORY: u64 = 0x4000_0000;
/// Register blocks, one page each, of devices that QEMU does not have. It is a part of the PCI window that no device
/// claims: reads give ones and writes vanish. (Elsewhere such accesses are external aborts, and guest memory cannot be
/// claimed by a device on the AMBA bus.)
pub const EMPTY_DEVICES: u64 = 0x2000_0000;
/// Size of that area in bytes.
pub const EMPTY_DEVICES_SIZE: u64 = 0x10_0000;
/// Load address of the real kernel's Image; the boot shim jumps there.
pub const KERNEL: u64 = 0x4040_0000;
/// First virtio-mmio transport; the others follow every [`VIRTIO_MMIO_STRIDE`] bytes.
pub const VIRTIO_MMIO: u64 = 0x0a00_0000;
/// Distance of two virtio-mmio transports in bytes.
pub const VIRTIO_MMIO_STRIDE: u64 = 0x200;
/// SPI number (not INTID) of the first virtio-mmio transport.
pub const VIRTIO_MMIO_SPI: u32 = 16;
/// INTID of SPI 0.
pub const FIRST_SPI: u32 = 32;
/// PCI configuration space (ECAM).
pub const ECAM: u64 = 0x40_1000_0000;
/// GICv2m frame.
pub const GICV2M: u64 = 0x0802_0000;
/// Doorbell of the GICv2m frame: a write of an INTID raises it.
pub const GICV2M_DOORBELL: u64 = GICV2M + 0x40;
/// First INTID that the GICv2m frame raises.
pub const GICV2M_FIRST_INTID: u32 = 80;
/// Number of INTIDs that the GICv2m frame raises.
pub const GICV2M_INTIDS: u32 = 64;
/// First byte after the 32-bit PCI window.
pub const PCI_WINDOW_END: u64 = 0x3eff_0000;
/// PCI slot of the first SMMU.
pub const FIRST_SLOT: u8 = 2;
/// Most bytes of an SMMU's register space.
pub const MAX_REGISTER_SPACE: u64 = 0x0080_0000;

const FIRST_BAR: u64 = 0x3000_0000;
const BAR_STRIDE: u64 = 0x0100_0000;
const BAR2_OFFSET: u64 = 0x0080_0000;
const BAR4_OFFSET: u64 = 0x00c0_0000;

/// Bytes of the marks at the start of BAR2: as large as a page of a guest can be, since what programs map must not
/// share one with what drivers have.
pub const MARKS: u64 = 0x1_0000;
/// Offset among the marks of the word that reads as the low 32 bits of the run's seed.
pub const SEED: u64 = MARKS - 4;
/// Offset among the marks of the doubleword that reads as the clock of the server's trace, in nanoseconds.
pub const CLOCK: u64 = MARKS - 16;
/// Bytes of each master's register block behind the marks, and of the clock controller's.
pub const BLOCK: u64 = 0x1000;
/// Most masters of an SMMU: what lies between BAR2 and BAR4, without the marks and a clock controller.
pub const MAX_MASTERS: usize = ((BAR4_OFFSET - BAR2_OFFSET - MARKS) / BLOCK) as usize - 1;

/// Properties of an SMMU model that the layout needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmmuShape {
    /// Bytes of register space; a power of two, 4 KiB to [`MAX_REGISTER_SPACE`].
    pub register_space: u64,
    /// Number of context banks, each with an interrupt of its own.
    pub context_banks: u8,
    /// Names of the masters in its function, in the order of their register blocks. Each has an interrupt of its own.
    pub masters: Vec<String>,
    /// Whether a clock controller stands before it.
    pub clock: bool,
}

/// Layout of one SMMU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmmuLayout {
    /// Name of the board's SMMU.
    pub name: String,
    /// PCI slot on bus 0; `addr=` of QEMU's `-device`.
    pub slot: u8,
    /// BAR0: registers.
    pub registers: u64,
    /// Bytes of BAR0.
    pub register_space: u64,
    /// BAR2: marks, one 32-bit word each; then a page of registers per master, and one of the clock controller.
    pub marks: u64,
    /// BAR4: MSI-X table.
    pub msix: u64,
    /// INTID of each MSI-X vector of the SMMU: the global interrupt, then one per context bank.
    pub intids: Vec<u32>,
    /// Its masters; their vectors follow those of the SMMU.
    pub masters: Vec<MasterLayout>,
    /// Register block of the clock controller before it, [`BLOCK`] bytes.
    pub clock: Option<u64>,
}

/// Layout of one master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterLayout {
    /// Its name, which is that of the board's client.
    pub name: String,
    /// Register block, [`BLOCK`] bytes.
    pub registers: u64,
    /// INTID of its MSI-X vector.
    pub intid: u32,
}

impl SmmuLayout {
    /// INTID of each MSI-X vector.
    pub fn vectors(&self) -> impl Iterator<Item = u32> + '_ {
        let masters = self.masters.iter().map(|master| master.intid);
        self.intids.iter().copied().chain(masters)
    }

    /// ECAM address of the function's configuration space.
    pub fn config_space(&self) -> u64 {
        ECAM + (u64::from(self.slot) << 15)
    }

    /// Name of the platform device under `/sys/bus/platform/devices`.
    pub fn sysfs_name(&self) -> String {
        format!("{:x}.iommu", self.registers)
    }
}

/// Layout of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientLayout {
    /// Name of the board's client.
    pub name: String,
    /// Register block, for clients that have one.
    pub registers: Option<u64>,
    /// INTID of its interrupt, for masters.
    pub intid: Option<u32>,
    /// QEMU's virtio-mmio transport, for clients of that kind.
    pub virtio_slot: Option<u8>,
    /// Name of the device under `/sys/bus/platform/devices` (`/sys/bus/amba/devices` for `sp805` and `pl330`).
    pub sysfs_name: String,
}

/// Layout of all devices of a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The SMMUs, in board order.
    pub smmus: Vec<SmmuLayout>,
    /// The clients, in board order.
    pub clients: Vec<ClientLayout>,
}

impl Layout {
    /// Validates the board and places its devices. `shapes` has one entry per SMMU of the board, in order.
    ///
    /// # Errors
    ///
    /// A board that does not validate, a register space that does not fit, or more interrupts than there are.
    pub fn new(board: &Board, shapes: &[SmmuShape]) -> Result<Self, BoardError> {
        board.validate()?;
        if board.smmus.len() != shapes.len() {
            let problem = format!(
                "{} SMMUs on the board, {} models",
                board.smmus.len(),
                shapes.len()
            );
            return Err(BoardError::new("smmu", problem));
        }
        let mut intids = GICV2M_FIRST_INTID..GICV2M_FIRST_INTID + GICV2M_INTIDS;
        let mut smmus = Vec::new();
        for ((smmu, shape), k) in board.smmus.iter().zip(shapes).zip(0_u8..) {
            let error = |problem| BoardError::new(format!("smmu \"{}\"", smmu.name), problem);
            let space = shape.register_space;
            if smmu.power_domain && !shape.clock {
                let problem = "`power_domain` is a register of a clock controller: give its model `clock`";
                return Err(BoardError::new(format!("smmu \"{}\"", smmu.name), problem));
            }
            if !space.is_power_of_two() || !(0x1000..=MAX_REGISTER_SPACE).contains(&space) {
                let problem = format!("{space:#x} bytes of registers; a power of two up to 8 MiB fits");
                return Err(error(problem));
            }
            if shape.masters.len() > MAX_MASTERS {
                let problem = format!(
                    "{} DMA devices; there is room for {MAX_MASTERS}",
                    shape.masters.len()
                );
                return Err(error(problem));
            }
            let lines = usize::from(shape.context_banks) + 1;
            let vectors = lines + shape.masters.len();
            let mut own: Vec<u32> = intids.by_ref().take(vectors).collect();
            if own.len() < vectors {
                let problem = format!(
                    "no interrupts left: one per SMMU, one per context bank and one per DMA device, \
                     {GICV2M_INTIDS} in all; give the models fewer `context_banks`"
                );
                return Err(error(problem));
            }
            let registers = FIRST_BAR + u64::from(k) * BAR_STRIDE;
            let of_masters = own.split_off(lines);
            let mut blocks = (registers + BAR2_OFFSET + MARKS..).step_by(0x1000);
            let masters = shape.masters.iter().zip(of_masters).zip(blocks.by_ref());
            let masters = masters
                .map(|((name, intid), registers)| MasterLayout {
                    name: name.clone(),
                    registers,
                    intid,
                })
                .collect();
            smmus.push(SmmuLayout {
                name: smmu.name.clone(),
                slot: FIRST_SLOT + k,
                registers,
                register_space: space,
                marks: registers + BAR2_OFFSET,
                msix: registers + BAR4_OFFSET,
                intids: own,
                masters,
                clock: blocks.next().filter(|_| shape.clock),
            });
        }
        let clients = place_clients(board, &smmus)?;
        Ok(Self { smmus, clients })
    }

    /// The client of that name.
    pub fn client(&self, name: &str) -> Option<&ClientLayout> {
        self.clients.iter().find(|c| c.name == name)
    }

    /// The SMMU of that name.
    pub fn smmu(&self, name: &str) -> Option<&SmmuLayout> {
        self.smmus.iter().find(|s| s.name == name)
    }

    /// Name of an SMMU's or client's device in sysfs.
    pub fn sysfs_name(&self, name: &str) -> Option<String> {
        let smmu = || self.smmu(name).map(SmmuLayout::sysfs_name);
        self.client(name).map(|c| c.sysfs_name.clone()).or_else(smmu)
    }
}

/// Lines of the machine's PL061 that nothing else uses; line 3 is the power button.
const FREE_GPIOS: [u32; MAX_SWITCHED_REGULATORS] = [0, 1, 2, 4, 5, 6, 7];

/// The GPIO line that switches a regulator with a start-up delay; `None` for other regulators, or if no line is left.
pub(crate) fn regulator_gpio(board: &Board, name: &str) -> Option<u32> {
    FREE_GPIOS.get(board.switched_regulator(name)?).copied()
}

/// Start of the name of a client's node; what follows is its address, or its name.
pub(crate) fn node_name(kind: ClientKind) -> &'static str {
    match kind {
        ClientKind::VirtioMmio
        | ClientKind::VirtioBlk
        | ClientKind::VirtioRng
        | ClientKind::VirtioConsole => "virtio_mmio",
        ClientKind::Sp805 => "watchdog",
        ClientKind::Pl330 => "dma-controller",
        ClientKind::TestMaster => "test-master",
        ClientKind::Bus => "bus",
        ClientKind::Plain => "device",
    }
}

/// The master that a client is: its register block lies in the function of an SMMU, and its DMA goes through that one.
fn master_of<'a>(client: &Client, smmus: &'a [SmmuLayout]) -> Result<&'a MasterLayout, BoardError> {
    let error = |problem| Err(BoardError::new(format!("client \"{}\"", client.name), problem));
    let mut masters = smmus
        .iter()
        .flat_map(|smmu| smmu.masters.iter().map(move |master| (smmu, master)));
    let Some((smmu, master)) = masters.find(|(_, master)| master.name == client.name) else {
        let kind = client.kind.name();
        return error(format!(
            "a {kind} is a DMA device of an SMMU's model; give one the `[[smmu.master]]` of that name"
        ));
    };
    if let Some(other) = client.iommus.iter().find(|iommu| iommu.smmu != smmu.name) {
        let text = format!(
            "iommus names \"{}\", and the DMA device is one of SMMU \"{}\"",
            other.smmu, smmu.name
        );
        return error(text);
    }
    Ok(master)
}

fn place_clients(board: &Board, smmus: &[SmmuLayout]) -> Result<Vec<ClientLayout>, BoardError> {
    let mut pages = (0..EMPTY_DEVICES_SIZE / 0x1000).map(|page| EMPTY_DEVICES + page * 0x1000);
    let place = |(client, virtio_slot): (&Client, Option<u8>)| {
        let mut intid = None;
        let (registers, sysfs_name) = match client.kind {
            ClientKind::VirtioBlk
            | ClientKind::VirtioRng
            | ClientKind::VirtioConsole
            | ClientKind::Pl330
            | ClientKind::TestMaster => {
                let master = master_of(client, smmus)?;
                intid = Some(master.intid);
                let address = master.registers;
                (Some(address), format!("{address:x}.{}", node_name(client.kind)))
            }
            ClientKind::VirtioMmio => {
                let address = VIRTIO_MMIO + u64::from(virtio_slot.unwrap_or(0)) * VIRTIO_MMIO_STRIDE;
                (Some(address), format!("{address:x}.{}", node_name(client.kind)))
            }
            ClientKind::Sp805 => {
                let address = pages.next().ok_or_else(|| {
                    let problem = "no room left for register blocks";
                    BoardError::new(format!("client \"{}\"", client.name), problem)
                })?;
                (Some(address), format!("{address:x}.{}", node_name(client.kind)))
            }
            // Without an address of its own a device is named after its path.
            ClientKind::Bus | ClientKind::Plain => {
                let name = format!("{}-{}", node_name(client.kind), client.name);
                match &client.parent {
                    Some(parent) => (None, format!("{}-{parent}:{name}", node_name(ClientKind::Bus))),
                    None => (None, name),
                }
            }
        };
        Ok(ClientLayout {
            name: client.name.clone(),
            registers,
            intid,
            virtio_slot,
            sysfs_name,
        })
    };
    board
        .clients
        .iter()
        .zip(board.virtio_slots()?)
        .map(place)
        .collect()
}
