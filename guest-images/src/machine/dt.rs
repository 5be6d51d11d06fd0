// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The device tree: QEMU's `virt` machine, without its PCI host, with SMMUs in the PCI window.
//!
//! It is written from scratch because QEMU's own tree shows the PCI host, and the kernel would then see PCI functions
//! instead of platform devices. QEMU adds `/memory` and the contents of `/chosen` when it loads the tree.

use std::collections::{BTreeMap, BTreeSet};

use vm_fdt::FdtWriter;

use crate::machine::board::{Board, BoardError, BoardSmmu, ReservedRegion, Supplier, SupplierKind};
use crate::machine::layout::{self, Layout, SmmuLayout};

mod client;
mod power;
#[cfg(test)]
mod tests;

pub use power::{CLOCK_CONTROL, CLOCK_ENABLE};

const GIC_SPI: u32 = 0;
const GIC_PPI: u32 = 1;
/// The console's serial port, and the second one, which QEMU has if it is given two.
const UART: u64 = 0x0900_0000;
const TRACE_UART: u64 = 0x0904_0000;
const EDGE_RISING: u32 = 1;
const LEVEL_HIGH: u32 = 4;

const GIC_PHANDLE: u32 = 1;
const APB_CLOCK_PHANDLE: u32 = 2;
const GPIO_PHANDLE: u32 = 3;
const FIRST_FREE_PHANDLE: u32 = 4;

/// Rate of the suppliers' clocks in Hz.
const GATED_CLOCK_RATE: u32 = 100_000_000;

/// Devices of a board whose drivers are built into the kernel and shall not bind them at boot. They stand in the tree
/// under a `compatible` that no driver has, until `driver_override` names their driver: as long as a module is not
/// loaded, its devices are in the same state.
pub type Held = BTreeSet<String>;

/// Begin of the `compatible` of a device that is held.
const HELD: &str = "smmu-emu,held-";

/// Flattened device tree of the board, in which the clients and suppliers of `held` have no driver, for a kernel whose
/// translation tables have pages of `smmu_pages` bytes, in the order of the board's SMMUs; with a second serial port if
/// the guest's trace is to leave it.
///
/// # Errors
///
/// A board whose references do not resolve (one that [`Layout::new`] refuses), or a tree that cannot be written.
pub fn device_tree(
    board: &Board,
    layout: &Layout,
    held: &Held,
    smmu_pages: &[u64],
    trace_port: bool,
) -> Result<Vec<u8>, BoardError> {
    let tree = Tree {
        board,
        layout,
        held,
        smmu_pages,
        trace_port,
        phandles: phandles(board),
    };
    let write = || -> Result<Vec<u8>, TreeError> {
        let mut fdt = FdtWriter::new()?;
        tree.root(&mut fdt)?;
        Ok(fdt.finish()?)
    };
    write().map_err(|e| match e {
        TreeError::Writer(e) => BoardError::new("device tree", e.to_string()),
        TreeError::Unknown(name) => BoardError::new("device tree", format!("nothing is named \"{name}\"")),
    })
}

enum TreeError {
    Writer(vm_fdt::Error),
    Unknown(String),
}

impl From<vm_fdt::Error> for TreeError {
    fn from(e: vm_fdt::Error) -> Self {
        Self::Writer(e)
    }
}

/// Key of a region's phandle; no name of a board has a space in it.
fn region_key(region: ReservedRegion) -> String {
    format!("{region:?}")
}

/// Key of the phandle of an SMMU's clock controller.
fn clock_key(smmu: &str) -> String {
    format!("clock {smmu}")
}

/// Key of the phandle of an SMMU's power domain.
fn power_key(smmu: &str) -> String {
    format!("power {smmu}")
}

fn phandles(board: &Board) -> BTreeMap<String, u32> {
    let smmus = board.smmus.iter().map(|s| s.name.clone());
    let suppliers = board.suppliers.iter().map(|s| s.name.clone());
    let clients = board.clients.iter().map(|c| c.name.clone());
    let regions: BTreeSet<String> = board
        .clients
        .iter()
        .filter_map(|c| c.reserved_region.map(region_key))
        .collect();
    let clocks = board.smmus.iter().map(|s| clock_key(&s.name));
    let powers = board.smmus.iter().map(|s| power_key(&s.name));
    smmus
        .chain(suppliers)
        .chain(clients)
        .chain(regions)
        .chain(clocks)
        .chain(powers)
        .zip(FIRST_FREE_PHANDLE..)
        .collect()
}

/// The specifier of an edge-triggered SPI.
fn spi(intid: u32) -> [u32; 3] {
    [GIC_SPI, intid.saturating_sub(layout::FIRST_SPI), EDGE_RISING]
}

fn cells(value: u64) -> [u32; 2] {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the value")]
    [(value >> 32) as u32, value as u32]
}

fn reg(fdt: &mut FdtWriter, ranges: &[(u64, u64)]) -> Result<(), vm_fdt::Error> {
    let all: Vec<u64> = ranges.iter().flat_map(|(base, size)| [*base, *size]).collect();
    fdt.property_array_u64("reg", &all)
}

fn strings(fdt: &mut FdtWriter, name: &str, values: &[&str]) -> Result<(), vm_fdt::Error> {
    fdt.property_string_list(name, values.iter().map(|s| (*s).to_owned()).collect())
}

/// Name of the node of a serial port at `base`.
fn uart_name(base: u64) -> String {
    format!("pl011@{base:x}")
}

/// Writes the node of a serial port at `base` with that SPI.
fn uart(fdt: &mut FdtWriter, base: u64, spi: u32) -> Result<(), vm_fdt::Error> {
    let node = fdt.begin_node(&uart_name(base))?;
    strings(fdt, "compatible", &["arm,pl011", "arm,primecell"])?;
    reg(fdt, &[(base, 0x1000)])?;
    fdt.property_array_u32("interrupts", &[GIC_SPI, spi, LEVEL_HIGH])?;
    fdt.property_array_u32("clocks", &[APB_CLOCK_PHANDLE, APB_CLOCK_PHANDLE])?;
    strings(fdt, "clock-names", &["uartclk", "apb_pclk"])?;
    fdt.end_node(node)
}

struct Tree<'a> {
    board: &'a Board,
    layout: &'a Layout,
    held: &'a Held,
    smmu_pages: &'a [u64],
    trace_port: bool,
    phandles: BTreeMap<String, u32>,
}

impl Tree<'_> {
    fn phandle(&self, name: &str) -> Result<u32, TreeError> {
        self.phandles
            .get(name)
            .copied()
            .ok_or_else(|| TreeError::Unknown(name.to_owned()))
    }

    /// Writes the `compatible` of a client or regulator.
    fn compatible(&self, fdt: &mut FdtWriter, name: &str, compatible: &str) -> Result<(), vm_fdt::Error> {
        if self.held.contains(name) {
            let kind = compatible.rsplit(',').next().unwrap_or(compatible);
            return fdt.property_string("compatible", &format!("{HELD}{kind}"));
        }
        fdt.property_string("compatible", compatible)
    }

    fn root(&self, fdt: &mut FdtWriter) -> Result<(), TreeError> {
        let root = fdt.begin_node("")?;
        fdt.property_string("compatible", "linux,dummy-virt")?;
        fdt.property_string("model", "smmu-emu")?;
        fdt.property_u32("#address-cells", 2)?;
        fdt.property_u32("#size-cells", 2)?;
        fdt.property_u32("interrupt-parent", GIC_PHANDLE)?;
        let chosen = fdt.begin_node("chosen")?;
        fdt.property_string("stdout-path", &format!("/{}", uart_name(UART)))?;
        fdt.end_node(chosen)?;
        if self.trace_port {
            // Linux numbers serial ports in the order of their probes unless it is told; the console is `ttyAMA0`.
            let aliases = fdt.begin_node("aliases")?;
            fdt.property_string("serial0", &format!("/{}", uart_name(UART)))?;
            fdt.property_string("serial1", &format!("/{}", uart_name(TRACE_UART)))?;
            fdt.end_node(aliases)?;
        }
        // The clients come first: Linux adds devices in the order of the tree, and a bus walk visits them in that
        // order.
        let clients = || self.board.clients.iter().zip(&self.layout.clients);
        for (client, at) in clients().filter(|(client, _)| client.parent.is_none()) {
            let node = self.client(fdt, client, at)?;
            for (child, at) in clients().filter(|(c, _)| c.parent.as_ref() == Some(&client.name)) {
                let child = self.client(fdt, child, at)?;
                fdt.end_node(child)?;
            }
            fdt.end_node(node)?;
        }
        self.cpus(fdt)?;
        self.machine(fdt)?;
        self.reserved_memory(fdt)?;
        for supplier in &self.board.suppliers {
            self.supplier(fdt, supplier)?;
        }
        for (smmu, at) in self.board.smmus.iter().zip(&self.layout.smmus) {
            self.smmu(fdt, smmu, at)?;
        }
        fdt.end_node(root)?;
        Ok(())
    }

    fn cpus(&self, fdt: &mut FdtWriter) -> Result<(), TreeError> {
        let cpus = fdt.begin_node("cpus")?;
        fdt.property_u32("#address-cells", 1)?;
        fdt.property_u32("#size-cells", 0)?;
        for cpu in 0..self.board.cpus {
            let affinity = self.board.gic().affinity(cpu);
            let node = fdt.begin_node(&format!("cpu@{affinity:x}"))?;
            fdt.property_string("device_type", "cpu")?;
            fdt.property_string("compatible", "arm,armv8")?;
            fdt.property_u32("reg", affinity)?;
            fdt.property_string("enable-method", "psci")?;
            fdt.end_node(node)?;
        }
        fdt.end_node(cpus)?;
        Ok(())
    }

    /// The parts of the machine that every board has.
    fn machine(&self, fdt: &mut FdtWriter) -> Result<(), TreeError> {
        let psci = fdt.begin_node("psci")?;
        strings(fdt, "compatible", &["arm,psci-1.0", "arm,psci-0.2", "arm,psci"])?;
        // The conduit of a machine without EL2 and EL3.
        fdt.property_string("method", "hvc")?;
        fdt.end_node(psci)?;

        let timer = fdt.begin_node("timer")?;
        strings(fdt, "compatible", &["arm,armv8-timer", "arm,armv7-timer"])?;
        fdt.property_null("always-on")?;
        let flags = self.board.gic().ppi_cpus(self.board.cpus) | LEVEL_HIGH;
        let timers: Vec<u32> = [13, 14, 11, 10]
            .into_iter()
            .flat_map(|ppi| [GIC_PPI, ppi, flags])
            .collect();
        fdt.property_array_u32("interrupts", &timers)?;
        fdt.end_node(timer)?;

        self.board.gic().node(fdt, GIC_PHANDLE, layout::GICV2M)?;

        let clock = fdt.begin_node("apb-pclk")?;
        fdt.property_string("compatible", "fixed-clock")?;
        fdt.property_u32("#clock-cells", 0)?;
        fdt.property_u32("clock-frequency", 24_000_000)?;
        fdt.property_string("clock-output-names", "clk24mhz")?;
        fdt.property_phandle(APB_CLOCK_PHANDLE)?;
        fdt.end_node(clock)?;

        uart(fdt, UART, 1)?;
        if self.trace_port {
            uart(fdt, TRACE_UART, 8)?;
        }

        // Its alarm wakes a guest that suspends.
        let rtc = fdt.begin_node("pl031@9010000")?;
        strings(fdt, "compatible", &["arm,pl031", "arm,primecell"])?;
        reg(fdt, &[(0x0901_0000, 0x1000)])?;
        fdt.property_array_u32("interrupts", &[GIC_SPI, 2, LEVEL_HIGH])?;
        fdt.property_u32("clocks", APB_CLOCK_PHANDLE)?;
        fdt.property_string("clock-names", "apb_pclk")?;
        fdt.end_node(rtc)?;

        let gpio = fdt.begin_node("pl061@9030000")?;
        strings(fdt, "compatible", &["arm,pl061", "arm,primecell"])?;
        reg(fdt, &[(0x0903_0000, 0x1000)])?;
        fdt.property_null("gpio-controller")?;
        fdt.property_u32("#gpio-cells", 2)?;
        fdt.property_array_u32("interrupts", &[GIC_SPI, 7, LEVEL_HIGH])?;
        fdt.property_u32("clocks", APB_CLOCK_PHANDLE)?;
        fdt.property_string("clock-names", "apb_pclk")?;
        fdt.property_phandle(GPIO_PHANDLE)?;
        fdt.end_node(gpio)?;
        Ok(())
    }

    fn reserved_memory(&self, fdt: &mut FdtWriter) -> Result<(), TreeError> {
        let parent = fdt.begin_node("reserved-memory")?;
        fdt.property_u32("#address-cells", 2)?;
        fdt.property_u32("#size-cells", 2)?;
        fdt.property_null("ranges")?;
        let regions: BTreeSet<ReservedRegion> = self
            .board
            .clients
            .iter()
            .filter_map(|c| c.reserved_region)
            .collect();
        for region in regions {
            let node = fdt.begin_node(&format!("region@{:x}", region.iova))?;
            let size = region.bytes(self.board.page_of(region, self.smmu_pages));
            // Linux makes a one-to-one mapping where `reg` and `iommu-addresses` name the same range.
            reg(fdt, &[(region.iova, size)])?;
            fdt.property_null("no-map")?;
            let mut addresses = Vec::new();
            for client in self
                .board
                .clients
                .iter()
                .filter(|c| c.reserved_region == Some(region))
            {
                addresses.push(self.phandle(&client.name)?);
                addresses.extend(cells(region.iova));
                addresses.extend(cells(size));
            }
            fdt.property_array_u32("iommu-addresses", &addresses)?;
            fdt.property_phandle(self.phandle(&region_key(region))?)?;
            fdt.end_node(node)?;
        }
        fdt.end_node(parent)?;
        Ok(())
    }

    fn supplier(&self, fdt: &mut FdtWriter, supplier: &Supplier) -> Result<(), TreeError> {
        let kind = match supplier.kind {
            SupplierKind::RegulatorFixed => "regulator",
            SupplierKind::GatedFixedClock => "clock",
        };
        let node = fdt.begin_node(&format!("{kind}-{}", supplier.name))?;
        match supplier.kind {
            SupplierKind::RegulatorFixed => {
                self.compatible(fdt, &supplier.name, "regulator-fixed")?;
                fdt.property_string("regulator-name", &supplier.name)?;
                fdt.property_u32("regulator-min-microvolt", 1_800_000)?;
                fdt.property_u32("regulator-max-microvolt", 1_800_000)?;
                if let Some(delay) = supplier.startup_delay_us {
                    fdt.property_u32("startup-delay-us", delay)?;
                    // Linux waits only for a regulator that it can switch: one with an enable pin.
                    let line = layout::regulator_gpio(self.board, &supplier.name).unwrap_or_default();
                    fdt.property_array_u32("gpios", &[GPIO_PHANDLE, line, 0])?;
                    fdt.property_null("enable-active-high")?;
                }
            }
            SupplierKind::GatedFixedClock => {
                fdt.property_string("compatible", "gated-fixed-clock")?;
                fdt.property_u32("#clock-cells", 0)?;
                fdt.property_u32("clock-frequency", GATED_CLOCK_RATE)?;
                fdt.property_string("clock-output-names", &supplier.name)?;
                if let Some(supply) = &supplier.supply {
                    fdt.property_u32("vdd-supply", self.phandle(supply)?)?;
                }
            }
        }
        fdt.property_phandle(self.phandle(&supplier.name)?)?;
        fdt.end_node(node)?;
        Ok(())
    }

    fn smmu(&self, fdt: &mut FdtWriter, smmu: &BoardSmmu, at: &SmmuLayout) -> Result<(), TreeError> {
        if let Some(registers) = at.clock {
            self.clock_controller(fdt, smmu, registers)?;
            if smmu.power_domain {
                self.power_domain(fdt, smmu, registers)?;
            }
        }
        let node = fdt.begin_node(&format!("iommu@{:x}", at.registers))?;
        fdt.property_string_list("compatible", smmu.compatible.names().to_vec())?;
        reg(fdt, &[(at.registers, at.register_space)])?;
        fdt.property_u32("#iommu-cells", 1 + u32::from(self.board.has_masks(&smmu.name)))?;
        if let Some(mask) = smmu.stream_match_mask {
            fdt.property_u32("stream-match-mask", mask.into())?;
        }
        fdt.property_u32("#global-interrupts", 1)?;
        let interrupts: Vec<u32> = at.intids.iter().copied().flat_map(spi).collect();
        fdt.property_array_u32("interrupts", &interrupts)?;
        if smmu.coherent {
            fdt.property_null("dma-coherent")?;
        }
        let clock = match (&smmu.clock, at.clock) {
            (_, Some(_)) => Some(self.phandle(&clock_key(&smmu.name))?),
            (Some(clock), None) => Some(self.phandle(clock)?),
            (None, None) => None,
        };
        if let Some(clock) = clock {
            fdt.property_u32("clocks", clock)?;
            fdt.property_string("clock-names", "bus")?;
        }
        if smmu.power_domain {
            fdt.property_u32("power-domains", self.phandle(&power_key(&smmu.name))?)?;
        }
        fdt.property_phandle(self.phandle(&smmu.name)?)?;
        fdt.end_node(node)?;
        Ok(())
    }
}
