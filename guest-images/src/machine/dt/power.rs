// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The nodes of an SMMU's clock controller and power domain, which are registers of one block.

use vm_fdt::FdtWriter;

use super::{APB_CLOCK_PHANDLE, Tree, TreeError, clock_key, power_key, reg};
use crate::machine::board::BoardSmmu;
use crate::machine::layout;

/// Offset of `CTRL` in a clock controller's register block.
pub const CLOCK_CONTROL: u32 = 4;
/// Bits GATE and PLL of `CTRL`.
pub const CLOCK_ENABLE: u32 = 3;

impl Tree<'_> {
    /// The clock controller before an SMMU, as a clock that a stock kernel switches: X-Gene's, whose node says where
    /// the enable bits are (`xgene_clk_enable()`). It also clears reset bits, which go to the identification register,
    /// where nothing is written.
    pub(super) fn clock_controller(
        &self,
        fdt: &mut FdtWriter,
        smmu: &BoardSmmu,
        registers: u64,
    ) -> Result<(), TreeError> {
        let parent = match &smmu.clock {
            Some(clock) => self.phandle(clock)?,
            None => APB_CLOCK_PHANDLE,
        };
        let node = fdt.begin_node(&format!("clock-controller@{registers:x}"))?;
        fdt.property_string("compatible", "apm,xgene-device-clock")?;
        reg(fdt, &[(registers, layout::BLOCK)])?;
        fdt.property_string("reg-names", "csr-reg")?;
        fdt.property_u32("#clock-cells", 0)?;
        fdt.property_u32("clocks", parent)?;
        fdt.property_string("clock-output-names", &format!("{}-clock", smmu.name))?;
        fdt.property_u32("enable-offset", CLOCK_CONTROL)?;
        fdt.property_u32("enable-mask", CLOCK_ENABLE)?;
        fdt.property_phandle(self.phandle(&clock_key(&smmu.name))?)?;
        fdt.end_node(node)?;
        Ok(())
    }

    /// The power domain of an SMMU, as one that a stock kernel switches by two registers: a slice of i.MX93
    /// (`imx93_pd_on()`, `imx93_pd_off()`).
    pub(super) fn power_domain(
        &self,
        fdt: &mut FdtWriter,
        smmu: &BoardSmmu,
        registers: u64,
    ) -> Result<(), TreeError> {
        let node = fdt.begin_node(&format!("power-domain@{registers:x}"))?;
        fdt.property_string("compatible", "fsl,imx93-src-slice")?;
        reg(fdt, &[(registers, layout::BLOCK)])?;
        fdt.property_u32("#power-domain-cells", 0)?;
        fdt.property_phandle(self.phandle(&power_key(&smmu.name))?)?;
        fdt.end_node(node)?;
        Ok(())
    }
}
