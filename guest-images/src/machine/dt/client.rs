// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The nodes of the clients.

use vm_fdt::{FdtWriter, FdtWriterNode};

use super::{APB_CLOCK_PHANDLE, GATED_CLOCK_RATE, Tree, TreeError, reg, region_key, spi, strings};
use crate::machine::board::{Client, ClientKind};
use crate::machine::layout::{self, ClientLayout};

/// Peripheral ID of the SP805 watchdog; with it in the tree the AMBA bus does not read the ID registers.
const SP805_PERIPHERAL_ID: u32 = 0x0014_1805;
/// Peripheral ID that no driver has.
const HELD_PERIPHERAL_ID: u32 = 0x000f_ffff;

impl Tree<'_> {
    /// Writes a client and leaves its node open for children.
    pub(super) fn client(
        &self,
        fdt: &mut FdtWriter,
        client: &Client,
        at: &ClientLayout,
    ) -> Result<FdtWriterNode, TreeError> {
        let kind = layout::node_name(client.kind);
        let node = fdt.begin_node(&match at.registers {
            Some(registers) => format!("{kind}@{registers:x}"),
            None => format!("{kind}-{}", client.name),
        })?;
        let registers = at.registers.unwrap_or(0);
        match client.kind {
            ClientKind::VirtioMmio => {
                self.compatible(fdt, &client.name, "virtio,mmio")?;
                reg(fdt, &[(registers, layout::VIRTIO_MMIO_STRIDE)])?;
                let intid =
                    layout::FIRST_SPI + layout::VIRTIO_MMIO_SPI + u32::from(at.virtio_slot.unwrap_or(0));
                fdt.property_array_u32("interrupts", &spi(intid))?;
                fdt.property_null("dma-coherent")?;
            }
            ClientKind::VirtioBlk | ClientKind::VirtioRng | ClientKind::VirtioConsole => {
                self.compatible(fdt, &client.name, "virtio,mmio")?;
                master(fdt, at)?;
            }
            ClientKind::Sp805 => {
                strings(fdt, "compatible", &["arm,sp805", "arm,primecell"])?;
                reg(fdt, &[(registers, 0x1000)])?;
                fdt.property_array_u32("clocks", &[APB_CLOCK_PHANDLE, APB_CLOCK_PHANDLE])?;
                strings(fdt, "clock-names", &["wdog_clk", "apb_pclk"])?;
                // The AMBA bus goes by this number, whatever is compatible.
                let held = self.held.contains(&client.name);
                let id = if held {
                    HELD_PERIPHERAL_ID
                } else {
                    SP805_PERIPHERAL_ID
                };
                fdt.property_u32("arm,primecell-periphid", id)?;
            }
            ClientKind::Pl330 => {
                strings(fdt, "compatible", &["arm,pl330", "arm,primecell"])?;
                master(fdt, at)?;
                fdt.property_u32("#dma-cells", 1)?;
                fdt.property_u32("clocks", APB_CLOCK_PHANDLE)?;
                fdt.property_string("clock-names", "apb_pclk")?;
            }
            ClientKind::Bus => {
                self.compatible(fdt, &client.name, "rockchip,rk3399-dwc3")?;
                fdt.property_u32("#address-cells", 2)?;
                fdt.property_u32("#size-cells", 2)?;
                fdt.property_null("ranges")?;
            }
            ClientKind::Plain => fdt.property_string("compatible", "smmu-emu,plain")?,
            ClientKind::TestMaster => {
                fdt.property_string("compatible", "smmu-emu,test-master")?;
                master(fdt, at)?;
            }
        }
        let mut iommus = Vec::new();
        for iommu in &client.iommus {
            let smmu = self.phandle(&iommu.smmu)?;
            let mask = self
                .board
                .has_masks(&iommu.smmu)
                .then(|| u32::from(iommu.mask.unwrap_or(0)));
            for id in iommu.all_stream_ids() {
                iommus.extend([smmu, id]);
                iommus.extend(mask);
            }
        }
        if !iommus.is_empty() {
            fdt.property_array_u32("iommus", &iommus)?;
        }
        if let Some(clock) = &client.assigned_clock {
            // Device links are made for `clocks` alone, and would have the driver wait before its probe.
            fdt.property_u32("assigned-clocks", self.phandle(clock)?)?;
            fdt.property_u32("assigned-clock-rates", GATED_CLOCK_RATE)?;
        }
        if let Some(region) = client.reserved_region {
            fdt.property_u32("memory-region", self.phandle(&region_key(region))?)?;
        }
        fdt.property_phandle(self.phandle(&client.name)?)?;
        Ok(node)
    }
}

/// Properties that the nodes of all masters have. Their accesses are coherent with the CPUs' caches.
fn master(fdt: &mut FdtWriter, at: &ClientLayout) -> Result<(), TreeError> {
    reg(fdt, &[(at.registers.unwrap_or(0), layout::BLOCK)])?;
    fdt.property_array_u32("interrupts", &spi(at.intid.unwrap_or(layout::FIRST_SPI)))?;
    fdt.property_null("dma-coherent")?;
    Ok(())
}
